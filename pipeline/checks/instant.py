"""The shortest way to a green commit: all is staged, and as it was when the hook's rows were green.

`git commit` right after a green check gets here and no further. Whatever is not that simple goes a
longer way: glance.py for files that are not staged, and the checks themselves.
"""

from __future__ import annotations

import marshal
import os
import time

from pipeline.checks import circumstances, repository

try:
    from _blake2 import blake2b  # hashlib loads OpenSSL first
except ImportError:
    from hashlib import blake2b

TYPE_CHECKING = False  # see repository.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypedDict

    class Note(TypedDict):
        """What was noted: the state, and for each path the rows it is an input of.

        `paths` names the green rows and the skipped ones; `packages` are npm's, needed for the
        state; `rows` are the input globs of the green rows, `skipped` those of the others. It holds
        between the times `since` and `until`.
        """

        since: float
        until: float
        state: str
        paths: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
        packages: list[str]
        green: dict[str, tuple[str, ...]]
        skipped: dict[str, tuple[str, ...]]


_FILE = "glance"
_PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def answer(app: str, environ: Mapping[str, str], asked: tuple[bytes, bytes]) -> tuple[str, bool]:
    """Return the line for a commit that nothing need be run for, or none.

    If there is none, the second value tells whether a closer look might find one. `asked` is what
    repository.ask has just returned.
    """
    noted = read(app)
    if noted is None:
        return "", False
    staged = _staged(os.fsdecode(asked[1]))
    if staged is None:
        return "", True
    if state(asked, app, environ, noted["packages"]) != noted["state"]:
        return "", False
    prefix = repository.prefix(app)
    paths = [repository.relative(path, prefix) for path in staged]
    known = noted["paths"]
    if not all(path in known for path in paths):
        return "", True
    chosen = [row for row in noted["green"] if any(row in known[path][0] for path in paths)]
    left_out = [row for row in noted["skipped"] if any(row in known[path][1] for path in paths)]
    return (closing(chosen, left_out), False) if chosen else ("", False)


def closing(chosen: Sequence[str], left_out: Sequence[str]) -> str:
    """Return the line that says what is reused."""
    also = f" (skipped: {', '.join(left_out)})" if left_out else ""
    return f"reused {', '.join(chosen)}: passed with these files before{also}"


def state(
    asked: tuple[bytes, bytes], app: str, environ: Mapping[str, str], packages: Iterable[str]
) -> str:
    """Return a digest of everything that any row's verdict hangs on; `packages` are npm's.

    `asked` is what repository.ask returned, or would return if all were staged.
    """
    listing, status = asked
    above = repository.top(app)
    facts = circumstances.shared(app, environ)
    facts |= {f"npm {name}": circumstances.installed(app, name) for name in packages}
    facts["settings"] = circumstances.stamp(f"{_PROJECT}/pyproject.toml")
    for path in repository.ignored_sources(status, above):
        facts[f"ignored {path}"] = circumstances.stamp(os.path.join(above, path))
    digest = blake2b(listing, digest_size=16)
    for name in sorted(facts):
        digest.update(f"\0{name}\0{facts[name]}".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def read(app: str) -> Note | None:
    """Return what was noted, or nothing."""
    try:
        with open(os.path.join(repository.records(app), _FILE), "rb") as file:
            noted: Note = marshal.load(file)  # noqa: S302 - in the git directory, as hooks are
        holds = noted["since"] <= time.time() < noted["until"]
        return noted if holds and noted["paths"] and noted["green"] and noted["state"] else None
    except (OSError, ValueError, EOFError, TypeError, KeyError):
        return None


def write(app: str, noted: Note) -> None:
    """Note it. Raises OSError."""
    place = repository.records(app)
    os.makedirs(place, exist_ok=True)
    fresh = os.path.join(place, f".{_FILE}-{os.getpid()}")
    with open(fresh, "wb") as file:
        marshal.dump(noted, file)  # type: ignore[arg-type]  # str, dict, list and tuple all the way
    os.replace(fresh, os.path.join(place, _FILE))


def forget(app: str) -> None:
    """Take the note away."""
    try:
        os.remove(os.path.join(repository.records(app), _FILE))
    except FileNotFoundError:
        return


def _staged(status: str) -> list[str] | None:
    """Return the staged paths, from the top of the work tree; None if anything is not staged."""
    paths = []
    for entry in status.split("\0"):
        if not entry or entry.startswith("! "):
            continue
        # "1 XY SUB mH mI mW hH hI PATH": Y is the work tree beside the index.
        if not entry.startswith("1 ") or entry[3] != "." or entry[5] != "N":
            return None
        paths.append(entry.split(" ", 8)[8])
    return paths
