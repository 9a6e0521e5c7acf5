"""What CI says of a commit: GitHub's check runs and commit statuses, over its REST API."""

from collections.abc import Mapping

import msgspec

from pipeline import github_api
from pipeline.errors import Problem
from pipeline.github_api import GitHub
from pipeline.release.provenance import CiState

_NAMED = 3
_PASSED = frozenset({"success", "neutral", "skipped"})


class _Run(msgspec.Struct, frozen=True):
    name: str
    status: str
    conclusion: str | None = None
    details_url: str | None = None


class _Runs(msgspec.Struct, frozen=True):
    check_runs: list[_Run]


class _Status(msgspec.Struct, frozen=True):
    context: str
    state: str


class _Combined(msgspec.Struct, frozen=True):
    statuses: list[_Status]


def ask(commit: str, remote: str, variables: Mapping[str, str]) -> CiState:
    """Return what GitHub knows of `commit`; whatever cannot be found out is "missing".

    `remote` is the URL of git's remote (github_api.access says how it and `variables` are used).
    """
    if not commit:
        return CiState("missing", "there is no commit to ask about")
    try:
        with github_api.connect(github_api.access(variables, remote)) as github:
            return judge(*_answers(github, commit), own_run=variables.get("GITHUB_RUN_ID", ""))
    except Problem as problem:
        return CiState("missing", f"not known, {problem.message}")


def judge(runs: list[_Run], statuses: list[_Status], *, own_run: str = "") -> CiState:
    """Return the state of a commit: one red is red, one unfinished is missing, none is missing.

    Jobs of `own_run` (GITHUB_RUN_ID) that have not ended are left out: the deploy is one of them.
    """
    own = f"/actions/runs/{own_run}/"
    ended = [run for run in runs if run.status == "completed"]
    red = [run.name for run in ended if run.conclusion not in _PASSED]
    red += [status.context for status in statuses if status.state in ("failure", "error")]
    open_ = [
        run.name
        for run in runs
        if run.status != "completed" and not (own_run and own in (run.details_url or ""))
    ]
    open_ += [status.context for status in statuses if status.state == "pending"]
    if red:
        return CiState("red", _names(red))
    if open_:
        return CiState("missing", f"not ended: {_names(open_)}")
    passed = any(run.conclusion == "success" for run in ended)
    if passed or any(status.state == "success" for status in statuses):
        return CiState("green")
    return CiState("missing", "nothing ran for it")


def _answers(github: GitHub, commit: str) -> tuple[list[_Run], list[_Status]]:
    where = f"commits/{commit}"
    runs = list(github.pages(f"{where}/check-runs", _Runs, lambda page: page.check_runs))
    # The combined status holds the newest of each context, a hundred of them a page.
    combined = github.get(f"{where}/status", _Combined, per_page=github_api.PAGE)
    return runs, combined.statuses


def _names(names: list[str]) -> str:
    shown = ", ".join(dict.fromkeys(names[:_NAMED]))
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
