"""Waiting for what must come, without saying how long it may take."""

import time
from collections.abc import Callable
from pathlib import Path

_FAR = 20.0
"""Seconds after which a test gives up: far beyond what a slow machine needs."""


def until(happened: Callable[[], object]) -> None:
    limit = time.monotonic() + _FAR
    while not happened():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before, or while it was read
        return False
