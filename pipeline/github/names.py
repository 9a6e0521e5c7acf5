"""The names under which GitHub reports jobs: what branch protection has to require."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.errors import UsageProblem
from pipeline.github import expressions
from pipeline.github.matrix import Combination
from pipeline.github.workflows import Job, Workflow

_LONGEST = 100
"""Characters of a name that GitHub makes up (actions/runner, JobDisplayNameBuilder)."""


@dataclass(frozen=True)
class Reported:
    """One check run: its name, and the workflow and job, with the matrix values, it comes from."""

    name: str
    workflow: str
    job: str
    matrix: Mapping[str, Any]


def reported(workflow: Workflow) -> list[Reported]:
    """Return the check runs of the workflow, in the order of the file.

    Two with one name are two entries: GitHub shows both, and protection cannot tell them apart.
    Raises UsageProblem where the file alone does not say the name.
    """
    found = []
    for job in workflow.jobs.values():
        if job.uses:
            raise UsageProblem(
                f"{workflow.path}: job {job.id} calls {job.uses}: its checks are named there"
            )
        for combination in job.combinations or (Combination({}, ()),):
            name = _name(job, combination, workflow)
            found.append(Reported(name, workflow.path, job.id, combination.values))
    return found


def ambiguous(checks: Iterable[Reported]) -> list[str]:
    """Return the names that more than one check run reports, of one workflow or of several."""
    counted: dict[str, int] = {}
    for check in checks:
        counted[check.name] = counted.get(check.name, 0) + 1
    return [name for name, count in counted.items() if count > 1]


def _name(job: Job, combination: Combination, workflow: Workflow) -> str:
    if expressions.holds_any(job.name):
        # The contexts that GitHub offers there: github, needs, strategy, matrix, vars, inputs.
        contexts = {"matrix": dict(combination.values)}
        where = f"{workflow.path}: the name of job {job.id}"
        return expressions.fill(job.name, contexts, where=where)
    plain = job.name or job.id
    segments = [text for value in combination.named for text in _leaves(value) if text]
    named = f"{plain} ({', '.join(segments)})" if segments else plain
    return named if len(named) <= _LONGEST else f"{named[: _LONGEST - 3]}..."


def _leaves(value: object) -> Iterable[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield expressions.as_text(value)
