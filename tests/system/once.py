"""Directories that are built once, whole or not at all, by whoever comes first."""

import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; the kernel frees it if we die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def built_once(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, made by `build(directory)` unless an earlier call made it.

    Several processes may ask at once: one builds, the others wait. `build` works in a
    directory beside the target that gets its name only when `build` has returned, so an
    interrupted build is never taken for the real thing.
    """
    with locked(target.with_name(f"{target.name}.lock")):
        if target.is_dir():
            return target
        for abandoned in target.parent.glob(f"{target.name}.building-*"):
            shutil.rmtree(abandoned)
        directory = Path(tempfile.mkdtemp(prefix=f"{target.name}.building-", dir=target.parent))
        try:
            build(directory)
        except BaseException:
            shutil.rmtree(directory)
            raise
        directory.rename(target)
    return target
