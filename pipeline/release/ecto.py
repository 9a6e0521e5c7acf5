"""What a release's own BEAM prints about migrations and databases, as Ecto words it. Pure."""

import re
from collections.abc import Iterable

_NONE_PENDING = "No pending migrations!"
_PENDING = re.compile(r"\s*\* (?P<migration>\d+_\S+)\s*")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_CONNECT = re.compile(r"\[error\] .* failed to connect: \*\* \([\w.]+\) (?P<words>.+)")
_RAISED = re.compile(r"\*\* \([\w.]+\) .+")


def pending(said: Iterable[str]) -> list[str]:
    """Return the migrations in what pending_streaks/0 printed, in order, over all repositories.

    An answer in no known form counts as one pending migration: running none by mistake is
    worse than running the migrator for nothing.
    """
    lines = [_COLOUR.sub("", line) for line in said]
    names = [found["migration"] for line in lines if (found := _PENDING.fullmatch(line))]
    if not names and any(line.strip() == _NONE_PENDING for line in lines):
        return []
    return names or ["(unknown)"]


def reason(said: Iterable[str]) -> str:
    """Return why a BEAM failed, in its own words: what a database answered, else what was raised.

    Empty where it has printed neither. The exception that Ecto raises in the end tells only that a
    connection was not available; what the database said is in the lines before.
    """
    lines = [_COLOUR.sub("", line) for line in said]
    for pattern in (_CONNECT, _RAISED):
        for line in lines:
            if found := pattern.search(line):
                return (found["words"] if "words" in pattern.groupindex else found[0]).strip()
    return ""
