"""The page GitHub shows for a deploy: its steps, why it failed, and what serves now."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline import printable, redaction
from pipeline.errors import Problem
from pipeline.release import inspect, operate
from pipeline.release.inspect import Serving
from pipeline.release.operate import Health
from pipeline.release.steps import Step, Steps
from pipeline.remote.inventory import Target

LIMIT = 256 * 1024
"""Bytes of a process's own words that a page takes; GitHub refuses a summary of over 1 MiB."""


@contextmanager
def of_step(target: Target, what: str, say: Steps, environ: Mapping[str, str]) -> Iterator[None]:
    """Append the page of the block to the step's summary, if GitHub asks for one.

    After a Problem the hosts are looked at once more: what they serve is the first thing one asks.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        yield
        return
    try:
        yield
    except Problem as problem:
        _append(Path(path), page(target, what, say.done, problem, *_now(target)))
        raise
    _append(Path(path), page(target, what, say.done, None, *_now(target)))


def page(
    target: Target,
    what: str,
    steps: Sequence[Step],
    problem: Problem | None,
    serving: Sequence[Serving] | Problem,
    healths: Sequence[Health] | Problem,
) -> str:
    """Return the Markdown. A look at the hosts that failed is told in its place."""
    name = target.environment.name
    lines = [f"### {what} to {name}: {'failed' if problem else 'done'}", ""]
    if problem:
        lines += [f"**{_cell(problem.message)}**", ""]
        lines += [f"→ {_cell(problem.remedy)}", ""] if problem.remedy else []
    if steps:
        lines += ["| | step | time | |", "|---|---|---:|---|"]
        lines += [
            f"| {'❌' if step.failed else '✅'} | {_cell(step.name)} | {step.seconds:.1f} s "
            f"| {_cell(step.note)} |"
            for step in steps
        ]
        lines.append("")
    lines += ["#### What serves now", ""]
    if isinstance(serving, Problem):
        lines += [f"Not known: {_cell(serving.message)}", ""]
    else:
        lines += ["| host | release | version | service | since |", "|---|---|---|---|---|"]
        lines += [
            f"| {' | '.join(map(_cell, (r.host, r.release, r.version, r.service, r.since)))} |"
            for r in serving
        ]
        lines.append("")
    if isinstance(healths, Problem):
        lines += [f"Health: not known: {_cell(healths.message)}", ""]
    else:
        lines += [f"- {_cell(row.host)}: {_cell(row.answer)}" for row in healths]
        lines.append("")
    if problem and problem.detail:
        lines += ["#### What it said", "", *_fenced(problem.detail), ""]
    return "\n".join(lines) + "\n"


def _now(target: Target) -> tuple[Sequence[Serving] | Problem, Sequence[Health] | Problem]:
    serving: Sequence[Serving] | Problem
    healths: Sequence[Health] | Problem
    try:
        serving = inspect.status(target)
        healths = operate.look(target)
    except Problem as problem:
        return problem, problem
    return serving, healths


def _append(path: Path, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(printable.visible(redaction.clean(text)))
    except OSError as error:  # the deploy is what counts
        sys.stderr.write(f"note: no step summary: {path}: {error.strerror}\n")


def _fenced(text: str) -> list[str]:
    encoded = text.strip("\n").encode("utf-8", "replace")
    kept = encoded[-LIMIT:].decode("utf-8", "ignore")
    longest = max((len(run) for run in re.findall("`+", kept)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}", kept, fence]


def _cell(text: object) -> str:
    """Return the text so that it neither ends its cell nor becomes markup."""
    flat = " ".join(str(text).split())
    return re.sub(r"([\\`*_{}\[\]<>|~#@])", r"\\\1", flat)
