"""Dialyzer, by dialyxir. Its default output names every warning; there is no JSON."""

import re

from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import Facts, counted, listed, plain, short
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown


def read(output: str, code: int, _facts: Facts) -> Judgement:
    """Read dialyxir: 2 means warnings, 1 that it could not do its work or has unused filters.

    A pass needs its closing words: a BEAM that somebody ends exits 0.
    """
    text = plain(output)
    stopped = mix.why_stopped(text)
    if stopped:
        return unknown(stopped)
    warned = "done (warnings were emitted)" in text
    filters = _unused_filters(text)
    if warned or "unused filters present" in text:
        said = [counted(_warnings(text), "warning")] if warned or _warnings(text) else []
        if filters or not warned:
            named = f": {listed(filters)}" if filters else ""
            said.append(
                f"{counted(len(filters), 'unused filter') if filters else 'unused filters'}{named}"
            )
        return failed("; ".join(said) + (", and yet it exits 0" if code == 0 else ""))
    if code == 1:
        why = re.search(r"^:dialyzer\.run error: .*(?:\n(?!Halting).*){0,2}", text, re.MULTILINE)
        if why:
            return unknown(short(why[0]))
    judgement = mix.told(output, code)
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    if "done (passed successfully)" not in text:
        return unknown('the output lacks "done (passed successfully)"')
    absent = re.findall(r"^Unknown application :(\S+)", text, re.MULTILINE)
    note = f"plt_add_apps names what is not there: {listed(absent)}" if absent else ""
    return Judgement(Verdict.PASSED, note)


def _warnings(text: str) -> int:
    """Return how many warnings are left, by dialyxir's own count where it prints one."""
    total = re.findall(r"^Total errors: (\d+), Skipped: (\d+)", text, re.MULTILINE)
    if total:
        return int(total[-1][0]) - int(total[-1][1])
    return sum(finding.severity is Severity.ERROR for finding in find(text))


def _unused_filters(text: str) -> list[str]:
    _, _, below = text.partition("\nUnused filters:\n")
    lines = below.splitlines()
    ends = ("unused filters present", "done (", "Halting VM")
    end = next((i for i, line in enumerate(lines) if line.startswith(ends)), len(lines))
    return [short(line) for line in lines[:end] if line.strip()]


_PLACE = r"([^\s:]*):(\d+)(?::(\d+))?"
_NAMED = re.compile(rf"{_PLACE}:([a-z]\w*)(?: (.+))?$")
_PLAIN = re.compile(rf"{_PLACE}: (\S.*)$")
_RAW = re.compile(
    r"\{:warn_\w+, \{(?:'|~c\")([^'\"]*)['\"], (?:\{(\d+), (\d+)\}|(\d+))\}, \{:(\w+), (.*)\}\}$"
)
_GITHUB = re.compile(
    r"::(?:warning|error) file=([^,]*),line=(\d+)(?:,col=(\d+))?,title=(\w+)::(.+)$"
)


def find(output: str) -> list[Finding]:
    """Read dialyxir's formats: dialyxir (a head, then the text), short, dialyzer, raw, github."""
    found = []
    # Above are the PLT and the arguments.
    lines = output[max(0, output.rfind("\nTotal errors: ")) :].splitlines()
    for index, line in enumerate(lines):
        if head := _GITHUB.match(line) or _NAMED.match(line):
            text = head[5] or next(iter(lines[index + 1 :]), "")
            place = (head[1], int(head[2]), int(head[3] or 0))
            found.append(Finding(*place, Severity.ERROR, f"{head[4]}: {text.strip()}"))
        elif raw := _RAW.match(line):
            place = (raw[1], int(raw[2] or raw[4]), int(raw[3] or 0))
            found.append(Finding(*place, Severity.ERROR, f"{raw[5]}: {short(raw[6])}"))
        elif said := _PLAIN.match(line):
            place = (said[1], int(said[2]), int(said[3] or 0))
            found.append(Finding(*place, Severity.ERROR, short(said[4])))
    named = [
        Finding("", 0, 0, Severity.WARNING, f"unused filter: {text}")
        for text in _unused_filters(output)
    ]
    return found + named
