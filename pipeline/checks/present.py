"""How the people at a terminal see it: tables and colours.

Rich is slow to import (0.1 s), so this is imported where something is drawn.
"""

import sys

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline import printable
from pipeline.checks import repeat
from pipeline.checks.report import Report, closing_line
from pipeline.checks.verdicts import Verdict

LOG_WIDTH = 140
"""Columns where there is no terminal to ask: tables in CI logs need not fold at 80."""

_NARROW = 48
"""Columns below which a table would cut the names, verdicts and reasons."""

STYLES = {
    Verdict.PASSED: "green",
    Verdict.REUSED: "green",
    Verdict.FAILED: "bold red",
    Verdict.UNKNOWN: "bold yellow",
    Verdict.SKIPPED: "dim",
}


def console() -> Console:
    """Return the console on standard output."""
    made = Console(file=sys.stdout, highlight=False)
    if not made.is_terminal:
        made.width = LOG_WIDTH
    return made


def show(report: Report, console: Console) -> None:
    """Print the table, how to repeat by hand what is not green, and the closing line."""
    if console.width < _NARROW:
        for outcome in report.outcomes:
            verdict = (outcome.verdict, STYLES[outcome.verdict])
            words = f" {outcome.check} {printable.inert(outcome.reason)}"
            console.print(Text.assemble(verdict, words), soft_wrap=True)
    else:
        console.print(_table(report, console))
    rows = {check.name: check for check in report.checks}
    for outcome in report.outcomes:
        if outcome.verdict in (Verdict.FAILED, Verdict.UNKNOWN):
            line = f"repeat {outcome.check}: {repeat.line(rows[outcome.check], report.app)}"
            console.print(Text(line), soft_wrap=True, highlight=False)
    console.print(
        Text(closing_line(report), STYLES[report.verdict]), soft_wrap=True, highlight=False
    )


def frame(console: Console) -> box.Box:
    """Return the table borders that the stream's encoding can show."""
    return box.SIMPLE_HEAD if "utf" in console.encoding.lower() else box.ASCII


def _table(report: Report, console: Console) -> Table:
    table = Table(box=frame(console), pad_edge=False)
    for name in ("check", "verdict"):
        table.add_column(name, no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for outcome in report.outcomes:
        seconds = f"{outcome.seconds:.1f} s" if outcome.seconds else ""
        verdict = Text(outcome.verdict, STYLES[outcome.verdict])
        table.add_row(outcome.check, verdict, seconds, Text(printable.inert(outcome.reason)))
    return table
