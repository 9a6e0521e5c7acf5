"""What a finished run comes to: its verdict, the closing line, the JSON. Pure; see present.py."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline import formats, printable
from pipeline.checks import annotations, repeat
from pipeline.checks.check import Check
from pipeline.checks.verdicts import Outcome, Verdict, exit_code, overall


@dataclass(frozen=True)
class Report:
    """A finished run. `entry` is the task and options that repeat it, `seconds` its wall time."""

    app: Path
    checks: Sequence[Check]
    outcomes: Sequence[Outcome]
    seconds: float
    interrupted_by: int | None = None
    again: str = "inv check.{name}"

    @property
    def verdict(self) -> Verdict:
        """The verdict of the whole run."""
        return overall([outcome.verdict for outcome in self.outcomes])

    @property
    def code(self) -> int:
        """The exit code: 128 + N after a signal N, else by the verdicts."""
        if self.interrupted_by:
            return 128 + self.interrupted_by
        return int(exit_code([outcome.verdict for outcome in self.outcomes]))


def closing_line(report: Report) -> str:
    """Return the verdict of the run, the names that matter, and what to do next."""
    by_verdict = {
        verdict: [o.check for o in report.outcomes if o.verdict is verdict] for verdict in Verdict
    }
    counts = [
        f"{len(names)} {verdict}"
        + (f" ({', '.join(names)})" if verdict in (Verdict.FAILED, Verdict.UNKNOWN) else "")
        for verdict, names in by_verdict.items()
        if names
    ]
    head = "interrupted" if report.interrupted_by else str(report.verdict)
    line = f"{head.upper()} in {report.seconds:.1f} s: {', '.join(counts) or 'nothing to run'}"
    bad = [*by_verdict[Verdict.FAILED], *by_verdict[Verdict.UNKNOWN]]
    if not bad or report.interrupted_by:
        return line
    fixes = [shlex.join(check.fix) for check in report.checks if check.fix and check.name in bad]
    line += f". Repeat one with `{report.again.replace('{name}', bad[0])}`"
    return line + (f"; --fix runs {', '.join(f'`{fix}`' for fix in fixes)}" if fixes else "")


def as_json(report: Report) -> Iterator[str]:
    """Yield the whole run as one JSON object, one key a line; docs/checks.md names the keys.

    In parts, a check at a time: the outputs of all at once, in every form that they take on the
    way, are hundreds of megabytes.
    """
    head: dict[str, Any] = {
        "verdict": "interrupted" if report.interrupted_by else report.verdict,
        "exit_code": report.code,
        "seconds": round(report.seconds, 3),
        "app": str(report.app),
    }
    commands = {check.name: check for check in report.checks}
    yield f'{_formatted(head).rstrip("}").rstrip()},\n  "checks": ['
    separator = ""
    for outcome in report.outcomes:
        check = commands[outcome.check]
        content = {
            "name": outcome.check,
            "verdict": outcome.verdict,
            "reason": outcome.reason,
            "seconds": round(outcome.seconds, 3),
            "exit_code": outcome.exit_code,
            "command": check.command,
            "repeat": repeat.line(check, report.app),
            "findings": [
                asdict(finding) for finding in annotations.findings(check, outcome, report.app)
            ],
            "output": outcome.output,
        }
        yield f"{separator}\n    "
        # JSON has no line breaks inside of its strings.
        yield _formatted(content).replace("\n", "\n    ")
        separator = ","
    yield "\n  ]\n}"


def _formatted(content: object) -> str:
    return printable.json(formats.as_json(content))
