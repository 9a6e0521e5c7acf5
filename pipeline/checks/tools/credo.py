"""Credo. It exits 0 when it has looked at nothing, or not at all files, or with fewer checks.

It is asked for JSON, which has every issue: its default output shows five of a category. Without
JSON (a wrapper, another format) its texts are read.
"""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import (
    Document,
    Facts,
    counted,
    document,
    exception,
    listed,
    number,
    objects,
    plain,
    short,
)
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown

MACHINE = ("--format", "json")
"""What makes it print for us."""

_KINDS = {
    "consistency": ("C", 1, "consistency issue"),
    "design": ("D", 2, "software design suggestion"),
    "readability": ("R", 4, "code readability issue"),
    "refactor": ("F", 8, "refactoring opportunity"),
    "warning": ("W", 16, "warning"),
}
"""Category → its letter, its bit in the exit code, and what Credo calls it."""


def read(output: str, code: int, facts: Facts) -> Judgement:
    """Read credo. The exit code is a sum of categories; from 128 on it could not do its work.

    `files` in the facts is "none" if its configuration names no file that is there.
    """
    text = plain(output)
    stopped = mix.why_stopped(text)
    if stopped:
        return unknown(stopped)
    raised = re.search(r"^Error while running (?:Elixir\.)?(\S+) on ", text, re.MULTILINE)
    if raised:
        return unknown(f"the check {raised[1]} raised: {exception(text)}")
    if code >= 128:
        return unknown(f"exit {code}: credo could not do its work{_why(text)}")
    said = document(text, "issues", "diff")
    found = find(text)
    gaps = _gaps(text)
    if found or 0 < code < 32:
        if not found and not _closed(text, said):
            return mix.told(output, code)
        also = f"; {gaps}" if gaps else ""
        silent = ", and yet it exits 0" if code == 0 else ""
        return failed(f"{_summary(text, said, found, code)}{silent}{also}")
    judgement = mix.told(output, code)
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    if gaps:
        return unknown(gaps)
    nothing = re.search(r"^No files found!|^(?:Checking|Diffing) 0 ", text, re.MULTILINE)
    if nothing or (said and facts.get("files") == "none"):
        return unknown("credo found no files to look at")
    if not _closed(text, said):
        return unknown("credo does not say that it has finished (no JSON, no `Analysis took`)")
    return judgement


def _why(text: str) -> str:
    halted = re.search(r"Execution halted during .*", text)
    words = exception(text) or (short(halted[0]) if halted else "")
    return f": {words}" if words else ""


def _closed(text: str, said: Document | None) -> bool:
    return said is not None or re.search(r"^Analysis took ", text, re.MULTILINE) is not None


def _gaps(text: str) -> str:
    """Return what Credo says it left out: plugins, checks and files."""
    gaps = []
    # The plugin's own line stops it before it has looked at anything.
    if stopped := re.search(r"^\*\* \(credo\) (.+)$", text, re.MULTILINE):
        gaps.append(short(stopped[1]))
    unknown_checks = re.findall(r"Ignoring an undefined check: (\S+)", text)
    if unknown_checks:
        gaps.append(f"a check that does not exist was ignored: {listed(unknown_checks)}")
    for words, reason in (
        ("were not parsed in the time allotted", "not parsed in time"),
        ("could not be parsed correctly and are excluded", "not parsed"),
    ):
        names = _numbered(text, words)
        if names:
            gaps.append(f"{counted(len(names), 'file')} {reason}: {listed(names)}")
    return "; ".join(gaps)


def _numbered(text: str, words: str) -> list[str]:
    """Return the numbered list below a line with these words."""
    _, _, below = text.partition(words)
    names = []
    for line in below.lstrip(":\n ").splitlines():
        item = re.match(r" *\d+\) (.+)$", line)
        if not item:
            break
        names.append(item[1])
    return names


def _summary(text: str, said: Document | None, found: list[Finding], code: int) -> str:
    """Return how many issues there are, as Credo counts them, else the categories."""
    words = re.search(r"mods/funs, found (.+)\.$|^\+ +added (.+),$", text, re.MULTILINE)
    if words and not said:
        return (words[1] or words[2]).strip()
    if said:
        counts = Counter(str(issue.get("category")) for issue in _issues(said.content))
        plurals = {"refactoring opportunity": "refactoring opportunities"}
        return ", ".join(
            counted(counts[kind], name, plurals.get(name, ""))
            for kind, (_, _, name) in reversed(_KINDS.items())
            if counts[kind]
        ) or counted(len(found), "issue")
    named = [kind for kind, (_, bit, _) in _KINDS.items() if code & bit]
    return ", ".join(named) if named else counted(len(found), "issue")


