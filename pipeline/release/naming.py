"""Names of releases: YYYYMMDD_HHMMSS of the server's clock. Their order is the order of time."""

import re
from collections.abc import Container, Iterable
from datetime import datetime, timedelta

from pipeline.errors import UsageProblem

_FORMAT = "%Y%m%d_%H%M%S"
_SHAPE = re.compile(r"\d{8}_\d{6}", re.ASCII)


def is_name(text: str) -> bool:
    """Tell whether `text` names a release; only such names are ever listed or removed."""
    if not _SHAPE.fullmatch(text):
        return False
    try:
        datetime.strptime(text, _FORMAT)
    except ValueError:
        return False
    return True


def checked(text: str, option: str) -> str:
    """Return `text` if it names a release, without a `release_` in front; else UsageProblem."""
    name = text.removeprefix("release_")
    if not is_name(name):
        raise UsageProblem(
            f"{option}={text} is not the name of a release",
            remedy="names look like 20261123_235959; `fab -H NAME releases` lists them",
        )
    return name


def following(server_clock: str, existing: Iterable[str], used: Container[str] = ()) -> str:
    """Return a new name, greater than every existing one and none of `used`.

    `server_clock` is the server's own time in the format of a name. A clock that was set back
    must not make the newest release look old (capistrano#1810), so the greatest existing name
    plus one second is the least that is returned. Names that are only in the history (`used`) do
    not count as existing: after one named in the future is gone, names follow the clock again.
    Raises UsageProblem where there is no later name, ValueError for a malformed clock.
    """
    now = datetime.strptime(server_clock, _FORMAT)
    newest = max((name for name in existing if is_name(name)), default="")
    try:
        if newest:
            now = max(now, datetime.strptime(newest, _FORMAT) + timedelta(seconds=1))
        while (name := f"{now:%Y%m%d_%H%M%S}".rjust(15, "0")) in used:
            now += timedelta(seconds=1)
    except OverflowError:
        raise UsageProblem(
            f"no name comes after the release {newest}", remedy="move that release away by hand"
        ) from None
    return name


def ahead_note(name: str, server_clock: str) -> str:
    """Return what to tell of a new name that is more than a minute ahead of the clock, or ""."""
    if not is_name(server_clock):
        return ""
    later = datetime.strptime(name, _FORMAT) - datetime.strptime(server_clock, _FORMAT)
    if later <= timedelta(minutes=1):
        return ""
    return (
        "; one there is named in the future, so names follow it and not the clock "
        f"({server_clock}) until it is gone"
    )
