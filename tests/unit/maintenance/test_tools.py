"""What Hex, npm and our own checks say, and what they say when they could not look.

npm is asked for real where a registry is not needed. Hex cannot be had here: its tables are those
of hexpm/hex#1005 (Hex 2.0); npm's audit report is that of npm 10.
"""

import json
from pathlib import Path

import pytest

from pipeline.maintenance import rows, tools
from pipeline.maintenance.rows import Row, State
from tests.unit.repositories import isolated, stand_in, write

PACKAGE = {"assets/package.json": '{"name": "assets", "dependencies": {"left-pad": "1.0.0"}}'}
HEX = """\
Dependency              Current  Latest  Status
absinthe                1.7.5    1.7.5   Up-to-date
appsignal               2.7.9    2.7.11  \x1b[33mUpdate possible\x1b[0m
broadway_cloud_pub_sub  0.7.1    0.9.0   \x1b[31mUpdate not possible\x1b[0m

Run `mix hex.outdated APP` to see requirements for a specific dependency.
"""
AUDIT = {"auditReportVersion": 2, "vulnerabilities": {}, "metadata": {"vulnerabilities": {}}}
NONE = {"info": 0, "low": 0, "moderate": 0, "high": 0, "critical": 0, "total": 0}


def look(app: Path, what: str, environ: dict[str, str]) -> Row:
    duties = [duty for duty in tools.duties(app, [], environ) if duty.what.startswith(what)]
    (row,) = rows.look(duties)
    return row


def saying(tmp_path: Path, program: str, text: str, code: int) -> dict[str, str]:
    """Return an environment in which the program prints `text` and exits with `code`."""
    place = tmp_path / "tools"
    write(place, {"said": text, program: f"#!/bin/sh\ncat {place}/said\nexit {code}\n"})
    (place / program).chmod(0o755)
    return isolated(tmp_path, PATH=f"{place}:/usr/bin:/bin")


def project(tmp_path: Path, files: dict[str, str]) -> Path:
    write(tmp_path / "app", files)
    return tmp_path / "app"


@pytest.mark.parametrize(
    ("said", "code", "state", "evidence"),
    [
        (
            HEX,
            1,
            State.DUE,
            "2 of 3: appsignal, broadway_cloud_pub_sub; 1 held back by a requirement",
        ),
        ("\n".join(HEX.splitlines()[:2]), 0, State.OK, "all 1 are the latest"),
        ("** (Mix) No package registry", 1, State.UNKNOWN, "** (Mix) No package registry"),
        ("", 0, State.UNKNOWN, "mix hex.outdated printed no package"),
    ],
)
def test_hex(tmp_path: Path, said: str, code: int, state: State, evidence: str):
    write(tmp_path, {"mix.exs": ""})
    row = look(tmp_path, "outdated Hex", saying(tmp_path, "mix", said, code))
    assert (row.state, row.evidence) == (state, evidence)


@pytest.mark.parametrize(
    ("counts", "state", "evidence"),
    [
        (NONE, State.OK, "no known vulnerability"),
        (NONE | {"high": 2, "low": 1, "total": 3}, State.DUE, "1 low, 2 high"),
        (None, State.UNKNOWN, "405 Method Not Allowed"),
    ],
)
def test_npm_audit(tmp_path: Path, counts: dict[str, int] | None, state: State, evidence: str):
    app = project(tmp_path, PACKAGE)
    report = AUDIT | {"metadata": {"vulnerabilities": counts}}
    said = report if counts else {"message": "405 Method Not Allowed", "statusCode": 405}
    environ = saying(tmp_path, "npm", json.dumps(said), 1)
    row = look(app, "security patches of npm", environ)
    assert (row.state, row.evidence) == (state, evidence)
    assert row.command == "npm audit --prefix ./assets"


def test_npm_outdated(tmp_path: Path):
    app = project(tmp_path, PACKAGE)
    said = {
        "left-pad": {"current": "1.0.0", "wanted": "1.0.0", "latest": "1.3.0"},
        "jest": [{"current": "29.0.0", "latest": "30.0.0"}],
        "new": {"wanted": "2.0.0", "latest": "2.0.0"},
    }
    row = look(app, "outdated npm", saying(tmp_path, "npm", json.dumps(said), 1))
    shown = "3: left-pad 1.0.0 → 1.3.0, jest 29.0.0 → 30.0.0, new not installed → 2.0.0"
    assert (row.state, row.evidence) == (State.DUE, shown)
    said = {"left-pad": {"wanted": "1.3.0", "latest": "1.3.0"}}
    row = look(app, "outdated npm", saying(tmp_path, "npm", json.dumps(said), 1))
    shown = "nothing is installed there: npm install --prefix assets"
    assert (row.state, row.evidence) == (State.UNKNOWN, shown)
    row = look(app, "outdated npm", saying(tmp_path, "npm", "{}", 0))
    assert (row.state, row.evidence) == (State.OK, "all are the latest")


@pytest.mark.needs("npm")
@pytest.mark.parametrize("what", ["outdated npm", "security patches of npm"])
def test_real_npm_without_a_registry_is_unknown(tmp_path: Path, what: str):
    app = project(tmp_path, PACKAGE)
    packages = {
        "": {"name": "assets", "dependencies": {"left-pad": "1.0.0"}},
        "node_modules/left-pad": {"version": "1.0.0"},
    }
    lock = {"name": "assets", "lockfileVersion": 3, "packages": packages}
    write(app, {"assets/package-lock.json": json.dumps(lock)})
    environ = isolated(
        tmp_path, npm_config_registry="http://127.0.0.1:1", npm_config_fetch_retries="0"
    )
    row = look(app, what, environ)
    assert row.state is State.UNKNOWN
    assert "127.0.0.1:1" in row.evidence


def test_program_that_is_not_there_is_unknown(tmp_path: Path):
    write(tmp_path, {"mix.exs": ""})
    row = look(tmp_path, "outdated Hex", isolated(tmp_path, PATH=str(tmp_path)))
    assert (row.state, row.evidence) == (State.UNKNOWN, "mix is not installed")


@pytest.mark.needs("mix")
def test_hex_advisories_are_judged_by_our_own_check(tmp_path: Path):
    """Credo and mix_audit come from Hex; without them the check says why it was not made."""
    app = project(tmp_path, {"mix.exs": "defmodule App.MixProject do\nend\n"})
    stand_in(tmp_path / "home", "#!/bin/sh\nexit 0\n")
    row = look(app, "security patches of Hex", isolated(tmp_path))
    assert row.state is State.UNKNOWN
    assert "mix_audit" in row.evidence
