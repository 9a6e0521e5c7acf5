"""What the tasks do that only show something: `inv check.list` and `inv doctor`."""

import os

from rich.table import Table
from rich.text import Text

from pipeline.checks import doctor as doctors
from pipeline.checks import plan, prepared, present, reuse
from pipeline.checks.commands import Place, place_of
from pipeline.checks.plan import Options, Planned
from pipeline.checks.worktree import NoTree
from pipeline.errors import ExitCode
from pipeline.formats import print_json


def list_checks(options: Options, *, app: str, format: str, why: bool = False) -> int:
    """Print the rows of the table as they would run here; with `why`, what decides that."""
    place = place_of(app, format)
    rows = plan.plan(place.app, options, place.settings, os.environ)
    reasons = _reasons(place, rows) if why else {}
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
        print_json(described)
        return ExitCode.DONE
    console = present.console()
    shown = Table(box=present.frame(console), pad_edge=False)
    for name in ("check", "command", "needs", "would"):
        shown.add_column(name, overflow="fold")
    for row in rows:
        would = f"{row.settled.verdict}: {row.settled.reason}" if row.settled else "run"
        would = reasons.get(row.check.name, would)
        needs = ", ".join(row.check.needs)
        shown.add_row(row.check.name, Text(row.check.command), needs, Text(would))
    console.print(shown)
    return ExitCode.DONE


def _reasons(place: Place, rows: list[Planned]) -> dict[str, str]:
    memory = reuse.recall(place.app, [row.check for row in rows], os.environ)
    rows = prepared.without_tests(place.app, rows, memory, place.settings)
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
    place = place_of(app, format)
    findings = doctors.examine(place.app, os.environ)
    bad = [finding for finding in findings if finding.state is doctors.State.PROBLEM]
    if place.json:
        print_json(findings)
    else:
        console = present.console()
        shown = Table(box=present.frame(console), pad_edge=False)
        for name in ("", "state", "what"):
            shown.add_column(name, overflow="fold")
        styles = {"ok": "green", "note": "yellow", "problem": "bold red"}
        for finding in findings:
            state = Text(finding.state, styles[finding.state])
            shown.add_row(finding.subject, state, Text(finding.text))
        console.print(shown)
        names = ", ".join(dict.fromkeys(finding.subject for finding in bad))
        console.print(f"{len(bad)} problems: {names}" if bad else "no problems")
    return ExitCode.CHECK_FAILED if bad else ExitCode.DONE
