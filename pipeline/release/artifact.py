"""The artifact: one .tar.gz that holds a release, its manifest and the digest of every file."""

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from pipeline.errors import BuildFailed, UsageProblem
from pipeline.release import manifest as manifests
from pipeline.release.manifest import MANIFEST, SUMS, Facts, Manifest

_CHUNK = 1 << 20
_LINKS = 40
"""So many links are followed for one name (path_resolution(7))."""

_LONGEST_LIST = 64 * 1024 * 1024
_LONGEST_NAME = 255
"""Bytes of one name, on every file system that a release may lie on."""

# What a running release leaves behind in its own directory; tmp/ holds computed secrets
# (research/deploy.md section 2.11), so neither may travel.
_LEFT_OUT = frozenset({"tmp", "erl_crash.dump", MANIFEST, SUMS})


@dataclass(frozen=True)
class Artifact:
    """A packed release on this machine; `sums` is the text of its SHA256SUMS."""

    path: Path
    manifest: Manifest
    sums: str


def pack(tree: Path, facts: Facts, dist: Path) -> Artifact:
    """Pack the release directory `tree` into `dist`; the artifact appears whole or not at all.

    Raises BuildFailed for a file that cannot be carried safely.
    """
    files = _files(tree)
    sums = "".join(f"{_sha256(path)}  ./{name}\n" for name, path in files if not path.is_symlink())
    manifest = Manifest(
        **msgspec.structs.asdict(facts),
        digest=hashlib.sha256(sums.encode()).hexdigest(),
        files=sums.count("\n"),
        bytes=sum(path.lstat().st_size for _, path in files),
    )
    dist.mkdir(parents=True, exist_ok=True)
    short = facts.commit[:9] or "uncommitted"
    target = dist / f"{facts.app}-{facts.version}-{short}{'-dirty' if facts.dirty else ''}.tar.gz"
    partial = target.with_suffix(".partial")
    with tarfile.open(partial, "w:gz", compresslevel=6) as tar:
        # First, so that opening an artifact need not read all of it.
        _add_text(tar, MANIFEST, manifests.encode(manifest))
        _add_text(tar, SUMS, sums.encode())
        for name, path in files:
            tar.add(path, f"./{name}", recursive=False, filter=_anonymous)
    partial.replace(target)
    return Artifact(target, manifest, sums)


def read(path: Path) -> Artifact:
    """Return the artifact at `path`; UsageProblem if it is none, or its list of sums was changed.

    The files themselves are checked by `unpack`.
    """
    if not path.is_file():
        raise UsageProblem(
            f"{path} does not exist", remedy="build one with `inv build`; it prints the path"
        )
    texts = {}
    with _opened(path, "is not a release artifact") as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name not in (MANIFEST, SUMS):
                break
            stream = tar.extractfile(member) if member.size <= _LONGEST_LIST else None
            texts[name] = stream.read() if stream else b""
    if texts.keys() != {MANIFEST, SUMS}:
        raise UsageProblem(
            f"{path} is not a release artifact: it does not begin with {MANIFEST} and {SUMS}",
            remedy="build one with `inv build`",
        )
    manifest = manifests.decode(texts[MANIFEST], f"{MANIFEST} of {path}")
    if hashlib.sha256(texts[SUMS]).hexdigest() != manifest.digest:
        raise UsageProblem(f"{path} does not match its own manifest: {SUMS} was changed")
    try:
        return Artifact(path, manifest, texts[SUMS].decode())
    except UnicodeDecodeError:
        raise UsageProblem(f"{path} is not a release artifact: {SUMS} is not UTF-8") from None


@contextmanager
def _opened(path: Path, failure: str) -> Iterator[tarfile.TarFile]:
    """Yield the open artifact; UsageProblem, beginning with `failure`, where it is not whole."""
    try:
        with tarfile.open(path, "r:gz") as tar:
            yield tar
    except PermissionError as error:
        raise UsageProblem(f"{path} cannot be read: {error.strerror}") from None
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageProblem(
            f"{path} {failure}: {error}", remedy="build it again, or transfer it again"
        ) from None


Taker = Callable[[str, tarfile.TarInfo, Iterator[bytes]], None]
"""Gets the name of an entry, its header, and its bytes, to be read there and then, if at all."""


