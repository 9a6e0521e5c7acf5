"""Whether the workflow files say what the check table and the settings say; both directions."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.checks.check import Check, Group
from pipeline.github import cache
from pipeline.github.workflows import Job, Workflow
from pipeline.services.compose import IMAGES
from pipeline.services.named import Kind
from pipeline.settings import Settings

_MIX_ENV = "test"


@dataclass(frozen=True)
class Call:
    """One call of inv or fab in a step: its words from the task on, and where it stands."""

    program: str
    words: tuple[str, ...]
    job: str
    where: str


def matrix(checks: Sequence[Check], settings: Settings) -> dict[str, list[Any]]:
    """Return the matrix of the test job: each MIX_ENV that CI compiles, in all partitions."""
    compiled = [
        row.mix_env
        for row in checks
        if row.argv[:2] == ("mix", "compile") and Group.CI in row.groups
    ]
    return {
        "mix_env": compiled,
        "postgres_image": [IMAGES[Kind.POSTGRESQL]],
        "mix_test_partition": list(range(1, settings.partitions + 1)),
    }


def differences(
    workflows: Sequence[Workflow], checks: Sequence[Check], settings: Settings
) -> list[str]:
    """Return what does not agree, one line each; empty if all does."""
    by_workflow = [(workflow, calls(workflow)) for workflow in workflows]
    run: set[str] = set()
    lines: list[str] = []
    known = {row.name for row in checks}
    for call in (call for _, found in by_workflow for call in found):
        rows = rows_of(call.words) if call.program == "inv" else set()
        lines += [f"{call.where}: there is no check {name!r}" for name in sorted(rows - known)]
        run |= rows
    in_ci = [row.name for row in checks if Group.CI in row.groups]
    lines += [f"no step runs the check {name}" for name in in_ci if name not in run]
    wanted = matrix(checks, settings)
    for workflow, found in by_workflow:
        for job in workflow.jobs.values():
            mine = [call for call in found if call.job == job.id]
            lines += _of_job(workflow, job, mine, wanted)
    return lines


def calls(workflow: Workflow) -> list[Call]:
    """Return the calls of inv and fab in the workflow's steps, variables as they are written."""
    found = []
    for job in workflow.jobs.values():
        for step in job.steps:
            where = f"{workflow.path}: {job.id}, step {step.number}"
            for line in step.run.splitlines():
                words = shlex.split(line, comments=True)
                for at, word in enumerate(words):
                    if re.fullmatch(r"(?:.*/)?(inv|fab)", word):
                        rest = words[at + 1 :]
                        end = next((n for n, w in enumerate(rest) if w in _ENDS), len(rest))
                        name = word.rpartition("/")[2]
                        found.append(Call(name, tuple(rest[:end]), job.id, where))
                        break
    return found


_ENDS = frozenset({">", ">>", "|", "&&", "||", ";"})


def rows_of(words: Sequence[str]) -> set[str]:
    """Return the rows of the check table that a call of inv runs."""
    task = words[0] if words else ""
    if task in ("check", "check.all"):
        return set(_option(words, "--only").split(",")) - {""}
    if task.startswith("check.") and task != "check.list":
        return {task.removeprefix("check.")}
    if task == "test":
        # inv test compiles for its MIX_ENV first; a variable stands for every value of the matrix.
        env = _option(words, "--env") or _MIX_ENV
        return {"test", "compile", "compile-ce"} if env.startswith("$") else _of_env(env)
    return set()


def _of_env(env: str) -> set[str]:
    return {"test", "compile"} if env == _MIX_ENV else {f"compile-{env.partition('_')[0]}"}


def _option(words: Sequence[str], name: str) -> str:
    for at, word in enumerate(words):
        if word == name and at + 1 < len(words):
            return words[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return ""


def _of_job(
    workflow: Workflow, job: Job, mine: Sequence[Call], wanted: Mapping[str, list[Any]]
) -> Iterable[str]:
    where = f"{workflow.path}: job {job.id}"
    tested = any(call.program == "inv" and call.words[:1] == ("test",) for call in mine)
    if tested:
        expected = {tuple(sorted(_texts(row).items())) for row in _product(wanted)}
        there = {tuple(sorted(_texts(one.values).items())) for one in job.combinations}
        if there != expected:
            yield f"{where}: its matrix is not what `inv ci.matrix` prints"
    for call in mine:
        if call.words[:1] == ("ci.cache-key",):
            if call.words[1:2] and call.words[1] not in cache.PATHS:
                yield f"{call.where}: no cache is described for the job {call.words[1]!r}"
            if cache.VERSION not in {*workflow.env, *job.env}:
                yield f"{where}: {cache.VERSION} is not set"


def _product(axes: Mapping[str, list[Any]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{}]
    for name, values in axes.items():
        rows = [{**row, name: value} for row in rows for value in values]
    return rows


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in values.items()}
