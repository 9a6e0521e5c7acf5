"""What of a release has to be sent: its difference from the one that serves.

Both are known by the digests of their files, so nothing has to be compared over the line. That
costs rsync seven round trips, and a second login (docs/decisions/0008).
"""

import base64
import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pipeline.release import artifact as artifacts
from pipeline.release.artifact import Artifact
from pipeline.release.manifest import SUMS

ONE_PIECE = 16_000_000
"""Bytes of changed files up to which they are sent in one piece, built in memory. What is larger
goes by rsync, which takes up again what a bad line has cut off."""

_DIGITS = 16
"""Of a digest, so many digits tell whether a file is the same: what is not sent by mistake is found
out on the host, where the whole digest of every file is checked."""

_KEPT = 128_000_000
"""Bytes of an artifact that are kept in memory; what is needed of the rest is read once more."""


@dataclass(frozen=True)
class Entry:
    """A file or link of an artifact; `digest` is empty for what is not in its list of digests."""

    header: tarfile.TarInfo
    digest: str
    data: bytes | None
    """None of a file for which there was no room."""

    @property
    def mark(self) -> str:
        """What tells it from another file of that name, as `known` gives it of a host's."""
        return _mark(self.digest, bool(self.header.mode & 0o100))


@dataclass(frozen=True)
class Difference:
    """Names, below the release, of the files and links that a host lacks, and all their bytes."""

    names: tuple[str, ...]
    size: int


def entries(artifact: Artifact, kept: int = _KEPT) -> dict[str, Entry]:
    """Read and check all of the artifact; keep at most so many bytes. Raises UsageProblem."""
    digests = artifacts.listed(artifact.sums)
    found: dict[str, Entry] = {}
    room = kept

    def take(name: str, header: tarfile.TarInfo, chunks: Iterator[bytes]) -> None:
        nonlocal room
        data = None
        if header.size <= room:
            room -= header.size
            data = b"".join(chunks)
        found[name] = Entry(header, digests.get(name, ""), data)

    artifacts.walk(artifact, take)
    return found


def known(contents: str) -> dict[str, str]:
    """Return name → mark of every file of a release, from what contents.sh prints of it.

    Empty where there is no release, or its text cannot be read: then nothing is known.
    """
    try:
        text = gzip.decompress(base64.b64decode(contents, validate=True)).decode()
    except (ValueError, OSError, EOFError, zlib.error):
        return {}
    programs, _, sums = text.partition("\n\n")
    executable = frozenset(programs.split("\n"))
    lines = [line for line in sums.split("\n") if line]
    return {
        line[_DIGITS:].removeprefix("./"): _mark(line, line[_DIGITS:] in executable)
        for line in lines
    }


def between(found: Mapping[str, Entry], have: Mapping[str, str], *, same_list: bool) -> Difference:
    """Return what a host that has `have` lacks of an artifact's entries.

    What has no digest is always part of it: links, the manifest and, unless the host has the
    `same_list` of digests, that list.
    """
    lacking = {
        name: entry
        for name, entry in found.items()
        if not (have.get(name) == entry.mark if entry.digest else name == SUMS and same_list)
    }
    return Difference(tuple(lacking), sum(entry.header.size for entry in lacking.values()))


def bundle(artifact: Artifact, found: Mapping[str, Entry], difference: Difference) -> bytes:
    """Return a .tar.gz of what differs, for receive.sh."""
    data = {name: found[name].data for name in difference.names}

    def take(name: str, _header: tarfile.TarInfo, chunks: Iterator[bytes]) -> None:
        if name in data:
            data[name] = b"".join(chunks)

    if None in data.values():
        artifacts.walk(artifact, take)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as tar:
        for name, text in data.items():
            tar.addfile(found[name].header, io.BytesIO(text or b""))
    return packed.getvalue()


def _mark(digest: str, is_program: bool) -> str:
    return f"{digest[:_DIGITS]}{'x' if is_program else '-'}"
