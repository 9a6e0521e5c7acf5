"""A run as a JUnit file: one suite, one case per check. For CI systems that know nothing else.

The elements and attributes are those that Jenkins' schemas (junit-4.xsd to junit-10.xsd) and
GitLab read.
"""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

from pipeline.checks import annotations, repeat
from pipeline.checks.check import Check
from pipeline.checks.readers import plain
from pipeline.checks.report import Report
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.errors import UsageProblem

OUTPUT = 256 * 1024
"""Characters of a check's output that go into the file: the last ones."""

_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def document(report: Report) -> str:
    """Return the XML text. Failed is a failure, unknown an error, skipped is skipped."""
    count = [outcome.verdict for outcome in report.outcomes].count
    numbers = {
        "tests": str(len(report.outcomes)),
        "failures": str(count(Verdict.FAILED)),
        "errors": str(count(Verdict.UNKNOWN)),
        "skipped": str(count(Verdict.SKIPPED)),
        "time": f"{report.seconds:.3f}",
    }
    suites = ET.Element("testsuites", {"name": "inv check", **_without(numbers, "skipped")})
    suite = ET.SubElement(suites, "testsuite", {"name": "inv check", **numbers})
    rows = {check.name: check for check in report.checks}
    for outcome in report.outcomes:
        _case(suite, rows[outcome.check], outcome, report.app)
    ET.indent(suites)
    text = ET.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def write(report: Report, path: Path) -> None:
    """Write the file, and the directories on the way to it; UsageProblem if that cannot be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(document(report), "utf-8")
    except OSError as error:
        raise UsageProblem(f"--junit {path}: {error.strerror}") from error


def _case(suite: ET.Element, check: Check, outcome: Outcome, app: Path) -> None:
    named = {"classname": "inv.check", "name": check.name, "time": f"{outcome.seconds:.3f}"}
    case = ET.SubElement(suite, "testcase", named)
    reason = _clean(outcome.reason) or outcome.verdict.value
    match outcome.verdict:
        case Verdict.FAILED | Verdict.UNKNOWN:
            tag = "failure" if outcome.verdict is Verdict.FAILED else "error"
            bad = ET.SubElement(case, tag, {"message": reason, "type": outcome.verdict.value})
            bad.text = _clean(_evidence(check, outcome, app))
        case Verdict.SKIPPED:
            # As text: older schemas than junit-10.xsd know no attribute here.
            ET.SubElement(case, "skipped").text = reason
        case Verdict.PASSED | Verdict.REUSED:
            pass
    output = _clean(plain(outcome.output))
    if output:
        cut = (
            f"[… {len(output) - OUTPUT:,} characters left out …]\n" if len(output) > OUTPUT else ""
        )
        ET.SubElement(case, "system-out").text = cut + output[-OUTPUT:]


def _evidence(check: Check, outcome: Outcome, app: Path) -> str:
    found = [
        ":".join(str(part) for part in (finding.file, finding.line, finding.column) if part)
        + f": {finding.severity}: {finding.message}"
        for finding in annotations.findings(check, outcome, app)
    ]
    return "\n".join([*found, f"repeat: {repeat.line(check, app)}"])


def _clean(text: str) -> str:
    """Return the text without what XML 1.0 cannot hold, not even escaped."""
    return _NOT_XML.sub("\ufffd", text)


def _without(numbers: dict[str, str], name: str) -> dict[str, str]:
    return {key: number for key, number in numbers.items() if key != name}
