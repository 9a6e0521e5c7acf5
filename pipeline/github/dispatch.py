"""Deploying through GitHub: the workflow is started by hand and followed to its end."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from tenacity import (
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_fixed,
)

from pipeline.errors import Problem, UsageProblem
from pipeline.github import runs
from pipeline.github.runs import Run, Runs
from pipeline.github.workflows import Workflow
from pipeline.github_api import GitHub, Unanswered

PAUSE = 5.0
"""Seconds between two looks at a run."""
PATIENCE = 300.0
"""Seconds for which GitHub may be unreachable while a run is followed."""
APPEARS = 60.0
"""Seconds within which a started run has to show up."""


class _Started(msgspec.Struct, frozen=True):
    workflow_run_id: int


def require_choice(workflow: Workflow, environment: str) -> None:
    """Raise UsageProblem unless the workflow can be started by hand for this environment."""
    name = Path(workflow.path).name
    if "workflow_dispatch" not in workflow.triggers:
        raise UsageProblem(f"{name} cannot be started by hand: it has no `workflow_dispatch`")
    inputs = (workflow.triggers["workflow_dispatch"] or {}).get("inputs") or {}
    choices = (inputs.get("environment") or {}).get("options") or ()
    if environment not in choices:
        raise UsageProblem(
            f"--environment {environment!r} is not offered by {name}",
            remedy=f"it offers {', '.join(map(str, choices)) or 'none'}",
        )


def start(github: GitHub, workflow: str, ref: str, inputs: Mapping[str, str]) -> int:
    """Start the workflow file at `ref` and return the id of its run.

    GitHub says the id when asked to; a server that is too old for that is asked for the run that
    was not there before. Raises Problem where GitHub refuses or no run shows up.
    """
    runs_of = f"actions/workflows/{workflow}/runs"
    asked: dict[str, str | int] = {"event": "workflow_dispatch", "branch": ref, "per_page": 1}
    before = max((run.id for run in github.get(runs_of, Runs, **asked).workflow_runs), default=0)
    body = {"ref": ref, "inputs": dict(inputs), "return_run_details": True}
    said = github.send("POST", f"actions/workflows/{workflow}/dispatches", body)
    if said:
        return msgspec.json.decode(said, type=_Started).workflow_run_id

    def appeared() -> int | None:
        found = github.get(runs_of, Runs, **asked).workflow_runs
        return next((run.id for run in found if run.id > before), None)

    def gave_up(_: object) -> int:
        raise Problem(
            f"{workflow} was started at {ref} and no run has shown up within {APPEARS:g} s",
            remedy="`inv github.runs` lists what runs",
        )

    looking = Retrying(
        stop=stop_after_delay(APPEARS),
        wait=wait_fixed(PAUSE / 2),
        retry=retry_if_result(lambda found: found is None),
        retry_error_callback=gave_up,
    )
    return looking(appeared) or 0


def follow(github: GitHub, run: int, say: Callable[[str], None]) -> Run:
    """Tell each change of the run's jobs until it has ended; return it then.

    GitHub may be gone for PATIENCE seconds. Raises Unanswered after that; the run goes on.
    """
    told: dict[str, str] = {}

    def look() -> Run:
        patient = Retrying(
            stop=stop_after_delay(PATIENCE),
            wait=wait_fixed(PAUSE),
            retry=retry_if_exception_type(Unanswered),
            reraise=True,
        )
        now: Run = patient(runs.one, github, run)
        if now.status == "waiting" and told.get("") != "waiting":
            say(f"waits for an approval: {now.html_url}")
        told[""] = now.status or ""
        for job in patient(runs.jobs, github, run):
            if told.get(job.name) != job.state:
                say(f"{job.name}: {job.state}")
                told[job.name] = job.state
        return now

    following = Retrying(
        wait=wait_fixed(PAUSE), retry=retry_if_result(lambda now: now.status != "completed")
    )
    return following(look)
