"""The compose file: as agreed, valid by the specification, without a secret."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.services import compose
from pipeline.services.named import DOCUMENTED, Kind, Service

GOLDEN = Path(__file__).parent / "golden"
ALL = (
    *DOCUMENTED,
    Service(Kind.CLICKHOUSE, "localhost", 18123, "x", "plausible", "s3cret"),
    Service(Kind.REDIS, "127.0.0.1", 6380, "REDIS_URL in the environment", "", "s3cret"),
)


@pytest.mark.parametrize(("name", "services"), [("documented", DOCUMENTED), ("all", ALL)])
def test_compose_file_is_as_agreed(name: str, services: tuple[Service, ...]):
    """`UPDATE=1` is not offered: read the difference, then change the file by hand."""
    assert compose.compose_file(services) == (GOLDEN / f"{name}.json").read_text()


def test_compose_file_holds_by_the_schema_of_the_compose_specification(tmp_path: Path):
    """The schema is the one in check-jsonschema, a copy of the specification's own."""
    (path := tmp_path / "compose.json").write_text(compose.compose_file(ALL))
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    ended = subprocess.run([*argv, str(path)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
    # It would have found something.
    path.write_text(compose.compose_file(ALL).replace('"healthcheck"', '"healthchecks"'))
    assert subprocess.run([*argv, str(path)], capture_output=True, check=False).returncode == 1


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
_SERVICES = st.lists(
    st.builds(
        Service,
        kind=st.sampled_from(Kind),
        host=st.just("127.0.0.1"),
        port=st.integers(1, 65535),
        named_in=st.just("x"),
        user=_NAMES,
        password=_NAMES.map(lambda text: f"pw-{text}-pw"),
    ),
    unique_by=lambda service: (service.kind, service.port),
)


@given(_SERVICES)
def test_no_password_is_in_the_file_and_every_one_in_the_environment(services: list[Service]):
    text = compose.compose_file(services)
    given = compose.secrets(services)
    assert "pw-" not in text
    assert sorted(given.values()) == sorted(service.password for service in services)
    assert all(f"${{{variable}}}" in text for variable in given)


@given(_SERVICES)
def test_ports_are_open_to_this_machine_alone_and_names_are_distinct(services: list[Service]):
    containers = json.loads(compose.compose_file(services))["services"]
    assert len(containers) == len(services)
    for container in containers.values():
        (port,) = container["ports"]
        assert port.startswith("127.0.0.1:")


def test_dollar_in_a_user_name_is_no_variable_to_compose():
    service = Service(Kind.POSTGRESQL, "127.0.0.1", 5432, "x", "a$HOME")
    assert '"POSTGRES_USER": "a$$HOME"' in compose.compose_file([service])
