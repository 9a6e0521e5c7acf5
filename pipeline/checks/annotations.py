"""Findings as GitHub shows them beside the lines of a pull request: workflow commands.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions. The escapes are
those of the runner's own toolkit (actions/toolkit, packages/core/src/command.ts).
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.checks.check import Check
from pipeline.checks.findings import Finding, Severity, placed
from pipeline.checks.readers import plain
from pipeline.checks.verdicts import Outcome, Verdict

LIMIT = 10
"""Annotations of one check. GitHub shows no more of one kind from one step."""


def findings(check: Check, outcome: Outcome, app: Path) -> list[Finding]:
    """Return what the check's output complains about, with files relative to the application."""
    known = outcome.findings
    found = check.find(plain(outcome.output)) if known is None else known
    return placed(found, app, check.package)


def lines(check: Check, outcome: Outcome, app: Path, root: Path) -> list[str]:
    """Return the workflow commands for a check that is failed or unknown, else none.

    `root` is the top of the repository, to which GitHub wants its paths relative. A check without
    a finding that could be read has one annotation, its reason.
    """
    if outcome.verdict not in (Verdict.FAILED, Verdict.UNKNOWN):
        return []
    found = findings(check, outcome, app)
    if outcome.verdict is Verdict.UNKNOWN or not found:
        text = outcome.reason or outcome.verdict
        return [_command("error", {"title": f"{check.name}: {outcome.verdict}"}, text)]
    # Where only warnings were found, they are what failed it.
    errors = [finding for finding in found if finding.severity is Severity.ERROR] or found
    ordered = [*errors, *(finding for finding in found if finding not in errors)]
    said = [
        _command(
            "error" if finding in errors else "warning",
            {**_place(finding, app, root), "title": check.name},
            finding.message,
        )
        for finding in ordered[:LIMIT]
    ]
    more = len(ordered) - LIMIT
    return [*said, f"{check.name}: {more} more in its output above"] if more > 0 else said


def repository(app: Path, environ: Mapping[str, str]) -> Path:
    """Return the directory that annotations are relative to: the job's checkout."""
    return Path(environ.get("GITHUB_WORKSPACE") or app)


def data(text: str) -> str:
    """Return the text as the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def value(text: str) -> str:
    """Return the text as the value of one of its properties."""
    return data(text).replace(":", "%3A").replace(",", "%2C")


def _place(finding: Finding, app: Path, root: Path) -> dict[str, str]:
    path = app / finding.file
    base = next((base for base in (root, root.resolve()) if path.is_relative_to(base)), None)
    if not finding.file or base is None:
        return {}
    numbers = {"line": finding.line, "col": finding.column}
    return {
        "file": path.relative_to(base).as_posix(),
        **{name: str(number) for name, number in numbers.items() if number},
    }


def _command(level: str, properties: Mapping[str, str], message: str) -> str:
    listed = ",".join(f"{name}={value(text)}" for name, text in properties.items())
    return f"::{level} {listed}::{data(message)}"
