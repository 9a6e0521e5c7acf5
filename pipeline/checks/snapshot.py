"""A copy of the repository that holds exactly one commit, for the hook to check.

It is needed where the work tree differs from what is committed: a file that was not staged can
make a broken commit pass. The user's files and index are never touched. The copy lies in the cache
directory and stays, so the next commit writes only the files that differ and compiles only those.

What git ignores (packages, settings of this machine) is linked into it. Builds are its own, since
the same file has another content there; the first one begins as a copy of the work tree's.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline import gitlocal
from pipeline.checks import repository

_GIT = (
    *("git", "-c", "core.sparseCheckout=false", "-c", "core.fsmonitor=false"),
    *("-c", "core.untrackedCache=false", "-c", "submodule.recurse=false"),
)


_OF = "of"
"""The file beside a copy that names its work tree."""
_BUILDS = ("MIX_BUILD_PATH", "MIX_BUILD_ROOT")


class NoSnapshot(Exception):
    """It cannot be made; the text is half a line."""


def directory(app: Path, environ: Mapping[str, str]) -> Path:
    """Return where the copy for the work tree of `app` lies."""
    cache = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home(), ".cache")
    top = repository.top(str(app))
    key = hashlib.blake2b(os.fsencode(top), digest_size=6).hexdigest()
    return Path(cache) / "qusto-pipeline/commits" / f"{Path(top).name or 'top'}-{key}"


@contextmanager
def made(app: Path, environ: Mapping[str, str], commit: str, own: Iterable[str]) -> Iterator[Path]:
    """Yield the application's directory in a copy of `commit`, or of the index if that is empty.

    `own` are paths in the application that checks write to. Another hook on the same work tree
    waits. Raises NoSnapshot.
    """
    place = directory(app, environ)
    top = Path(repository.top(str(app)))
    try:
        if not place.exists():
            _remove_orphans(place.parent)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        (place / _OF).write_bytes(os.fsencode(top))
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            copy = place / top.name if top.name else place / "top"
            _fill(copy, app, environ, commit)
            found = copy / app.relative_to(top)
            _link_ignored(copy, top, app, environ, own)
            yield found
    except OSError as error:  # shutil's, too
        raise NoSnapshot(f"{error.filename or place}: {error.strerror or error}") from None


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without the directories of builds that the copy would share."""
    return {k: v for k, v in environ.items() if k not in _BUILDS or not Path(v).is_absolute()}


def _remove_orphans(places: Path) -> None:
    """Remove the copies whose work trees are gone."""
    for note in places.glob(f"*/{_OF}"):
        if not os.path.lexists(os.fsdecode(note.read_bytes())):
            shutil.rmtree(note.parent, ignore_errors=True)


def _fill(copy: Path, app: Path, environ: Mapping[str, str], commit: str) -> None:
    copy.mkdir(exist_ok=True)
    git_dir = repository.git_dir(str(app))
    kept = repository.environment(environ, str(app))
    staged = Path(kept.get("GIT_INDEX_FILE") or Path(git_dir, "index"))
    variables = {**kept, "GIT_DIR": git_dir, "GIT_WORK_TREE": str(copy)}

    def git(index: Path, *words: str) -> str:
        return _git(copy, {**variables, "GIT_INDEX_FILE": str(index)}, *words)

    tree = commit
    if not tree:
        # write-tree writes into the index that it reads; the commit's own stays as it is.
        scratch = copy.parent / "staged"
        with suppress(FileNotFoundError):  # an unborn branch with nothing staged
            shutil.copyfile(staged, scratch)
        tree = git(scratch, "write-tree")
    index = copy.parent / "index"
    (copy.parent / "index.lock").unlink(missing_ok=True)  # of a run that was killed; we hold ours
    git(index, "read-tree", "--reset", "-u", tree)
    git(index, "checkout-index", "--quiet", "--force", "--index", "--all")
    # What the checks of an earlier commit left behind, except for what git ignores.
    git(index, "clean", "--quiet", "--force", "-d")


def _git(where: Path, environ: Mapping[str, str], *words: str) -> str:
    ended = subprocess.run(
        (*_GIT, *words),
        cwd=where,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        said = gitlocal.complaint(ended.stderr.decode("utf-8", "replace"))
        raise NoSnapshot(f"git {words[0]}: {said}")
    return os.fsdecode(ended.stdout).strip()


def _link_ignored(
    copy: Path, top: Path, app: Path, environ: Mapping[str, str], own: Iterable[str]
) -> None:
    """Give the copy what git ignores in the work tree; builds and `own` once, as copies."""
    words = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    listed = _git(top, repository.environment(environ, str(app)), *words)
    writable = {str(app.relative_to(top) / path) for path in own}
    for entry in listed.split("\0"):
        path = entry.rstrip("/")
        source, target = top / path, copy / path
        if not path or target.name == "erl_crash.dump":
            continue
        copied = target.name == "_build" or any(f"{w}/".startswith(f"{path}/") for w in writable)
        if os.path.lexists(target):
            # A link to what is gone, or a copy of an earlier run, which is its own by now.
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if copied and source.is_dir():
            half = copy.parent / "half"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(source, half, symlinks=True)
            half.rename(target)
        elif not copied:
            target.symlink_to(source)
