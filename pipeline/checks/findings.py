"""What a tool complains about, and where. The parsers are in pipeline/checks/tools.

A parser takes the output of one tool without escape sequences and returns its findings in the order
of the output. It never invents a place: what the tool does not name stays empty.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias


class Severity(StrEnum):
    """As the tool says it; what the check makes of it is the reader's business."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One complaint. `file` is as the tool prints it, empty if it names none; lines count from 1.

    `line` and `column` are 0 where the tool gives none.
    """

    file: str
    line: int
    column: int
    severity: Severity
    message: str


Finder: TypeAlias = Callable[[str], list[Finding]]


def nothing(_output: str) -> list[Finding]:
    """Return no findings: this tool names no places."""
    return []


def placed(findings: Iterable[Finding], app: Path, package: str) -> list[Finding]:
    """Return each finding once, its file relative to the application if it is in it.

    Tools of an npm `package` print names relative to that directory, or absolute ones (eslint).
    """
    placed: dict[Finding, None] = {}
    for finding in findings:
        if not finding.file:
            placed[finding] = None
            continue
        path = app / package / finding.file
        roots = (app, app.resolve())
        inside = next((path.relative_to(root) for root in roots if path.is_relative_to(root)), path)
        placed[replace(finding, file=str(inside))] = None
    return list(placed)
