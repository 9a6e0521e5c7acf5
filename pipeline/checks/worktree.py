"""What git knows of the application's files: the content of each in the work tree, and the index.

Two git processes answer for all rows together (repository.py).
"""

import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pipeline.checks import repository

UNKNOWABLE = "?"
"""The id of what git cannot tell the content of: a repository within, or a changed submodule."""

_HUGE = 64 * 1024 * 1024
"""Bytes from which on a changed or untracked file, a database dump say, is not read each time."""


class Tree(NamedTuple):
    """The repository's files, by paths from the application: tracked, or untracked, not ignored.

    Those outside of the application begin with `../`. `ignored` has the ids of sources that git
    ignores.

    `ids` has the git object id and mode of each as it is in the work tree now. `staged` differs
    from HEAD in the index; `partly` is staged, but the work tree holds something else; `loose`
    is in the work tree in another form than in the index, or not in the index at all. `committed`
    has the ids of what a commit of the index would hold.
    """

    ids: Mapping[str, str]
    staged: tuple[str, ...]
    partly: tuple[str, ...]
    loose: tuple[str, ...]
    committed: Mapping[str, str] = MappingProxyType({})
    ignored: Mapping[str, str] = MappingProxyType({})


class NoTree(NamedTuple):
    """Git cannot say; `reason` is half a line."""

    reason: str


def records(app: Path) -> Path | None:
    """Return the directory for what we note about `app`; None outside of a git work tree."""
    found = repository.records(str(app))
    return Path(found) if found else None


def read(
    app: Path, environ: Mapping[str, str], asked: tuple[bytes, bytes] | None = None
) -> Tree | NoTree:
    """Return the files of `app`; only those that differ from the index are read.

    `asked` is what repository.ask returned, where it has been asked just now.
    """
    try:
        listed, changed = asked or repository.ask(str(app), environ)
    except FileNotFoundError:
        return NoTree("git is not installed")
    except OSError as error:
        return NoTree(str(error))
    top = repository.top(str(app)) or str(app)
    prefix = repository.prefix(str(app))
    ids, blind = _index(os.fsdecode(listed), prefix)
    changes = _changes(os.fsdecode(changed), prefix)
    # What `git add --intent-to-add` names is in the index, and not in the commit.
    committed = {p: v for p, v in ids.items() if p not in changes or not changes[p].only_intended}
    kind = "sha256" if any(len(value) > 60 for value in ids.values()) else "sha1"
    for path in {*blind, *(p for p, change in changes.items() if change.loose)}:
        opaque = path in changes and changes[path].opaque
        value = UNKNOWABLE if opaque else content_id(app / path, kind)
        if value:
            ids[path.rstrip("/")] = value
        else:
            ids.pop(path, None)
    return Tree(
        ids=ids,
        staged=tuple(sorted(p for p, change in changes.items() if change.staged)),
        partly=tuple(sorted(p for p, c in changes.items() if c.staged and c.loose)),
        loose=tuple(sorted(p for p, change in changes.items() if change.loose)),
        committed=committed,
        ignored={
            repository.relative(path, prefix): content_id(Path(top, path), kind)
            for path in repository.ignored_sources(changed, top)
        },
    )


def changed(app: Path, environ: Mapping[str, str], old: str, new: str) -> list[str] | None:
    """Return the paths that differ between the merge base of two commits and the second one.

    None where git cannot say: a commit that is not here, no common one.
    """
    words = ("diff", "--name-only", "--no-renames", "--no-ext-diff", "--no-relative", "-z")
    said = _git(app, environ, *words, f"{old}...{new}", "--")
    if said is None:
        return None
    prefix = repository.prefix(str(app))
    return [repository.relative(path, prefix) for path in said.split("\0") if path]


