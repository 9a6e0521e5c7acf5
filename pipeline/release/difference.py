"""What of a release has to be sent: its difference from the one that serves.

Both are known by the digests of their files, so nothing has to be compared over the line. That
costs rsync seven round trips, and a second login (docs/decisions/0008).
"""

import base64
import binascii
import gzip
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.release.artifact import anonymous
from pipeline.release.manifest import SUMS

ONE_PIECE = 16_000_000
"""Bytes of changed files up to which they are sent in one piece, built in memory. What is larger
goes by rsync, which takes up again what a bad line has cut off."""

_DIGITS = 16
"""Of a digest, so many digits tell whether a file is the same: what is not sent by mistake is found
out on the host, where the whole digest of every file is checked."""


@dataclass(frozen=True)
class Difference:
    """Names, below the release, of the files and links that a host lacks, and all their bytes."""

    names: tuple[str, ...]
    size: int


def known(contents: str) -> dict[str, str]:
    """Return name → mark of every file of a release, from what contents.sh prints of it.

    Empty where there is no release, or its text cannot be read: then nothing is known.
    """
    try:
        text = gzip.decompress(base64.b64decode(contents, validate=True)).decode()
    except (binascii.Error, OSError, EOFError, UnicodeDecodeError):
        return {}
    programs, _, sums = text.partition("\n\n")
    executable = frozenset(programs.split("\n"))
    lines = [line for line in sums.split("\n") if line]
    return {
        line[_DIGITS:].removeprefix("./"): _mark(line, line[_DIGITS:] in executable)
        for line in lines
    }


def between(tree: Path, have: Mapping[str, str], *, same_list: bool) -> Difference:
    """Return what a host that has `have` lacks of the unpacked release `tree`.

    What has no digest is always part of it: links, the manifest and, unless the host has the
    `same_list` of digests, that list.
    """
    digests = dict(_digests(tree))
    names, size = [], 0
    for name, entry in _entries(tree):
        facts = entry.stat(follow_symlinks=False)
        is_program = bool(facts.st_mode & 0o100)
        if name in digests:
            is_there = have.get(name) == _mark(digests[name], is_program)
        else:
            is_there = name == SUMS and same_list
        if not is_there:
            names.append(name)
            size += facts.st_size
    return Difference(tuple(names), size)


def bundle(tree: Path, difference: Difference) -> bytes:
    """Return a .tar.gz of what differs, for receive.sh."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
        for name in difference.names:
            tar.add(tree / name, f"./{name}", recursive=False, filter=anonymous)
    return packed.getvalue()


def _mark(digest: str, is_program: bool) -> str:
    return f"{digest[:_DIGITS]}{'x' if is_program else '-'}"


def _digests(tree: Path) -> Iterator[tuple[str, str]]:
    for line in (tree / SUMS).read_text("utf-8").split("\n"):
        if line:
            yield line[66:].removeprefix("./"), line[:64]


def _entries(tree: Path, below: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the names of all files and links of `tree`, each with its entry."""
    with os.scandir(tree / below) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(tree, f"{name}/")
            else:
                yield name, entry
