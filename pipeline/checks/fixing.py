"""`inv check --fix`: repair what can be repaired by a program, say what that changed, check again.

Only the work tree is written to, never the index: a commit still holds what was staged.
"""

import asyncio
import hashlib
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pipeline import descendants, process
from pipeline.checks import durations, plan, prepared
from pipeline.checks.check import Check
from pipeline.checks.listeners import Nobody
from pipeline.checks.plan import Options
from pipeline.checks.run import Pace, run
from pipeline.checks.running import how_it_ended
from pipeline.checks.verdicts import Verdict
from pipeline.errors import UsageProblem
from pipeline.process import Command, Exited, Interrupted, Result, Stop

_NOT_SOURCES = frozenset({".git", "_build", "deps", "node_modules", "cover", ".elixir_ls"})


def check(options: Options, *, app: str, format: str) -> int:
    """Repair and then run the checks of `options`; returns the exit code of those.

    Raises UsageProblem with --ci and --hook, which look and never touch. What was done goes to
    standard output, with `format` json to standard error.
    """
    if options.ci or options.hook:
        other = "--ci" if options.ci else "--hook"
        raise UsageProblem(f"--fix changes files, {other} must not: run it before")
    out = sys.stdout if format == "text" else sys.stderr
    options = replace(options, fix=False)
    ready = prepared.prepare(options, app=app)
    rows = [row for row in ready.rows if row.check.fix and not row.settled]
    checks = [row.check for row in rows]
    if rows:
        pace = Pace(plan.jobs(options, ready.settings), durations.expected(ready.app, checks))
        ran = run(ready.app, rows, Nobody(), pace, {})
        if ran.interrupted_by:
            return 128 + ran.interrupted_by
        failed = {o.check for o in ran.outcomes if o.verdict is Verdict.FAILED}
        broken = [check for check in checks if check.name in failed]
        before = contents(ready.app)
        results = asyncio.run(_repair(broken, ready.app))
        for row, result in zip(broken, results, strict=True):
            out.write(f"fix     {row.name}: {shlex.join(row.fix)}{_trouble(result)}\n")
        changed = differences(before, contents(ready.app))
        out.write("".join(f"changed {name}\n" for name in changed))
        if not changed:
            out.write("fix     nothing changed\n")
        out.flush()
        if any(isinstance(result.ended, Interrupted) for result in results):
            return 130
    else:
        out.write("fix     nothing to fix among these checks\n")
        out.flush()
    return prepared.check(options, app=app, format=format)


def contents(app: Path) -> dict[str, bytes]:
    """Return a digest of every file of the application that is not built or fetched, by path."""
    found = {}
    for directory, names, files in os.walk(app):
        names[:] = [name for name in names if name not in _NOT_SOURCES]
        for name in files:
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink():
                digest = hashlib.blake2b(path.read_bytes()).digest()
                found[str(path.relative_to(app))] = digest
    return found


def differences(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """Return the paths that came, went or changed, sorted."""
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


async def _repair(checks: Sequence[Check], app: Path) -> list[Result]:
    """Run the repairs one after the other: two of them may write to the same files."""
    stop = Stop()
    results = []
    with descendants.guarded(), process.heeding_signals(stop):
        for check in checks:
            environ = process.environment(os.environ, check.extra_environment)
            command = Command(check.fix, app, environ, check.timeout)
            results.append(await process.run(command, stop))
    return results


def _trouble(result: Result) -> str:
    if result.ended == Exited(0):
        return ""
    lines = [line for line in result.output.splitlines() if line.strip()]
    return f" (not all of it: {how_it_ended(result.ended)}{'; ' + lines[-1] if lines else ''})"
