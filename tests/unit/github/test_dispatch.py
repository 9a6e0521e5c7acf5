"""A deploy through GitHub: started with what the form asks for, followed to its end."""

from pathlib import Path

import pytest

from pipeline.errors import Problem, UsageProblem
from pipeline.github import dispatch, workflows
from pipeline.github_api import GitHub, Unanswered
from pipeline.settings import PROJECT

from . import described, hub
from .conftest import Inv
from .hub import Hub

pytestmark = described.needed
INPUTS = {"environment": "staging", "skip_migrations": "false"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(dispatch, "PAUSE", 0.01)


def looks(server: Hub, *, ended: str) -> None:
    going = hub.job(1, "release", None, status="in_progress")
    done = hub.job(1, "release")
    server.jobs[9001] = [
        [going],
        [done, hub.job(2, "staging", None, status="queued")],
        [done, hub.job(2, "staging", ended)],
    ]


@pytest.mark.parametrize("tells_run", [True, False])
def test_run_is_found_whether_or_not_github_says_its_number(
    server: Hub, github: GitHub, tells_run: bool
):
    server.tells_run = tells_run
    server.runs = [hub.run(800, "Deploy", file="deploy.yml", event="workflow_dispatch")]
    assert dispatch.start(github, "deploy.yml", "main", INPUTS) == 9001
    (sent,) = server.dispatched
    assert (sent["ref"], sent["inputs"]) == ("main", INPUTS)


def test_run_that_never_shows_up_is_an_error(
    server: Hub, github: GitHub, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(dispatch, "APPEARS", 0.05)
    server.shows_run = False
    with pytest.raises(Problem, match="no run has shown up"):
        dispatch.start(github, "deploy.yml", "main", INPUTS)


def test_each_change_is_told_once(server: Hub, github: GitHub):
    dispatch.start(github, "deploy.yml", "develop", INPUTS)
    looks(server, ended="success")
    said: list[str] = []
    ended = dispatch.follow(github, 9001, said.append)
    assert ended.conclusion == "success"
    assert said == ["release: success", "staging: queued", "staging: success"]


def test_approval_is_waited_for_and_said(server: Hub, github: GitHub):
    dispatch.start(github, "deploy.yml", "main", INPUTS)
    looks(server, ended="success")
    server.runs[0]["status"] = "waiting"
    said: list[str] = []
    dispatch.follow(github, 9001, said.append)
    assert said[0] == "waits for an approval: https://github.com/qusto/app/actions/runs/9001"


def test_line_that_breaks_for_a_while_ends_nothing(
    server: Hub, github: GitHub, monkeypatch: pytest.MonkeyPatch
):
    dispatch.start(github, "deploy.yml", "develop", INPUTS)
    looks(server, ended="success")
    server.fails = [(404, {}, {"message": "Not Found"})] * 4
    assert dispatch.follow(github, 9001, lambda _: None).conclusion == "success"
    monkeypatch.setattr(dispatch, "PATIENCE", 0.05)
    server.fails = [(404, {}, {"message": "Not Found"})] * 100
    with pytest.raises(Unanswered):
        dispatch.follow(github, 9001, lambda _: None)


def test_deploy_that_fails_is_exit_one_and_names_its_log(server: Hub, inv: Inv):
    looks(server, ended="failure")
    server.jobs[9001] = server.jobs[9001][-1:]
    ended = inv("github.deploy", "--environment", "staging", "--skip-migrations")
    assert ended.returncode == 1
    assert "started run 9001: deploy.yml at develop to staging\n" in ended.stdout
    assert "staging: failure" in ended.stdout
    assert "error: run 9001 ended as failure\n  → inv github.logs --run 9001" in ended.stderr
    (sent,) = server.dispatched
    assert sent["inputs"] == {"environment": "staging", "skip_migrations": "true"}


def test_deploy_that_is_not_followed_says_where_it_is(server: Hub, inv: Inv):
    ended = inv("github.deploy", "--environment", "production", "--no-follow")
    assert ended.returncode == 0, ended.stderr
    assert server.dispatched[0]["ref"] == "main"
    assert ended.stdout.endswith("https://github.com/qusto/app/actions/runs/9001\n")


def test_environment_that_the_form_does_not_offer_starts_nothing(server: Hub, inv: Inv):
    ended = inv("github.deploy", "--environment", "stagin")
    assert ended.returncode == 2
    assert "is not offered by deploy.yml; it offers staging, production" in ended.stderr
    assert server.asked == []


def test_workflow_without_a_form_cannot_be_started():
    workflow = workflows.read(PROJECT / ".github/workflows/node.yml")
    with pytest.raises(UsageProblem, match=r"node\.yml cannot be started by hand"):
        dispatch.require_choice(workflow, "staging")
    assert Path(workflow.path).name == "node.yml"
