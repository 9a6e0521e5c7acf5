"""Temporary directories that do not outlive their run, even if that is killed.

Each holds a lock while its process lives. The next run removes those that nobody locks any more.
"""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_PREFIX = "qusto-run-"
_LOCK = "lock"
_YOUNG = 60.0
"""Seconds in which a directory may not have its lock yet."""


@contextmanager
def directory(kind: str) -> Iterator[Path]:
    """Yield an empty directory, mode 700, that is removed at the end. Raises OSError."""
    _sweep(Path(tempfile.gettempdir()))
    outer = Path(tempfile.mkdtemp(prefix=_PREFIX))
    try:
        with (outer / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            inner = outer / kind
            inner.mkdir(mode=0o700)
            yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)


@cache
def _sweep(place: Path) -> None:
    """Remove what killed runs of this user have left."""
    for left in place.glob(f"{_PREFIX}*"):
        # Somebody else may remove it at the same time.
        with suppress(OSError):
            found = left.lstat()
            if found.st_uid != os.getuid() or time.time() - found.st_mtime < _YOUNG:
                continue
            if not _is_held(left / _LOCK):
                shutil.rmtree(left, ignore_errors=True)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
