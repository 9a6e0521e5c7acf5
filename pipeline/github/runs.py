"""Runs of workflows, their jobs, and what the failed steps have printed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from typing import Any

import msgspec

from pipeline.errors import Problem
from pipeline.github_api import PAGE, GitHub

BAD = ("failure", "timed_out", "startup_failure")
"""Conclusions of what has gone wrong; a cancelled run was ended by somebody."""

_TIME = re.compile(r"^\ufeff?(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)[.\d]*Z ?")
_MARK = re.compile(r"^##\[(\w+)\]")
_LABEL = {"error": "error: ", "warning": "warning: ", "notice": "notice: "}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Run(msgspec.Struct, frozen=True):
    """One run of a workflow; `conclusion` is None until it has ended."""

    id: int
    event: str
    status: str | None
    conclusion: str | None
    html_url: str
    created_at: datetime
    updated_at: datetime
    name: str | None = None
    head_branch: str | None = None
    display_title: str = ""
    run_started_at: datetime | None = None

    @property
    def state(self) -> str:
        """How it ended, or what it is doing."""
        return self.conclusion or self.status or "unknown"

    @property
    def seconds(self) -> float:
        """From its start to its last change."""
        return (self.updated_at - (self.run_started_at or self.created_at)).total_seconds()


class Step(msgspec.Struct, frozen=True):
    """One step of a job, with times to the second."""

    number: int
    name: str
    status: str
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class Job(msgspec.Struct, frozen=True):
    """One job of a run."""

    id: int
    name: str
    status: str
    conclusion: str | None
    html_url: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    steps: list[Step] = []

    @property
    def state(self) -> str:
        """How it ended, or what it is doing."""
        return self.conclusion or self.status


class Runs(msgspec.Struct, frozen=True):
    """A page of runs."""

    workflow_runs: list[Run]


class _Jobs(msgspec.Struct, frozen=True):
    jobs: list[Job]


@dataclass(frozen=True)
class Failed:
    """A failed step, by the name of its job, and the lines that it has printed."""

    job: str
    step: str
    lines: tuple[str, ...]


def newest(
    github: GitHub, limit: int, *, branch: str = "", workflow: str = "", failed: bool = False
) -> list[Run]:
    """Return at most `limit` runs, newest first; `workflow` is a file name.

    GitHub filters by one state only, so failed ones are picked here, out of the newest thousand.
    """
    where = _where(workflow)
    query: dict[str, Any] = {"branch": branch} if branch else {}
    if not failed and limit <= PAGE:
        return github.get(where, Runs, **query, per_page=limit).workflow_runs
    found = github.pages(where, Runs, lambda page: page.workflow_runs, **query)
    wanted = (run for run in islice(found, _SEEN) if not failed or run.conclusion in BAD)
    return list(islice(wanted, limit))


_SEEN = 1000


def since(github: GitHub, start: datetime, *, workflow: str = "") -> list[Run]:
    """Return the runs that were created after `start`, newest first."""
    found = github.pages(_where(workflow), Runs, lambda page: page.workflow_runs)
    return list(takewhile(lambda run: run.created_at >= start, found))


def _where(workflow: str) -> str:
    return f"actions/workflows/{workflow}/runs" if workflow else "actions/runs"


def one(github: GitHub, run: int) -> Run:
    """Return the run of this id."""
    return github.get(f"actions/runs/{run}", Run)


def jobs(github: GitHub, run: int) -> list[Job]:
    """Return the jobs of the run's last attempt."""
    return list(github.pages(f"actions/runs/{run}/jobs", _Jobs, lambda page: page.jobs))


def failures(github: GitHub, run: int) -> list[Failed]:
    """Return the failed steps of a run with their lines, in the order of its jobs.

    Raises Problem where nothing has failed. A job that never got to a step is told by its state.
    """
    bad = [job for job in jobs(github, run) if job.conclusion in BAD]
    if not bad:
        raise Problem(f"no job of run {run} has failed", remedy="`inv github.runs` lists runs")
    return [found for job in bad for found in _of_job(github, job)]


def _of_job(github: GitHub, job: Job) -> list[Failed]:
    steps = [step for step in job.steps if step.conclusion in BAD]
    if not steps:
        return [Failed(job.name, job.state, ("no step of it has run",))]
    log = github.text(f"actions/jobs/{job.id}/logs")
    return [Failed(job.name, step.name, section(log, step)) for step in steps]


def section(log: str, step: Step) -> tuple[str, ...]:
    """Return the lines of a job's log that the step printed, without times and marks.

    The log does not say where a step begins and its times are whole seconds, so the neighbours of
    the same second are taken off by GitHub's marks: a step opens with a group, a failed one ends
    with errors.
    """
    start = (step.started_at or _EPOCH).replace(microsecond=0)
    end = (step.completed_at or datetime.now(UTC)).replace(microsecond=0)
    inside: list[str] = []
    first: list[bool] = []
    within = False
    for line in log.splitlines():
        stamp = _TIME.match(line)
        if stamp:
            at = datetime.fromisoformat(f"{stamp[1]}+00:00")
            within = start <= at <= end
        if within:
            inside.append(line[stamp.end() :] if stamp else line)
            first.append(stamp is not None and at - start < timedelta(seconds=1))
    return tuple(_unmarked(inside[_opening(inside, first) : _closing(inside)]))


def _opening(lines: Sequence[str], first: Sequence[bool]) -> int:
    """Return where the step begins: at the last group that opens a step in its first second."""
    opened = [at for at, line in enumerate(lines) if first[at] and line.startswith("##[group]Run ")]
    return opened[-1] if opened else 0


def _closing(lines: Sequence[str]) -> int:
    errors = [at for at, line in enumerate(lines) if line.startswith("##[error]")]
    return errors[-1] + 1 if errors else len(lines)


def _unmarked(lines: Sequence[str]) -> list[str]:
    kept = [line for line in lines if line != "##[endgroup]"]
    return [_MARK.sub(lambda mark: _LABEL.get(mark[1], ""), line) for line in kept]
