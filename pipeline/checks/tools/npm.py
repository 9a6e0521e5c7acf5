"""Scripts of npm packages. A script passes on the exit code of what it calls, or swallows it.

So the words of the tools that a script is likely to call decide, too: eslint, tsc, prettier and the
test runners (js_tests.py). Only what they say is read: of a script that calls something else, or
hides its output, the exit code is all there is.
"""

import re

from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import (
    Facts,
    by_exit_code,
    counted,
    machine_trouble,
    plain,
    short,
)
from pipeline.checks.tools import js_tests
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown


def read(output: str, code: int, facts: Facts) -> Judgement:
    """Read an npm script: what its tools found, what they could not look at, its exit code."""
    text = plain(output)
    tests = js_tests.count(text)
    found = _found(text, tests)
    if found:
        return failed(f"{found}{', and yet the script exits 0' if code == 0 else ''}")
    none = js_tests.none_found(text)
    if none and not (tests and tests.ran):
        return unknown(none)
    if tests and not tests.ran and code == 0:
        return unknown(f"no test ran ({tests.skipped} skipped)")
    lost = _could_not(text)
    if lost:
        return unknown(lost)
    # A test may well be about a full disk.
    if code == 0 and not tests and (trouble := machine_trouble(text)):
        return unknown(f"exit 0, but: {trouble}")
    judgement = by_exit_code(output, code, facts)
    if judgement.verdict is Verdict.PASSED and tests:
        return Judgement(Verdict.PASSED, counted(tests.passed, "test"))
    return judgement


def _found(text: str, tests: js_tests.Count | None) -> str:
    """Return what the tools found wrong, in their own numbers."""
    said = []
    if tests and tests.failed:
        said.append(
            f"{tests.failed} of {tests.ran} tests failed"
            if tests.passed
            else f"{tests.failed} failed"
        )
    errors = re.findall(r"^✖ \d+ problems? \((\d+) errors?, \d+ warnings?\)$", text, re.MULTILINE)
    if total := sum(map(int, errors)):
        said.append(counted(total, "error"))
    types = [finding for finding in tsc(text) if not _about_settings(finding)]
    if types:
        said.append(counted(len(types), "type error"))
    style = prettier(text)
    broken = [finding for finding in style if finding.line]
    if broken:
        said.append(f"{counted(len(broken), 'file')} cannot be parsed")
    if len(style) > len(broken) and re.search(
        r"^\[warn\] (?:Code style|Forgot)", text, re.MULTILINE
    ):
        said.append(f"{counted(len(style) - len(broken), 'file')} not formatted")
    return ", ".join(said)


def _about_settings(finding: Finding) -> bool:
    """Whether tsc says that it has no files, or does not understand what it is told."""
    return re.match(r"TS(?:5\d\d\d|6\d\d\d|18003):", finding.message) is not None


_COULD_NOT = (
    (r"^npm (?:ERR!|error) Missing script: .*$", ""),
    (r"^\S*sh: (?:line )?(?:\d+: )?(\S+): (?:command )?not found$", "{1} is not installed"),
    (r"^Oops! Something went wrong! :\(", "eslint could not do its work"),
    (r"^.*all (?:of the )?files matched by .+ are ignored.*$", ""),
    (r"^(?:\[error\] )?No files matching the pattern.*$", ""),
    (r"^\[error\] Invalid configuration.*$", ""),
    (r"^(?:\S+: |.*- )?error TS(?:5\d\d\d|6\d\d\d|18003): .*$", ""),
)


def _could_not(text: str) -> str:
    """Return why a tool has looked at nothing, whatever the exit code."""
    for pattern, reason in _COULD_NOT:
        if found := re.search(pattern, text, re.MULTILINE):
            words = next((g for g in found.groups() if g), "") if found.groups() else ""
            return reason.format("", words) if reason else short(found[0])
    for name in re.findall(r"^> .*\bnpm run (?:\S+ )*?--if-present (\S+)", text, re.MULTILINE) + (
        re.findall(r"^> .*\bnpm run ([^\s-]\S*)(?: \S+)*? --if-present\b", text, re.MULTILINE)
    ):
        if not re.search(rf"^> (?:\S+@\S+ )?{re.escape(name)}$", text, re.MULTILINE):
            return f"package.json has no script {name}, and --if-present ran nothing"
    return ""


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
