"""What the tasks of `inv` do: strings from the command line in, text out, an exit code back."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import app as apps
from pipeline import settings as all_settings
from pipeline.checks import doctor as doctors
from pipeline.checks import (
    durations,
    junit,
    partitions,
    plan,
    presence,
    report,
    reuse,
    summary,
    table,
)
from pipeline.checks.listeners import listening
from pipeline.checks.partitions import Partitioning
from pipeline.checks.plan import Options, Planned
from pipeline.checks.prepared import Prepared, require_known
from pipeline.checks.report import Report
from pipeline.checks.run import Pace, run
from pipeline.checks.verdicts import Outcome
from pipeline.checks.worktree import NoTree
from pipeline.errors import ExitCode, UsageProblem
from pipeline.settings import Settings

LOG_WIDTH = 140
"""Columns where there is no terminal to ask: tables in CI logs need not fold at 80."""


def check(ready: Prepared, *, app: str, format: str) -> int:
    """Run the prepared checks, report them and put the passes on record; the exit code."""
    place = _place(app, format)
    options = ready.options
    count = _partition_count(place, None)
    if not options.ci:
        seconds = durations.expected(place.app, [row.check for row in ready.rows]).get("test", 0.0)
        count = partitions.worthwhile(count, seconds, plan.jobs(options, place.settings))
    again = f"inv check.{{name}}{_with_app(app)}{' --ci' if options.ci else ''}"
    return _run(place, ready.rows, options, Partitioning(count), again, ready.finish)


def test(
    *,
    app: str,
    mix_env: str,
    count: int | None,
    single: int | None,
    jobs: int,
    format: str,
) -> int:
    """Compile for `mix_env` and run its tests in `count` partitions, or only number `single`."""
    place = _place(app, format)
    # One partition of many cannot clash with itself, wherever its database is.
    total = _partition_count(place, count or (single and place.settings.partitions))
    if single and single > total:
        raise UsageProblem(f"--partition {single}: there are {total}", remedy="see --partitions")
    compiling = table.compilation(mix_env, "compile")
    testing = table.testing(mix_env, compiled_by=compiling.name)
    rows = []
    for row in (compiling, testing):
        timeout = place.settings.timeouts.get(row.name, row.timeout)
        absent = presence.absence(row, place.app, os.environ)
        settled = presence.judge(absent, strict=True) if absent else None
        rows.append(Planned(replace(row, timeout=timeout), settled))
    again = f"inv test{_with_app(app)} --env {mix_env}"
    return _run(place, rows, Options(jobs=jobs), Partitioning(total, single), again)


def list_checks(options: Options, *, app: str, format: str, why: bool = False) -> int:
    """Print the rows of the table as they would run here; with `why`, what decides that."""
    place = _place(app, format)
    rows = plan.plan(place.app, options, place.settings, os.environ)
    reasons = _reasons(place.app, rows) if why else {}
    if place.json:
        described = [
            {
                "name": row.check.name,
                "title": row.check.title,
                "command": row.check.command,
                "mix_env": row.check.mix_env or None,
                "inputs": row.check.inputs,
                "needs": row.check.needs,
                "groups": sorted(row.check.groups),
                "fix": row.check.fix,
                "verdict": row.settled.verdict if row.settled else None,
                "reason": row.settled.reason if row.settled else "",
                **({"why": reasons[row.check.name]} if why else {}),
            }
            for row in rows
        ]
        _print_json(described)
        return ExitCode.DONE
    shown = Table(box=report.frame(place.console), pad_edge=False)
    for name in ("check", "command", "needs", "would"):
        shown.add_column(name, overflow="fold")
    for row in rows:
        would = f"{row.settled.verdict}: {row.settled.reason}" if row.settled else "run"
        would = reasons.get(row.check.name, would)
        needs = ", ".join(row.check.needs)
        shown.add_row(row.check.name, Text(row.check.command), needs, Text(would))
    place.console.print(shown)
    return ExitCode.DONE


def _reasons(app: Path, rows: Sequence[Planned]) -> dict[str, str]:
    memory = reuse.recall(app, [row.check for row in rows], os.environ)
    if isinstance(memory, NoTree):
        nothing = f"nothing is reused: {memory.reason}"
        return {
            row.check.name: f"{row.settled.verdict}: {row.settled.reason}"
            if row.settled
            else f"run: {nothing}"
            for row in rows
        }
    return {row.check.name: reuse.explain(row, memory) for row in rows}


def doctor(*, app: str, format: str) -> int:
    """Print what the machine has against what the application asks for; 1 if that is a problem."""
    place = _place(app, format)
    findings = doctors.examine(place.app, os.environ)
    bad = [finding for finding in findings if finding.state is doctors.State.PROBLEM]
    if place.json:
        _print_json(findings)
    else:
        shown = Table(box=report.frame(place.console), pad_edge=False)
        for name in ("", "state", "what"):
            shown.add_column(name, overflow="fold")
        styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
        for finding in findings:
            state = Text(finding.state, styles[finding.state])
            shown.add_row(finding.subject, state, Text(finding.text))
        place.console.print(shown)
        names = ", ".join(dict.fromkeys(finding.subject for finding in bad))
        place.console.print(f"{len(bad)} problems: {names}" if bad else "no problems")
    return ExitCode.CHECK_FAILED if bad else ExitCode.DONE


@dataclass(frozen=True)
class _Place:
    app: Path
    settings: Settings
    console: Console
    json: bool


def _place(app: str, format: str) -> _Place:
    require_known(format)
    found = apps.find(app or None, all_settings.environment(), Path.cwd())
    if hasattr(sys.stdout, "reconfigure"):
        # A reason may hold a sign that an ASCII stream lacks; a question mark beats a traceback.
        sys.stdout.reconfigure(errors="replace")
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    return _Place(found, all_settings.load(), console, format == "json")


def _run(
    place: _Place,
    rows: Sequence[Planned],
    options: Options,
    partitioning: Partitioning,
    again: str,
    finish: Callable[[Sequence[Outcome]], str] = lambda _outcomes: "",
) -> int:
    """Run and report; `finish` hears the outcomes and says what hindered it."""
    began = time.monotonic()
    pace = Pace(
        plan.jobs(options, place.settings),
        durations.expected(place.app, [row.check for row in rows]),
        options.fail_fast,
    )
    with listening(place.console, os.environ, json=place.json, app=place.app) as listener:
        ran = run(place.app, rows, listener, pace, partitioning)
    # They only decide about the order; a git directory that cannot be written to needs none.
    with suppress(OSError):
        durations.remember(place.app, ran.outcomes)
    hindrance = finish(ran.outcomes)
    if hindrance:
        sys.stderr.write(f"note: {hindrance}\n")
    finished = Report(
        app=place.app,
        checks=[row.check for row in rows],
        outcomes=ran.outcomes,
        seconds=time.monotonic() - began,
        interrupted_by=ran.interrupted_by,
        again=again,
    )
    if place.json:
        sys.stdout.write(f"{report.as_json(finished)}\n")
    else:
        report.show(finished, place.console)
    _deliver(finished, options.junit)
    return finished.code


def _deliver(finished: Report, junit_path: str) -> None:
    """Write the JUnit file, if asked for, and the summary of a step of GitHub Actions."""
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        try:
            summary.append(finished, Path(page))
        except OSError as error:
            sys.stderr.write(f"note: no step summary: {page}: {error.strerror}\n")
    if junit_path:
        junit.write(finished, Path(junit_path))


def _partition_count(place: _Place, asked: int | None) -> int:
    """Return what was asked for; else the setting, or 1 where partitions share a database.

    One after the other, partitions only repeat the start of a BEAM and the app's own preparations.
    """
    if asked is not None:
        return asked
    return 1 if partitions.shared_database(place.app) else place.settings.partitions


def _with_app(app: str) -> str:
    return f" --app {app}" if app else ""


def _print_json(content: object) -> None:
    text = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    sys.stdout.write(f"{text}\n")
