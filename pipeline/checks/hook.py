"""What a commit is asked: the rows of the hook, and the note that lets the next one be quick."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pipeline.checks import glance
from pipeline.checks.check import Check, Group
from pipeline.checks.reuse import Memory
from pipeline.checks.verdicts import Verdict


def candidates(checks: Iterable[Check], names: Sequence[str] | None, app: Path) -> list[Check]:
    """Return the rows that may run in the hook: those of the setting, else the hook's group.

    Without those of npm packages that the application does not have.
    """
    return [
        check
        for check in checks
        if (Group.HOOK in check.groups if names is None else check.name in names)
        and (not check.package or (app / check.package / "package.json").is_file())
    ]


def inputs(checks: Iterable[Check]) -> dict[str, tuple[str, ...]]:
    """Return name → the globs of which a staged file makes the hook choose the row."""
    return {check.name: check.chosen_by or check.inputs for check in checks}


def note(
    app: Path,
    memory: Memory,
    rows: Sequence[Check],
    verdicts: Mapping[str, Verdict | None],
    environ: Mapping[str, str],
    until: float,
) -> None:
    """Note for the next commit that all `rows` of the hook are green now, if they are.

    `verdicts` are those that stand with the work tree as `memory` found it, `until` that time.
    Raises OSError.
    """
    green = [row for row in rows if verdicts.get(row.name) is Verdict.REUSED]
    skipped = [row for row in rows if verdicts.get(row.name) is Verdict.SKIPPED]
    if not green or len(green) + len(skipped) < len(rows):
        return
    packages = sorted({row.package for row in rows if row.package})
    glance.note(app, environ, memory.tree, inputs(green), inputs(skipped), packages, until)