def _issues(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the issues; of a comparison the new ones."""
    diff = content.get("diff")
    return objects(diff.get("new") if isinstance(diff, dict) else content.get("issues"))


def find(output: str) -> list[Finding]:
    """Read credo's JSON, else its default, oneline and flycheck output, also of `credo diff`."""
    said = document(output, "issues", "diff")
    if said:
        return [_from_json(issue) for issue in _issues(said.content)]
    return _from_text(output)


def _from_json(issue: Mapping[str, Any]) -> Finding:
    kind = _KINDS.get(str(issue.get("category")), ("",))[0]
    place = (number(issue.get("line_no")), number(issue.get("column")))
    text = short(str(issue.get("message") or ""))
    return Finding(str(issue.get("filename") or ""), *place, _severity(kind), text)


_FILE = r"(\S.*?\.exs?)(?::(\d+))?(?::(\d+))?"


def _from_text(output: str) -> list[Finding]:
    found: list[Finding] = []
    kind, said = "", [""]
    for line in output.splitlines():
        # Of `credo diff` only the new ones count: "+ ".
        if re.match(r"(?:[~✔] ).*[┃|\[]", line):
            kind = ""
            continue
        line = line.removeprefix("+ ")
        single = re.match(rf"\[(\w)\] \S {_FILE} (.+)", line)
        if single:
            place = (single[2], int(single[3] or 0), int(single[4] or 0))
            found.append(Finding(*place, _severity(single[1]), single[5].strip()))
            continue
        flycheck = re.match(rf"{_FILE}: ([CDRFW]): (.+)", line)
        if flycheck:
            place = (flycheck[1], int(flycheck[2] or 0), int(flycheck[3] or 0))
            found.append(Finding(*place, _severity(flycheck[4]), flycheck[5].strip()))
            continue
        head = re.match(r"\s*[┃|]\s*\[(\w)\] \S (.+)", line)
        if head:
            kind, said = head[1], [head[2].strip()]
            continue
        more = re.match(r"\s*[┃|]\s+(\S.*)$", line)
        if not (more and kind):
            continue
        named = re.match(rf"{_FILE}(?: #?\(.*\))?$", more[1].strip())
        if named:
            where = (named[1], int(named[2] or 0), int(named[3] or 0))
            found.append(Finding(*where, _severity(kind), " ".join(said)))
            kind = ""
        else:
            said.append(more[1].strip())
    return found


def _severity(kind: str) -> Severity:
    return Severity.ERROR if kind in ("W", "E") else Severity.WARNING


def show(output: str) -> str:
    """Return the output with the JSON as lines for people, like Credo's own oneline format."""
    said = document(output, "issues", "diff")
    if not said:
        return output
    issues = _issues(said.content)
    lines = [
        f"[{_KINDS.get(str(issue.get('category')), ('?',))[0]}] "
        + ":".join(str(issue[k]) for k in ("filename", "line_no", "column") if issue.get(k))
        + f" {short(str(issue.get('message') or ''))} ({issue.get('check')})"
        for issue in issues
    ]
    new = "new " if "diff" in said.content else ""
    total = f"{counted(len(issues), f'{new}issue')}" if issues else f"no {new}issues"
    return said.replaced([*lines, total])


def files(app: Path, _environ: Mapping[str, str]) -> Facts:
    """Return `files`: "none" if .credo.exs names only files that are not there; else empty.

    Credo's JSON does not tell a clean application from one of which it has seen no file.
    """
    path = next((p for p in (app / ".credo.exs", app / "config/.credo.exs") if p.is_file()), None)
    patterns = ["lib/", "src/", "test/", "web/", "apps/"]
    if path:
        text = re.sub(r"(?m)^\s*#.*$", "", path.read_text("utf-8", "replace"))
        written = re.findall(r'\bincluded:\s*\[((?:\s*"[^"#]*"\s*,?)*)\s*\]', text)
        if len(written) != text.count("included:") or not written:
            return {"files": ""}
        patterns = re.findall(r'"([^"]*)"', " ".join(written))
    return {"files": "" if any(_elixir(app, pattern) for pattern in patterns) else "none"}


def _elixir(app: Path, pattern: str) -> bool:
    return any(
        place.is_file() or next(place.rglob("*.ex*"), None) is not None
        for place in mix.matches(app, pattern)
    )
