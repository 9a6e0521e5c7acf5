"""A control group for each host: what keeps hosts apart, and how all of one is found again.

Without one, every systemd-nspawn with --keep-unit puts its system into the same `payload`
group: two hosts then share one `system.slice`, and each systemd waits for the other's
processes when it stops a service of the same name.
"""

import os
import signal
import time
from pathlib import Path


def hierarchies() -> list[Path]:
    """Return the mounted hierarchies in which a systemd keeps its units; empty if none.

    The unified one, and on machines with cgroup v1 the one named `systemd` as well.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "name=systemd" in options.split(",")):
            path = Path(before.split()[4])
            if os.access(path, os.W_OK):
                found.append(path)
    return found


def make(name: str) -> list[Path]:
    """Make the group `name` in every hierarchy; return the files to write a pid to, to enter."""
    groups = [hierarchy / name for hierarchy in hierarchies()]
    for group in groups:
        group.mkdir(exist_ok=True)
    return [group / "cgroup.procs" for group in groups]


def pids(name: str) -> set[int]:
    """Return the live processes of the group `name` and of all groups below it."""
    found: set[int] = set()
    for group in _groups(name):
        try:
            found.update(int(line) for line in (group / "cgroup.procs").read_text().split())
        except (FileNotFoundError, OSError):  # ENODEV: removed between the listing and the read
            continue
    return {pid for pid in found if pid and _state(pid) not in ("Z", "X", "")}


def end(name: str, patience: float = 20) -> None:
    """Kill all of the group `name` and remove it; fine when it is not there.

    Raises TimeoutError when something outlives `patience` seconds.
    """
    limit = time.monotonic() + patience
    while True:
        for pid in pids(name):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for group in reversed(_groups(name)):  # children before their parents
            try:
                group.rmdir()
            except OSError:  # still busy, or gone already: looked at again below
                continue
        if not _groups(name):
            return
        if time.monotonic() > limit:
            raise TimeoutError(f"processes {sorted(pids(name))} of {name} would not end")
        time.sleep(0.02)


def _groups(name: str) -> list[Path]:
    tops = [hierarchy / name for hierarchy in hierarchies()]
    return [Path(path) for top in tops for path, _, _ in os.walk(top)]


def _state(pid: int) -> str:
    """Return the letter of proc(5)'s state, '' when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return text.rpartition(")")[2].split()[0]