def of_commit(app: Path, environ: Mapping[str, str], commit: str) -> Tree | None:
    """Return the files of `app` in a commit; None if it is not here."""
    words = ("ls-tree", "-r", "-z", "--full-tree", "--end-of-options", commit)
    said = _git(app, environ, *words)
    if said is None:
        return None
    # "MODE TYPE ID<tab>PATH"
    heads = (entry.partition("\t") for entry in said.split("\0") if entry)
    prefix = repository.prefix(str(app))
    ids = {repository.relative(path, prefix): " ".join(h.split(" ")[::2]) for h, _, path in heads}
    return Tree(ids, (), (), (), ids)


def _git(app: Path, environ: Mapping[str, str], *words: str) -> str | None:
    import subprocess  # only for ranges

    ended = subprocess.run(
        ("git", *words),
        cwd=app,
        env=repository.environment(environ, str(app)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return None if ended.returncode else os.fsdecode(ended.stdout)


def commit_of(tree: Tree) -> Tree:
    """Return the tree that a commit of the index would hold."""
    return Tree(tree.committed, tree.staged, (), (), tree.committed, tree.ignored)


def shown(path: str) -> str:
    """Return a path as text for people and JSON: one line, every byte of it in some form."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def content_id(path: Path, kind: str = "sha1") -> str:
    """Return mode and git object id of a file or link as it is; nothing if it is not there.

    Filters (line ends, LFS) are not applied, so such a file has another id once it is staged; so
    has a huge one, which goes by its size and times instead.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            mode, data = "120000", os.fsencode(path.readlink())
        elif stat.S_ISREG(found.st_mode):
            mode = "100755" if found.st_mode & stat.S_IXUSR else "100644"
            if found.st_size > _HUGE:
                return f"{mode} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
            data = path.read_bytes()
        else:
            return UNKNOWABLE
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return UNKNOWABLE
    digest = hashlib.new(kind, b"blob %d\0" % len(data), usedforsecurity=False)
    digest.update(data)
    return f"{mode} {digest.hexdigest()}"


class _Change(NamedTuple):
    staged: bool
    loose: bool
    opaque: bool = False
    only_intended: bool = False


def _index(listing: str, prefix: str) -> tuple[dict[str, str], set[str]]:
    """Return the ids in the index, and the paths whose work tree git was told not to look at."""
    ids: dict[str, str] = {}
    blind: set[str] = set()
    for entry in listing.split("\0"):
        if not entry:
            continue
        head, _, path = entry.partition("\t")
        path = repository.relative(path, prefix)
        tag, mode, value, stage = head.split(" ")
        ids[path] = f"{mode} {value}"
        # Lower case: assume-unchanged; S: skip-worktree; another stage: a conflict.
        if tag.islower() or tag == "S" or stage != "0":
            blind.add(path)
    return ids, blind


def _changes(status: str, prefix: str) -> dict[str, _Change]:
    """Read `git status --porcelain=v2 -z`, whose paths begin at the top of the work tree."""
    found: dict[str, _Change] = {}
    for entry in status.split("\0"):
        kind = entry[:2]
        if kind == "1 ":
            _, letters, submodule, _, mode, _, _, _, path = entry.split(" ", 8)
            loose = letters[1] != "."
            opaque = loose and submodule != "N..."
            intended = mode == "000000" and letters[0] == "."
            change = _Change(letters[0] != ".", loose, opaque, intended)
        elif kind == "u ":
            path = entry.split(" ", 10)[10]
            change = _Change(staged=True, loose=True)
        elif kind == "? ":
            path = entry[2:]
            # A name that ends in a slash is a repository of its own.
            before = found.get(repository.relative(path, prefix))  # removed from the index alone
            change = _Change(bool(before and before.staged), True, opaque=path.endswith("/"))
        else:
            continue
        found[repository.relative(path, prefix)] = change
    return found


def listing(tree: Tree, prefix: str) -> bytes:
    """Return what repository.LISTING would print if all of the tree were staged."""
    paths = ((os.path.normpath(Path(prefix, path)), value) for path, value in tree.ids.items())
    entries = sorted((os.fsencode(path), value.encode()) for path, value in paths)
    return b"".join(b"H %s 0\t%s\0" % (value, path) for path, value in entries)
