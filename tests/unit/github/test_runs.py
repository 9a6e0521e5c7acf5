"""Runs, and what their failed steps printed."""

import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline import github_api
from pipeline.errors import Problem
from pipeline.github import runs
from pipeline.github.runs import Failed, Step
from pipeline.github_api import GitHub
from tests.unit.repositories import isolated
from tests.unit.test_tasks import inv as run_inv

from . import described, hub
from .conftest import TOKEN
from .hub import NOW, Hub

pytestmark = described.needed


def at(seconds: int, text: str) -> str:
    return f"{hub.iso(NOW + timedelta(seconds=seconds))[:-1]}.1234567Z {text}\n"


LOG = (
    "\ufeff"
    + at(0, "##[group]Run actions/checkout@v7")
    + at(0, "##[endgroup]")
    + at(1, "Checked out")
    + at(1, "##[group]Run inv check --ci --only format")
    + at(1, "\x1b[36;1minv check --ci --only format\x1b[0m")
    + at(1, "##[endgroup]")
    + at(3, "** (Mix) mix format failed")
    + "  lib/a.ex\n"
    + at(4, "##[warning]slow")
    + at(4, "##[error]Process completed with exit code 1.")
    + at(4, "##[group]Run actions/upload-artifact@v7")
    + at(5, "Uploaded")
)


def red(server: Hub) -> None:
    steps = [
        hub.step(1, "Run actions/checkout@v7", "success", 0, 1),
        hub.step(2, "Checks", "failure", 1, 4),
        hub.step(3, "Run actions/upload-artifact@v7", "success", 4, 5),
    ]
    server.runs = [
        hub.run(12, at=NOW),
        hub.run(11, branch="develop", conclusion="failure"),
        hub.run(10, "Node CI", file="node.yml", conclusion="cancelled"),
    ]
    server.jobs[11] = [[hub.job(1, "build"), hub.job(2, "static", "failure", steps=steps)]]
    server.logs[2] = LOG


def test_runs_are_listed_newest_first_and_filtered(server: Hub, github: GitHub):
    red(server)
    assert [run.id for run in runs.newest(github, 15)] == [12, 11, 10]
    assert [run.id for run in runs.newest(github, 2)] == [12, 11]
    assert [run.id for run in runs.newest(github, 15, branch="develop")] == [11]
    assert [run.id for run in runs.newest(github, 15, workflow="node.yml")] == [10]
    assert [run.id for run in runs.newest(github, 15, failed=True)] == [11]


def test_failed_run_is_found_behind_hundreds_that_passed(server: Hub, github: GitHub):
    passed = hub.run(1)
    server.runs = [passed | {"id": n} for n in range(130, 20, -1)]
    server.runs.append(hub.run(7, conclusion="timed_out"))
    assert [run.id for run in runs.newest(github, 1, failed=True)] == [7]


def test_table_of_runs_and_the_log_of_the_newest_failed_one(
    server: Hub, plain: str, variables: dict[str, str], tmp_path: Path
):
    """Without Prism, which follows redirections itself and then finds an answer too many."""
    red(server)
    environ = isolated(tmp_path, **{**variables, "GITHUB_API_URL": plain})

    def inv(*words: str) -> "subprocess.CompletedProcess[str]":
        return run_inv(*words, cwd=tmp_path, env=environ)

    ended = inv("github.runs", "--limit", "2")
    assert ended.returncode == 0, ended.stderr
    row = next(line for line in ended.stdout.splitlines() if line.startswith("11"))
    assert row.split()[:7] == ["11", "Elixir", "CI", "develop", "push", "failure", "3"]

    ended = inv("github.logs")
    assert ended.returncode == 0, ended.stderr
    assert "run 11: Elixir CI on develop, failure: https://github.com/" in ended.stdout
    assert "--- static / Checks\nRun inv check --ci --only format\n" in ended.stdout
    assert "error: Process completed with exit code 1.\n" in ended.stdout
    assert "Uploaded" not in ended.stdout
    assert "Checked out" not in ended.stdout

    ended = inv("github.logs", "--run", "twelve")
    assert (ended.returncode, ended.stdout) == (2, "")


def test_failed_step_has_its_own_lines_alone(server: Hub, plain: str):
    red(server)
    lines = (
        "Run inv check --ci --only format",
        "\x1b[36;1minv check --ci --only format\x1b[0m",
        "** (Mix) mix format failed",
        "  lib/a.ex",
        "warning: slow",
        "error: Process completed with exit code 1.",
    )
    with github_api.connect(github_api.Access(plain, "qusto/app", TOKEN)) as github:
        assert runs.failures(github, 11) == [Failed("static", "Checks", lines)]


def test_step_that_was_killed_has_what_it_printed():
    log = at(1, "##[group]Run inv test") + at(2, "half a line") + at(9, "after")
    step = Step(1, "Tests", "completed", "timed_out", NOW, NOW + timedelta(seconds=3))
    assert runs.section(log, step) == ("Run inv test", "half a line")


def test_job_that_never_began_is_told_by_its_state(server: Hub, github: GitHub):
    server.runs = [hub.run(11, conclusion="startup_failure")]
    server.jobs[11] = [[hub.job(2, "static", "failure")]]
    assert runs.failures(github, 11) == [Failed("static", "failure", ("no step of it has run",))]


def test_run_in_which_nothing_failed_says_so(server: Hub, github: GitHub):
    server.jobs[12] = [[hub.job(1, "build")]]
    with pytest.raises(Problem, match="no job of run 12 has failed"):
        runs.failures(github, 12)
