"""Ending what a lab made, from nothing but its name on disk: also when its owner is dead.

A lab is one directory `BASE/<lab>`, a bridge `<lab>br`, and for each host a directory
`BASE/<lab>/h<n>` and a control group `<lab>h<n>`. Nothing else is ever touched.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.system import cgroups
from tests.system.once import locked

BASE = Path("/var/tmp/qusto-hosts")
RUN = Path("/run/systemd/nspawn")


def lock() -> AbstractContextManager[None]:
    """Hold what decides about names, addresses and leftovers, across all checkouts."""
    return locked(BASE / "lock")


def identity(pid: int) -> str:
    """Return what tells process `pid` from any other, also across a reboot; '' if none lives."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return "" if fields[0] in "ZX" else f"{pid} {fields[19]} {boot}"


def abandoned() -> Iterator[Path]:
    """Yield the directories of labs whose owner is no more. Hold `lock` meanwhile."""
    for lab in sorted(BASE.glob("q*")):
        owner = lab / "owner"
        text = owner.read_text() if owner.exists() else ""  # killed before it could write it
        if not text or identity(int(text.split()[0])) != text:
            yield lab


def end_lab(lab: Path) -> None:
    """End every host of `lab`, its bridge and its directory; fine when parts are gone."""
    for host in sorted(lab.glob("h*")):
        end_host(host)
    if Path(f"/sys/class/net/{lab.name}br").exists():
        subprocess.run(["ip", "link", "del", f"{lab.name}br"], check=True)
    _remove(lab)


def end_host(host: Path) -> None:
    """Kill every process of the host in directory `host`, unmount and remove its disk."""
    machine = f"{host.parent.name}{host.name}"
    cgroups.end(machine)
    _forget(machine, host / "root")
    _unmount_below(host)
    _remove(host)


def mounts_below(directory: Path) -> list[Path]:
    """Return the mount points in `directory`, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split()[4])
        if point.is_relative_to(directory):
            found.append(point)
    return sorted(found, key=lambda point: len(point.parts), reverse=True)


def _forget(machine: str, root: Path) -> None:
    """Remove what a killed systemd-nspawn leaves in /run: its lock and a directory."""
    if root.is_mount():
        disk = root.stat()
        lock_file = RUN / f"locks/inode-{disk.st_dev}:{disk.st_ino}"
        lock_file.unlink(missing_ok=True)
    if (RUN / "propagate" / machine).is_dir():
        (RUN / "propagate" / machine).rmdir()


def _unmount_below(directory: Path) -> None:
    limit = time.monotonic() + 10
    while points := mounts_below(directory):
        # Busy for a moment: the kernel drops a dead host's mounts after its processes.
        lazy = ["--lazy"] if time.monotonic() > limit else []
        for point in points:
            subprocess.run(["umount", *lazy, str(point)], stderr=subprocess.DEVNULL, check=False)
        if time.monotonic() > limit + 5:
            raise TimeoutError(f"{points[0]} would not unmount")
        time.sleep(0.01)


def _remove(directory: Path) -> None:
    if left := mounts_below(directory):
        raise OSError(os.strerror(16), f"{directory}: {left[0]} is still mounted")
    if directory.exists():
        shutil.rmtree(directory)
