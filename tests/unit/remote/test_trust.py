"""`fab trust` against a real sshd: which key is compared, and where it is pinned."""

from pathlib import Path

import pytest
from dotenv import dotenv_values

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import connection as connections
from pipeline.remote import trust
from pipeline.remote.inventory import Host, Target, resolve
from tests.unit.remote.sshd import Sshd
from tests.unit.remote.test_connection import OTHER

VARIABLE = '[staging]\nhosts = ["web"]\nhost_key = "${STAGING_DEPLOY_HOST_KEY:-}"\n'


def state(sshd: Sshd, host: Host, *pins: str) -> str:
    environment = sshd.environment(host_key=list(pins), key_file=str(sshd.client))
    (answer,) = trust.ask(Target(environment, (host,)))
    return answer.state


def test_a_host_with_several_keys_is_compared_on_the_type_that_is_known(sshd: Sshd):
    for kind in ("ed25519", "ecdsa", "rsa"):
        assert state(sshd, sshd.host, sshd.line(kind)) == "pinned"
        sshd.knows(f"[127.0.0.1]:{sshd.port} {sshd.line(kind)}")
        assert state(sshd, sshd.host) == "known"
    assert state(sshd, sshd.host, OTHER, sshd.line()) == "pinned"
    assert state(sshd, sshd.host, OTHER) == "changed"
    sshd.knows("")
    assert state(sshd, sshd.host) == "new"


def test_a_revoked_key_is_never_pinned(sshd: Sshd):
    sshd.knows(*(f"@revoked * {sshd.line(kind)}" for kind in ("ed25519", "ecdsa", "rsa")))
    answers = trust.ask(Target(sshd.environment(), (sshd.host,)))
    with pytest.raises(Unreachable, match="answers with a revoked key; not pinned"):
        trust.require_fingerprints(answers, frozenset())


def test_the_shipped_hosts_toml_gets_its_key_in_the_env_file(sshd: Sshd, tmp_path: Path):
    sshd.config(f"Host web\n  HostName 127.0.0.1\n  Port {sshd.port}\n  HostKeyAlias other\n")
    path, dotenv = tmp_path / "hosts.toml", tmp_path / ".env"
    path.write_text(VARIABLE)
    dotenv.write_text("# secrets\nTOKEN='x y'\n")
    dotenv.chmod(0o640)
    target = resolve(["staging"], path, {})
    answers = trust.ask(target)
    assert [answer.state for answer in answers] == ["new"]
    assert trust.place(target, path, dotenv, {}) == f"{dotenv} as STAGING_DEPLOY_HOST_KEY"
    with pytest.raises(UsageProblem, match="which is set in this environment"):
        trust.place(target, path, dotenv, {"STAGING_DEPLOY_HOST_KEY": OTHER})
    trust.pin(target, answers, path, dotenv)
    assert path.read_text() == VARIABLE
    assert dotenv.read_text().startswith("# secrets\nTOKEN='x y'\n")
    assert dotenv.stat().st_mode & 0o777 == 0o640
    values = {key: value or "" for key, value in dotenv_values(dotenv).items()}
    target = resolve(["staging"], path, values)
    assert [answer.state for answer in trust.ask(target)] == ["pinned"]
    environment = sshd.environment(
        key_file=str(sshd.client), host_key=target.environment.host_key, hosts=["web"]
    )
    connections.connect(environment, Host("web", 0)).close()


def test_a_fleets_keys_fit_into_one_variable(sshd: Sshd, tmp_path: Path):
    sshd.config(f"Host web other\n  HostName 127.0.0.1\n  Port {sshd.port}\n")
    path, dotenv = tmp_path / "hosts.toml", tmp_path / ".env"
    path.write_text(VARIABLE.replace('"web"', '"web", "other"'))
    target = resolve(["staging"], path, {})
    trust.pin(target, trust.ask(target), path, dotenv)
    assert dotenv.stat().st_mode & 0o777 == 0o600
    values = {key: value or "" for key, value in dotenv_values(dotenv).items()}
    target = resolve(["staging"], path, values)
    assert [answer.state for answer in trust.ask(target)] == ["pinned", "pinned"]
