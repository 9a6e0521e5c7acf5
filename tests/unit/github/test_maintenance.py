"""`inv maintenance`: the rows that GitHub answers, each fine, due and not known."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.github import workflows
from pipeline.github_api import GitHub
from pipeline.maintenance import hub as duties
from pipeline.maintenance import rows
from pipeline.maintenance.rows import Row, State
from pipeline.settings import PROJECT
from tests.unit.repositories import isolated, write
from tests.unit.test_tasks import inv as run_inv

from . import described, hub
from .conftest import Inv
from .hub import Hub, Place
from .test_secrets import own

pytestmark = described.needed
FILES = workflows.files(PROJECT)
NOW = datetime.now(UTC)

Look = Callable[[str], Row]


@pytest.fixture
def look(github: GitHub, tmp_path: Path) -> Look:
    def found(what: str) -> Row:
        known = duties.duties(tmp_path, FILES, lambda: github)
        (row,) = rows.look([duty for duty in known if duty.what == what])
        return row

    return found


def told(row: Row) -> tuple[State, str]:
    return row.state, row.evidence


def test_failed_runs_of_a_week(server: Hub, look: Look):
    server.runs = [hub.run(3, at=NOW), hub.run(1, at=NOW - timedelta(days=9), conclusion="failure")]
    assert told(look("failed workflow runs")) == (State.OK, "none of 1 within 7 days")
    server.runs.insert(0, hub.run(4, at=NOW, branch="develop", conclusion="timed_out"))
    shown = "1 of 2 within 7 days: Elixir CI on develop"
    assert told(look("failed workflow runs")) == (State.DUE, shown)


def test_protection(server: Hub, look: Look, inv: Inv):
    row = look("branch protection")
    assert told(row) == (State.DUE, "3 differences: main: is not there")
    assert inv(*row.command.split()[1:]).returncode == 1
    inv("github.protect")
    assert told(look("branch protection"))[0] is State.OK


def test_minutes_and_deploys_of_a_month(server: Hub, look: Look):
    failed = hub.run(5, "Deploy", file="deploy.yml", at=NOW, conclusion="failure")
    server.runs = [failed, hub.run(4, "Deploy", file="deploy.yml", at=NOW)]
    server.jobs[5] = [[hub.job(1, "release", seconds=90)]]
    assert told(look("minutes of jobs, 30 days")) == (State.OK, "Deploy 2 min in 2 runs")
    state, evidence = told(look("deploys, 30 days"))
    assert (state, evidence.split(";")[0]) == (State.DUE, "2 runs, 1 failed")
    failed["conclusion"] = "success"
    assert told(look("deploys, 30 days"))[0] is State.OK


def test_secrets_and_the_age_of_ssh_keys(server: Hub, look: Look):
    state, evidence = told(look("secrets of deploys"))
    assert state is State.DUE
    assert evidence.startswith("not set: STAGING_DEPLOY_HOST")
    for name in ("staging", "production"):
        wanted = [one for one in own() if one.environment == name]
        server.places[name] = Place(
            {one.name: "" for one in wanted if one.kind == "secret"},
            {one.name: "" for one in wanted if one.kind == "variable"},
        )
    assert told(look("secrets of deploys"))[0] is State.OK
    server.set_at = NOW - timedelta(days=91, hours=1)
    state, evidence = told(look("age of SSH keys of deploys"))
    assert state is State.DUE
    assert "STAGING_DEPLOY_SSH_KEY 91 days" in evidence
    assert "HOST" not in evidence
    server.set_at = NOW - timedelta(days=3)
    assert told(look("age of SSH keys of deploys"))[0] is State.OK


def test_versions_of_actions(server: Hub, look: Look):
    server.releases = {"actions/checkout": "v8.0.0"}
    state, evidence = told(look("versions of actions"))
    assert state is State.DUE
    assert "actions/checkout v7.0.1 → v8.0.0" in evidence
    server.releases = {"actions/checkout": "v7.0.1"}
    assert told(look("versions of actions"))[0] is State.OK


def test_caches(server: Hub, look: Look):
    dated = {"created_at": hub.iso(NOW), "last_accessed_at": hub.iso(NOW)}
    cache = {"id": 1, "ref": "refs/heads/main", "version": "1", "key": "k", **dated}
    server.caches = [cache | {"size_in_bytes": 5 * 1024**3}]
    assert told(look("caches")) == (State.OK, "1 caches, 50% of the free room")
    server.caches.append(cache | {"size_in_bytes": 4 * 1024**3})
    assert told(look("caches")) == (State.DUE, "2 caches, 90% of the free room")


def test_code_owners(server: Hub, look: Look, tmp_path: Path):
    assert told(look("CODEOWNERS")) == (State.DUE, "there is no .github/CODEOWNERS")
    assert server.asked == []
    write(tmp_path, {".github/CODEOWNERS": "* @qusto/nobody\n"})
    assert "not on GitHub's default branch" in look("CODEOWNERS").evidence
    mistake = {
        "line": 1,
        "column": 3,
        "kind": "Unknown owner",
        "message": "Unknown owner on line 1: make sure @qusto/nobody exists\n\n  * @qusto/nobody",
        "path": ".github/CODEOWNERS",
        "source": "* @qusto/nobody",
    }
    server.owners = [mistake]
    shown = "1 mistakes, line 1: Unknown owner on line 1: make sure @qusto/nobody exists"
    assert told(look("CODEOWNERS")) == (State.DUE, shown)
    server.owners = []
    assert told(look("CODEOWNERS"))[0] is State.OK


def test_administrators(server: Hub, look: Look):
    server.admins = ["ada", "bob", "cleo"]
    assert told(look("administrators")) == (State.OK, "3: ada, bob, cleo")
    server.admins.append("dan")
    assert told(look("administrators"))[0] is State.DUE


@pytest.mark.parametrize(
    ("rule", "state"), [(True, State.OK), (False, State.DUE), (None, State.UNKNOWN)]
)
def test_two_factor_rule(server: Hub, look: Look, rule: bool | None, state: State):
    server.two_factor = rule
    assert look("two-factor rule of the organisation").state is state


def test_age_of_deploy_keys(server: Hub, look: Look):
    assert told(look("age of deploy keys")) == (State.OK, "none")
    key = described.example("deploy-key-items", title="ci", read_only=False)
    server.keys = [key | {"created_at": hub.iso(NOW - timedelta(days=100, hours=1))}]
    assert told(look("age of deploy keys")) == (State.DUE, "ci (may write) 100 days")


def test_whole_table_as_its_user_sees_it(server: Hub, variables: dict[str, str], tmp_path: Path):
    app = tmp_path / "app"
    write(app, {"mix.exs": "defmodule App.MixProject do\nend\n"})
    environ = isolated(tmp_path, **variables)
    words = ("maintenance", "--app", str(app), "--period", "monthly")
    ended = run_inv(*words, "--format", "json", cwd=app, env=environ)
    assert ended.returncode == 1, ended.stderr
    assert {row["what"]: row["state"] for row in json.loads(ended.stdout)} == {
        "branch protection": "due",
        "minutes of jobs, 30 days": "ok",
        "deploys, 30 days": "ok",
        "secrets of deploys": "due",
    }
    offline = environ | {"GITHUB_API_URL": "http://127.0.0.1:1"}
    ended = run_inv(*words, cwd=app, env=offline)
    assert ended.returncode == 3
    assert ended.stdout.count("unknown") == 4
    assert "127.0.0.1:1 cannot be asked" in ended.stdout
    ended = run_inv("maintenance", "--period", "daily", cwd=app, env=environ)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "use weekly, monthly, quarterly" in ended.stderr
