"""How long each row took here before, so that the next run starts the long ones first.

One small file per application in the git directory of its work tree, beside the passes. It decides
about the order only: what cannot be read counts as never having been there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec

from pipeline.checks import whole, worktree
from pipeline.checks.check import Check
from pipeline.checks.verdicts import Outcome, Verdict

KEPT = 5
"""Runs remembered per row: their median forgets one slow run, and soon a slower past."""

_TELLING = frozenset({Verdict.PASSED, Verdict.FAILED})

_Times = dict[str, list[float]]


def expected(app: Path, checks: Sequence[Check]) -> dict[str, float]:
    """Return row → seconds: the median of the last runs here, else the row's own estimate."""
    times = _load(app)
    return {
        check.name: median(times[check.name]) if times.get(check.name) else check.estimate
        for check in checks
    }


def remember(app: Path, outcomes: Sequence[Outcome]) -> None:
    """Note how long the rows took that came to an end; nothing outside of a git work tree.

    Raises OSError. Two runs that end at once may lose one's times, never the file.
    """
    fresh = {o.check: o.seconds for o in outcomes if o.verdict in _TELLING and o.seconds > 0}
    path = _path(app)
    if path is None or not fresh:
        return
    whole.write(path, msgspec.json.encode(_with(_load(app), fresh)))


def _with(times: Mapping[str, list[float]], fresh: Mapping[str, float]) -> _Times:
    return dict(times) | {
        name: [*times.get(name, [])[-(KEPT - 1) :], round(seconds, 3)]
        for name, seconds in fresh.items()
    }


def _path(app: Path) -> Path | None:
    place = worktree.records(app)
    return place and place.parent.parent / "times" / f"{place.name}.json"


def _load(app: Path) -> _Times:
    path = _path(app)
    if path is None:
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Times)
    except (OSError, ValueError):  # DecodeError is one, and so is bad UTF-8
        return {}
