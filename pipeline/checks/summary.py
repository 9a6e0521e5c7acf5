"""The page GitHub shows for a job: a table of verdicts, and what is needed to act on them."""

import re
from pathlib import Path

from pipeline.checks import annotations, repeat
from pipeline.checks.check import Check
from pipeline.checks.readers import plain
from pipeline.checks.report import Report
from pipeline.checks.verdicts import Outcome, Verdict

LIMIT = 1024 * 1024
"""Bytes of one step's summary; GitHub refuses a larger one whole, and the step fails."""

_SIGNS = {
    Verdict.PASSED: "✅",
    Verdict.REUSED: "✅",
    Verdict.FAILED: "❌",
    Verdict.UNKNOWN: "❔",
    Verdict.SKIPPED: "",
}
_LISTED = 50


def page(report: Report, *, room: int = LIMIT) -> str:
    """Return the Markdown, in UTF-8 of at most `room` bytes.

    The outputs share what the rest leaves over, each losing its beginning.
    """
    rows = {check.name: check for check in report.checks}
    table = [
        f"### inv check: {'interrupted' if report.interrupted_by else report.verdict}",
        "",
        "| | check | verdict | time | reason |",
        "|---|---|---|---:|---|",
        *(_row(outcome) for outcome in report.outcomes),
        "",
    ]
    bad = [o for o in report.outcomes if o.verdict in (Verdict.FAILED, Verdict.UNKNOWN)]
    heads = {outcome.check: _head(rows[outcome.check], outcome, report.app) for outcome in bad}
    text = "\n".join(table)
    fixed = len(text.encode()) + sum(len(head.encode()) + 200 for head in heads.values())
    share = max(0, (room - fixed) // max(1, len(bad)))
    for outcome in bad:
        text += heads[outcome.check] + _output(outcome, share)
    encoded = text.encode()
    return text if len(encoded) <= room else encoded[:room].decode("utf-8", "ignore")


def append(report: Report, path: Path) -> None:
    """Append to the step's summary, within what it has left; raises OSError."""
    before = path.stat().st_size if path.exists() else 0
    text = page(report, room=max(0, LIMIT - before - 1))
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{text}\n" if text else "")


def _row(outcome: Outcome) -> str:
    seconds = f"{outcome.seconds:.1f} s" if outcome.seconds else ""
    sign = _SIGNS[outcome.verdict]
    return f"| {sign} | {outcome.check} | {outcome.verdict} | {seconds} | {_cell(outcome.reason)} |"


def _head(check: Check, outcome: Outcome, app: Path) -> str:
    found = annotations.findings(check, outcome, app)
    listed = [
        f"- `{_code(':'.join(str(part) for part in (f.file, f.line) if part))}` {_cell(f.message)}"
        for f in found[:_LISTED]
    ]
    more = [f"- and {len(found) - _LISTED} more"] if len(found) > _LISTED else []
    line = repeat.line(check, app)
    shown = [f"#### {outcome.verdict}: {check.name}", *listed, *more, "", *_fenced("sh", line), ""]
    return "\n".join(["", *shown])


def _output(outcome: Outcome, share: int) -> str:
    text = plain(outcome.output).strip("\n")
    encoded = text.encode("utf-8", "replace")
    if not encoded or not share:
        return ""
    cut = len(encoded) - share
    note = f"[… {cut:,} bytes left out …]\n" if cut > 0 else ""
    kept = encoded[-share:].decode("utf-8", "ignore") if cut > 0 else text
    fenced = _fenced("", note + kept)
    return "\n".join(["", "<details><summary>output</summary>", "", *fenced, "</details>", ""])


def _fenced(language: str, text: str) -> list[str]:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", text, fence]


def _code(text: str) -> str:
    return re.sub(r"[`|\r\n]", " ", text)


def _cell(text: str) -> str:
    """Return the text so that it neither ends its cell nor becomes markup."""
    flat = " ".join(text.split())
    return re.sub(r"([\\`*_{}\[\]<>|~#@])", r"\\\1", flat)
