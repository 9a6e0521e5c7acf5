"""The state of units, shared by the stand-ins of one sandbox: one JSON file and one lock a unit.

The lock of a unit is held by its supervisor for as long as that lives. So the kernel answers
whether a unit runs, also after a SIGKILL, and a second start of it fails at once.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.sandbox.standins import unitfile

_MARKERS = "QUSTO_CHILD_"
"""How the variables begin by which all of a run's processes are found; see descendants.py."""

ROOT = os.environ["QUSTO_SANDBOX"]
"""The directory of the sandbox; the host's file system is `host` in it."""

HOST = f"{ROOT}/host"
_FILES = f"{HOST}/etc/systemd/system"
_STATES = f"{ROOT}/state"
_BLANK: dict[str, Any] = {
    "ActiveState": "inactive",
    "SubState": "dead",
    "Result": "success",
    "MainPID": 0,
    "ExecMainStatus": 0,
    "NRestarts": 0,
    "InvocationID": "",
    "ActiveEnterTimestamp": "",
    "UnitFileState": "disabled",
    "supervisor": 0,
    "starts": [],
}


def bare(unit: str) -> str:
    """Return the unit's name without `.service`."""
    return unit.removesuffix(".service")


def path(unit: str) -> str:
    """Return where the unit's file lies, if there is one."""
    return f"{_FILES}/{bare(unit)}.service"


def load(unit: str) -> unitfile.Assignments | None:
    """Return what the unit's file says, None for a unit without one."""
    try:
        with open(path(unit), encoding="utf-8") as file:
            return unitfile.parse(file.read())
    except FileNotFoundError:
        return None


def read(unit: str) -> dict[str, Any]:
    """Return the state of the unit; a unit that never ran has a blank one."""
    try:
        with open(f"{_STATES}/{bare(unit)}.json", encoding="utf-8") as file:
            return {**_BLANK, **json.load(file)}
    except FileNotFoundError:
        return dict(_BLANK)


@contextmanager
def changing(unit: str) -> Iterator[dict[str, Any]]:
    """Yield the unit's state for changing; it is replaced whole, and by one at a time."""
    with open(f"{_STATES}/{bare(unit)}.writing", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        values = read(unit)
        yield values
        new = f"{_STATES}/{bare(unit)}.new"
        with open(new, "w", encoding="utf-8") as file:
            json.dump(values, file)
        os.replace(new, f"{_STATES}/{bare(unit)}.json")


def change(unit: str, **values: Any) -> None:
    """Set some of the unit's state."""
    with changing(unit) as state:
        state.update(values)


def forget(unit: str) -> None:
    """Unload a transient unit, as `systemd-run --collect` does at its end."""
    with suppress(FileNotFoundError):
        os.unlink(f"{_STATES}/{bare(unit)}.json")


def hold(unit: str) -> int | None:
    """Return the unit's lock as a descriptor, None while its supervisor has it."""
    lock = os.open(f"{_STATES}/{bare(unit)}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def known(unit: str) -> bool:
    """Tell whether there is such a unit: by its file, or transient and running."""
    return os.path.exists(path(unit)) or bool(read(unit)["supervisor"])


def inherited() -> dict[str, str]:
    """Return what of our environment a unit may have: PATH, and what marks it as the sandbox's."""
    mine = ("PATH", "TMPDIR", "QUSTO_SANDBOX")
    return {k: v for k, v in os.environ.items() if k in mine or k.startswith(_MARKERS)}
