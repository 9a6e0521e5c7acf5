"""The check that generated TypeScript types are up to date, without touching the work tree.

The real CI generates them in place and asks `git diff`, which fails on any local edit and leaves
the files changed. Here the generator runs in a shadow of the application, in which everything is
a link to the original but the directory it writes to.
"""

import difflib
import shutil
from dataclasses import replace
from pathlib import Path

from pipeline import scratch
from pipeline.checks import running
from pipeline.checks.check import Check
from pipeline.checks.running import Context
from pipeline.checks.verdicts import Outcome, Verdict, failed, unknown

TYPES = Path("js/types")
"""Where the generator writes, below the npm package."""


async def run(context: Context, check: Check) -> Outcome:
    """Generate into a shadow and compare file by file with what the application has."""
    with scratch.directory("types") as shadow:
        written = mirror(context.app, shadow, Path(check.package) / TYPES)
        result = await context.execute(check, cwd=shadow)
        judgement = running.judge(check, result, {})
        fresh = _texts(written)
    if judgement.verdict is Verdict.FAILED:
        judgement = unknown(f"the generator failed: {judgement.reason}")
    if judgement.verdict is not Verdict.PASSED:
        return running.outcome(check, result, judgement)
    if not fresh:
        judgement = unknown(f"the generator wrote nothing to {check.package}/{TYPES}")
        return running.outcome(check, result, judgement)
    present = _texts(context.app / check.package / TYPES)
    stale = sorted(name for name in fresh if fresh[name] != present.get(name))
    if stale:
        judgement = failed(f"out of date: {', '.join(stale)}")
        diffs = "".join(_diff(name, present.get(name, ""), fresh[name]) for name in stale)
        result = replace(result, output=result.output + diffs)
    return running.outcome(check, result, judgement)


def mirror(source: Path, shadow: Path, real: Path) -> Path:
    """Fill `shadow` with links to `source`, but make the directory `real` below it a copy.

    Returns that copy. Only the directories on the way to it are real ones.
    """
    if not real.parts:
        if source.is_dir():
            shutil.copytree(source, shadow, dirs_exist_ok=True)
        return shadow
    head = real.parts[0]
    for entry in source.iterdir() if source.is_dir() else ():
        if entry.name != head:
            (shadow / entry.name).symlink_to(entry)
    (shadow / head).mkdir()
    return mirror(source / head, shadow / head, real.relative_to(head))


def _texts(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): path.read_text("utf-8", "replace")
        for path in directory.rglob("*")
        if path.is_file()
    }


def _diff(name: str, before: str, after: str) -> str:
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        after.splitlines(keepends=True),
        f"{name} (as it is)",
        f"{name} (as generated)",
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