def walk(artifact: Artifact, take: Taker) -> None:
    """Hand every entry to `take`, with plain rights and no owner, and check every file.

    Raises UsageProblem when a file is missing, changed, added, there twice, or when an entry would
    land outside the release; what was taken until then is not to be used.
    """
    unlike = f"{artifact.path} does not match its own manifest"
    expected = {SUMS: artifact.manifest.digest, **listed(artifact.sums)}
    links: dict[str, str] = {}
    seen: set[str] = set()
    above: set[str] = set()
    left = artifact.manifest.bytes + 2 * _LONGEST_LIST
    with _opened(artifact.path, "cannot be read to its end") as tar:
        for member in tar:
            name = _safe_name(member, artifact.path)
            parents = {str(parent) for parent in PurePosixPath(name).parents}
            if name in seen or name in above or (parents & seen) - links.keys():
                raise UsageProblem(f"{unlike}: it holds {member.name} twice")
            seen.add(name)
            above |= parents
            left -= member.size
            if left < 0:
                raise UsageProblem(f"{unlike}: it is larger")
            _anonymous(member)  # an artifact made elsewhere, too, gives no rights
            if member.issym():
                links[name] = member.linkname
                take(name, member, iter(()))
                continue
            digest = hashlib.sha256()
            chunks = _chunks(tar.extractfile(member), digest)
            take(name, member, chunks)
            deque(chunks, maxlen=0)  # what was not taken counts, too
            if name != MANIFEST and expected.pop(name, "") != digest.hexdigest():
                raise UsageProblem(f"{unlike}: {name} changed, or is not in its list of files")
    for name in expected:
        raise UsageProblem(f"{unlike}: {name} is missing")
    for name in links:
        if _leads_outside(name, links):
            raise UsageProblem(f"{artifact.path} links to something outside itself: {name}")
    for name in seen if links else ():
        if any(str(parent) in links for parent in PurePosixPath(name).parents):
            raise UsageProblem(f"{artifact.path} holds an entry below a link: {name}")


def listed(sums: str) -> dict[str, str]:
    """Return name → digest of every file in the text of SHA256SUMS."""
    return {line[66:].removeprefix("./"): line[:64] for line in sums.split("\n") if line}


def unpack(artifact: Artifact, into: Path) -> None:
    """Unpack into the empty directory `into`. Raises UsageProblem as `walk` does."""
    links: list[tuple[Path, str]] = []
    made: set[Path] = set()

    def write(name: str, member: tarfile.TarInfo, chunks: Iterator[bytes]) -> None:
        path = into / name
        if path.parent not in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            made.add(path.parent)
        if member.issym():
            links.append((path, member.linkname))
            return
        with path.open("xb") as file:
            file.writelines(chunks)
            os.fchmod(file.fileno(), member.mode)

    walk(artifact, write)
    # At the end: until here nothing could be written through one.
    for path, target in links:
        path.symlink_to(target)


def _files(tree: Path) -> list[tuple[str, Path]]:
    """Return (relative name, path) of every file and link of the tree, in order of name."""
    found = []
    for path in sorted(tree.rglob("*")):
        name = path.relative_to(tree)
        if name.parts[0] in _LEFT_OUT or (path.is_dir() and not path.is_symlink()):
            continue
        if any(character in str(name) for character in "\\\n\r"):
            raise BuildFailed(f"the release holds a file that sha256sum cannot name: {name!s:.200}")
        if path.is_symlink() and not path.resolve().is_relative_to(tree.resolve()):
            raise BuildFailed(f"the release links to something outside itself: {name}")
        found.append((name.as_posix(), path))
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Drop owner and time, which differ between two builds of one commit, and writable bits."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


def _add_text(tar: tarfile.TarFile, name: str, text: bytes) -> None:
    member = tarfile.TarInfo(f"./{name}")
    member.size = len(text)
    tar.addfile(_anonymous(member), io.BytesIO(text))


def _safe_name(member: tarfile.TarInfo, artifact: Path) -> str:
    """Return where the entry belongs below the release. Raises UsageProblem if nowhere."""
    path = PurePosixPath(member.name)
    ordinary = (member.isfile() or member.issym()) and path.parts and not path.is_absolute()
    if not ordinary or ".." in path.parts or "\0" in member.name:
        raise UsageProblem(f"{artifact} holds an entry that has no place in a release: {path}")
    for part in path.parts:
        if len(os.fsencode(part)) > _LONGEST_NAME:
            raise UsageProblem(
                f"{artifact} holds a name of over {_LONGEST_NAME} bytes: {part:.60}…"
            )
    return path.as_posix()


def _chunks(source: IO[bytes] | None, digest: "hashlib._Hash") -> Iterator[bytes]:
    while source and (chunk := source.read(_CHUNK)):
        digest.update(chunk)
        yield chunk


def _leads_outside(name: str, links: Mapping[str, str]) -> bool:
    """Follow `name` through the links, as the kernel would, and tell whether it leaves the top."""
    left = name.split("/")[::-1]
    at: list[str] = []
    followed = 0
    while left:
        part = left.pop()
        if part == ".." and not at:
            return True
        if part == "..":
            at.pop()
        elif part not in ("", "."):
            at.append(part)
        target = links.get("/".join(at))
        if part not in ("", ".", "..") and target is not None:
            followed += 1
            if target.startswith("/") or followed > _LINKS:
                return True
            at.pop()
            left += target.split("/")[::-1]
    return False
