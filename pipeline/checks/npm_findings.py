"""Findings of the tools that run in npm packages: eslint, tsc, prettier, jest. Pure functions."""

import re

from pipeline.checks.findings import Finding, Severity


def eslint(output: str) -> list[Finding]:
    """Read eslint's stylish format: a line with the file, then its problems."""
    found = []
    file = ""
    for line in output.splitlines():
        problem = re.match(r"\s+(\d+):(\d+)\s+(error|warning)\s+(.+?)(?:\s{2,}(\S+))?\s*$", line)
        if problem and file:
            number, column, severity, text, rule = problem.groups()
            message = f"{text} ({rule})" if rule else text
            found.append(Finding(file, int(number), int(column), Severity(severity), message))
        elif re.match(r"[^\s>].*\.\w+$", line):
            file = line.strip()
        elif not line.strip():
            file = ""
    return found


def tsc(output: str) -> list[Finding]:
    """Read tsc, pretty (`file:1:10 - error TS2305: …`) or plain (`file(1,10): error TS2305: …`)."""
    pattern = (
        r"^(\S[^\n(:]*)(?:\((\d+),(\d+)\):|:(\d+):(\d+) -) (error|warning) (TS\d+): (.+)$"
        r"|^(error) (TS\d+): (.+)$"
    )
    found = []
    for match in re.finditer(pattern, output, re.MULTILINE):
        file, a, b, c, d, severity, code, text, bare, bare_code, bare_text = match.groups()
        if bare:
            found.append(Finding("", 0, 0, Severity.ERROR, f"{bare_code}: {bare_text}"))
            continue
        place = (file, int(a or c), int(b or d))
        found.append(Finding(*place, Severity(severity), f"{code}: {text}"))
    return found


def prettier(output: str) -> list[Finding]:
    """Read prettier --check: files that want formatting, and syntax errors with their place."""
    found = []
    for line in output.splitlines():
        broken = re.match(r"\[error\] (\S.*?): (\w*Error: .+?) \((\d+):(\d+)\)$", line)
        if broken:
            place = (broken[1], int(broken[3]), int(broken[4]))
            found.append(Finding(*place, Severity.ERROR, broken[2]))
            continue
        named = re.match(r"\[warn\] (\S.*\.\w+)$", line)
        if named:
            text = "not formatted: prettier --write"
            found.append(Finding(named[1], 0, 0, Severity.ERROR, text))
    return found


def jest(output: str) -> list[Finding]:
    """Read jest's failures: `● name`, the reason below it, and the first place in its own file."""
    found = []
    file = ""
    for block in re.split(r"^(?=FAIL |PASS |  ● )", output, flags=re.MULTILINE):
        failing = re.match(r"FAIL (?:\S+ )??(\S+\.\w+)", block)
        if failing:
            file = failing[1]
        named = re.match(r"  ● (.+)\n", block)
        if not (named and file) or named[1].startswith("Console"):
            continue
        lines = [line.strip() for line in block.splitlines()[1:] if line.strip()]
        place = re.search(rf"[( ]{re.escape(file)}:(\d+):(\d+)\)?", block)
        number, column = (int(place[1]), int(place[2])) if place else (0, 0)
        message = f"{named[1].strip()}: {lines[0]}" if lines else named[1].strip()
        found.append(Finding(file, number, column, Severity.ERROR, message))
    return found
