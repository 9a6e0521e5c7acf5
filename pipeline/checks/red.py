"""Which rows were not green when they last ran here, for `inv check --failed`.

One small file per application in the git directory of its work tree, beside the passes.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from pipeline.checks import whole, worktree
from pipeline.checks.verdicts import Outcome, Verdict

_RED = frozenset({Verdict.FAILED, Verdict.UNKNOWN})
_SAYS_NOTHING = frozenset({Verdict.SKIPPED})


def names(app: Path) -> list[str] | None:
    """Return the rows that failed or were unknown when they last ran; None without a record."""
    path = _path(app)
    try:
        return None if path is None else msgspec.json.decode(path.read_bytes(), type=list[str])
    except (OSError, ValueError):
        return None


def remember(app: Path, outcomes: Sequence[Outcome]) -> None:
    """Note the rows that are not green now, beside those that did not run. Raises OSError."""
    path = _path(app)
    heard = [o for o in outcomes if o.verdict not in _SAYS_NOTHING]
    if path is None or not heard:
        return
    told = {outcome.check for outcome in heard}
    left = [name for name in names(app) or [] if name not in told]
    red = [outcome.check for outcome in heard if outcome.verdict in _RED]
    whole.write(path, msgspec.json.encode([*left, *red]))


def _path(app: Path) -> Path | None:
    place = worktree.records(app)
    return place and place.parent.parent / "red" / f"{place.name}.json"
