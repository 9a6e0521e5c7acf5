"""Services are found where the application itself looks for them, in the same order."""

from pathlib import Path

import pytest

from pipeline.services.named import named

QUSTO = (
    "DATABASE_URL=postgres://postgres:postgres@127.0.0.1:5432/plausible_test\n"
    "CLICKHOUSE_DATABASE_URL=http://127.0.0.1:8123/plausible_test\n"
    "BASE_URL=http://localhost:8000\nS3_ENDPOINT=http://localhost:10000\n"
)

# As config/runtime.exs of the real application: its defaults are for containers.
RUNTIME = """
db_url = get_var_from_path_or_env(config_dir, "DATABASE_URL",
  "postgres://postgres:postgres@plausible_db:5432/plausible_db")
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/runtime.exs").write_text(RUNTIME)
    return tmp_path


def found(app: Path, **environ: str) -> list[tuple[str, str, str]]:
    return [(one.kind.value, one.address, one.named_in) for one in named(app, environ)]


def test_services_are_those_that_the_test_configuration_names(app: Path):
    (app / "config/.env.test").write_text(QUSTO)
    assert found(app) == [
        ("PostgreSQL", "127.0.0.1:5432", "config/.env.test"),
        ("ClickHouse", "127.0.0.1:8123", "config/.env.test"),
    ]


def test_default_of_another_environment_is_no_service_of_the_tests(app: Path):
    assert found(app) == []


def test_application_without_configuration_needs_no_service(tmp_path: Path):
    assert found(tmp_path, DATABASE_URL="postgres://of.another.project/x") == []


def test_environment_counts_where_the_configuration_asks_it(app: Path):
    environ = {"DATABASE_URL": "postgres://db.example:5433/x", "REDIS_URL": "redis://cache/1"}
    assert found(app, **environ) == [
        ("PostgreSQL", "db.example:5433", "DATABASE_URL in the environment")
    ]


def test_env_file_beats_the_environment_as_envy_lets_it(app: Path):
    (app / "config/.env.test").write_text(QUSTO)
    assert found(app, DATABASE_URL="postgres://db.example/x")[0][1] == "127.0.0.1:5432"


def test_file_in_config_dir_beats_both(app: Path, tmp_path: Path):
    (app / "config/.env.test").write_text(QUSTO)
    (file := tmp_path / "DATABASE_URL").write_text("postgres://127.0.0.1:6000/part_1\n")
    environ = {"CONFIG_DIR": str(tmp_path), "DATABASE_URL": "postgres://db.example/x"}
    assert found(app, **environ)[0] == ("PostgreSQL", "127.0.0.1:6000", str(file))


def test_url_in_the_test_configuration_itself_counts(app: Path):
    text = 'config :tiny, Tiny.Repo, url: "ecto://a:b@localhost:5433/tiny_test"\n'
    (app / "config/test.exs").write_text(text)
    (app / "config/dev.exs").write_text(text.replace("5433", "5434"))
    assert found(app) == [("PostgreSQL", "localhost:5433", "config/test.exs")]


def test_clickhouse_is_known_by_its_variable_on_any_port(app: Path):
    (app / "config/.env.test").write_text("CLICKHOUSE_DATABASE_URL=http://localhost:18123/x\n")
    assert found(app) == [("ClickHouse", "localhost:18123", "config/.env.test")]


def test_one_server_with_two_names_is_asked_once(app: Path):
    urls = "A=postgres://localhost/one\nB=postgres://127.0.0.1:5432/two\n"
    (app / "config/.env.test").write_text(urls)
    assert len(found(app)) == 1


@pytest.mark.parametrize(
    "line",
    ["DATABASE_URL=postgres://u@host:port/x", "DATABASE_URL=", "DATABASE_URL", "X=ftp://h/x", "\0"],
)
def test_url_that_is_none_is_passed_over(app: Path, line: str):
    (app / "config/.env.test").write_text(f"{line}\n")
    assert found(app) == []


def test_secret_of_a_url_is_kept_and_not_shown(app: Path):
    (app / "config/.env.test").write_text("DATABASE_URL=postgres://u:hunter%402@db/x\n")
    (service,) = named(app, {})
    assert service.password == "hunter@2"
    assert "hunter" not in repr(service)
