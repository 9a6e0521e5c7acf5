"""The passes on record: one small file per row, in the directory that worktree.records names.

What cannot be read counts as never having been there.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import structs

from pipeline.checks import whole, worktree

KEPT = 16
"""Passes kept per row, the newest first: going back and forth between branches needs a few."""


class Pass(msgspec.Struct, frozen=True):
    """A row has passed with everything that `key` stands for; `when` is in seconds since 1970.

    `left` is the fingerprint of what it made.
    """

    key: str
    when: float
    reason: str = ""
    left: str = ""


class Record(msgspec.Struct, frozen=True):
    """The passes of one row, and what the newest of them stands for, to tell what has changed."""

    passes: tuple[Pass, ...] = ()
    inputs: Mapping[str, str] = {}
    around: Mapping[str, str] = {}


def place(app: Path) -> Path | None:
    """Return the directory of the records of `app`; None outside of a git work tree."""
    return worktree.records(app)


def load(directory: Path, row: str) -> Record:
    """Return the record of a row, an empty one if there is none that can be read."""
    try:
        found = msgspec.json.decode((directory / f"{row}.json").read_bytes(), type=Record)
        return _renamed(found, lambda name: os.fsdecode(name.encode("latin-1")))
    except (OSError, ValueError):  # DecodeError is one, and so is bad UTF-8
        return Record()


def with_pass(
    record: Record, new: Pass, inputs: Mapping[str, str], around: Mapping[str, str]
) -> Record:
    """Return the record with `new` in front, without what is too much."""
    others = [known for known in record.passes if known.key != new.key]
    return Record((new, *others[: KEPT - 1]), inputs, around)


def with_left(record: Record, key: str, left: str) -> Record:
    """Return the record with another fingerprint of what the pass of `key` has made."""
    known = tuple(
        structs.replace(one, left=left) if one.key == key else one for one in record.passes
    )
    return structs.replace(record, passes=known)


def without(record: Record, key: str) -> Record:
    """Return the record without the pass of `key`, which has not passed this time."""
    left = tuple(known for known in record.passes if known.key != key)
    return structs.replace(record, passes=left)


def save(directory: Path, records: Iterable[tuple[str, Record]]) -> None:
    """Write the records of these rows, each whole or not at all. Raises OSError."""
    for row, record in records:
        # A name is any bytes, and JSON holds characters: one for each byte.
        stored = _renamed(record, lambda name: os.fsencode(name).decode("latin-1"))
        whole.write(directory / f"{row}.json", msgspec.json.encode(stored))


def _renamed(record: Record, rename: Callable[[str], str]) -> Record:
    inputs, around = (
        {rename(name): value for name, value in held.items()}
        for held in (record.inputs, record.around)
    )
    return structs.replace(record, inputs=inputs, around=around)
