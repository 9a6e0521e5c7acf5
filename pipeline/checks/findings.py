"""What a tool complains about, and where: from its output to findings. Pure functions.

Each parser takes the output of one tool without escape sequences and returns its findings in the
order of the output. What it does not understand it leaves out: verdicts never hang on findings.
"""

import re
from collections.abc import Callable, Iterable, Iterator
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


def compilation(output: str) -> list[Finding]:
    """Read the warnings and errors of mix compile, of Elixir 1.14 as well as from 1.16 on.

    1.14: `warning: message`, next line `  file:line: function`. From 1.16: the source in a frame,
    then `└─ file:line:column: function`, several of them if the same is wrong in several places.
    """
    found: list[Finding] = []
    lines = output.splitlines()
    for index, line in enumerate(lines):
        head = re.match(r"\s*(warning|error): (.+)", line)
        if head:
            message, severity = head[2].strip(), Severity(head[1])
            places = _places(lines[index + 1 :])
            found += [Finding(*place, severity, message) for place in places]
            continue
        # ** (CompileError) lib/a.ex:2: message, and (SyntaxError) lib/a.ex:3:1: message
        thrown = re.match(r"\*\* \(\w+\) ([^\s:]+\.\w+):(\d+)(?::(\d+))?: (.+)", line)
        if thrown:
            place = (thrown[1], int(thrown[2]), int(thrown[3] or 0))
            found.append(Finding(*place, Severity.ERROR, thrown[4].strip()))
    return found


def _places(lines: Iterable[str]) -> Iterator[tuple[str, int, int]]:
    """Yield the places below the first line of a compiler's message, until the next message."""
    for line in lines:
        if re.match(r"\s*(warning|error): |==|\*\* ", line):
            return
        place = re.match(r"\s*(?:└─ )?([^\s:]+\.\w+):(\d+)(?::(\d+))?(?::|$)", line)
        if place:
            yield place[1], int(place[2]), int(place[3] or 0)
        elif not line.strip():
            return


def formatting(output: str) -> list[Finding]:
    """Read the list of files of mix format --check-formatted."""
    _, _, listed = output.partition("files are not formatted")
    names = re.findall(r"^  \* (\S.*)$", listed, re.MULTILINE)
    return [Finding(name, 0, 0, Severity.ERROR, "not formatted: mix format") for name in names]


def credo(output: str) -> list[Finding]:
    """Read credo's default output and its oneline format."""
    found: list[Finding] = []
    kind, said = "", [""]
    for line in output.splitlines():
        single = re.match(r"\[(\w)\] \S (\S+\.exs?):(\d+)(?::(\d+))? (.+)", line)
        if single:
            place = (single[2], int(single[3]), int(single[4] or 0))
            found.append(Finding(*place, _credo_severity(single[1]), single[5].strip()))
            continue
        head = re.match(r"\s*[┃|]\s*\[(\w)\] \S (.+)", line)
        if head:
            kind, said = head[1], [head[2].strip()]
            continue
        more = re.match(r"\s*[┃|]\s+(\S.*)$", line)
        if not (more and kind):
            continue
        place_ = re.match(r"(\S+\.exs?)(?::(\d+))?(?::(\d+))?(?: #?\(.*\))?$", more[1].strip())
        if place_:
            where = (place_[1], int(place_[2] or 0), int(place_[3] or 0))
            found.append(Finding(*where, _credo_severity(kind), " ".join(said)))
            kind = ""
        else:
            said.append(more[1].strip())
    return found


def _credo_severity(kind: str) -> Severity:
    return Severity.ERROR if kind in ("W", "E") else Severity.WARNING


def dialyzer(output: str) -> list[Finding]:
    """Read dialyxir's default format (a head line, then the text) and its short one."""
    found = []
    lines = output.splitlines()
    for index, line in enumerate(lines):
        head = re.match(r"([^\s:]+\.\w+):(\d+)(?::(\d+))?:(\w+)(?: (.+))?$", line)
        if head:
            text = head[5] or next(iter(lines[index + 1 :]), "")
            place = (head[1], int(head[2]), int(head[3] or 0))
            found.append(Finding(*place, Severity.ERROR, f"{head[4]}: {text.strip()}"))
    return found


def sobelow(output: str) -> list[Finding]:
    """Read sobelow's txt format. Findings of high confidence are errors, the others warnings."""
    head = r"^(\S+: .+) - (High|Medium|Low) Confidence\s*\nFile: (.+)\n(?:Line: (\d+))?"
    return [
        Finding(
            file=match[3].strip(),
            line=int(match[4] or 0),
            column=0,
            severity=Severity.ERROR if match[2] == "High" else Severity.WARNING,
            message=f"{match[1]} ({match[2].lower()} confidence)",
        )
        for match in re.finditer(head, output, re.MULTILINE)
    ]


def deps_audit(output: str) -> list[Finding]:
    """Read mix_audit's blocks; the place is mix.lock, which names the versions."""
    pattern = r"^Name: (\S+)\nVersion: (\S+)\nCVE: (.*)\nURL: (.*)\nTitle: (.*)\nPatched.*?: (.*)$"
    return [
        Finding(
            file="mix.lock",
            line=0,
            column=0,
            severity=Severity.ERROR,
            message=f"{name} {version}: {title} (CVE {cve or 'none'}, {url}); patched: {patched}",
        )
        for name, version, cve, url, title, patched in re.findall(pattern, output, re.MULTILINE)
    ]


def exunit(output: str) -> list[Finding]:
    """Read ExUnit's failures: the line that failed if it is in the test's file, else the test's."""
    head = (
        r"^ +\d+\) (.+) \(([\w.]+)\)\n +(\S+\.exs?):(\d+)\n((?:.*\n)*?)(?=\n\n|\n +\d+\) |\n\S|\Z)"
    )
    found = []
    for name, module, file, line, body in re.findall(head, output, re.MULTILINE):
        inside = re.search(rf"^ +(?:\(.+\) )?{re.escape(file)}:(\d+): ", body, re.MULTILINE)
        first = next((text.strip() for text in body.splitlines() if text.strip()), "")
        message = f"{name} ({module}): {first}" if first else f"{name} ({module})"
        number = int(inside[1] if inside else line)
        found.append(Finding(file, number, 0, Severity.ERROR, message))
    return found
