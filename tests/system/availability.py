"""Whether this machine can boot real hosts, and if not, why."""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.system import cgroups, rootfs

# command -> the Debian package that brings it (bootstrap/debian.txt lists them too)
COMMANDS = {
    "systemd-nspawn": "systemd-container",
    "debootstrap": "debootstrap",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "mount": "mount",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
}


@functools.cache
def unavailable_reason() -> str | None:
    """Return why real hosts cannot be booted here, in one line; None when they can.

    Tries what cannot be asked for: mounting an overlay and making a bridge.
    """
    if sys.platform != "linux":
        return f"they need Linux, and this is {sys.platform}"
    if os.geteuid() != 0:
        return f"they need root, and this is user {os.geteuid()}; `sudo make test` runs them"
    missing = {package for name, package in COMMANDS.items() if shutil.which(name) is None}
    if missing:
        return f"not installed: {' '.join(sorted(missing))} (`make test` as root installs them)"
    if reason := rootfs.unavailable_reason():
        return reason
    if not cgroups.hierarchies():
        return "no writable cgroup hierarchy that systemd could use is mounted"
    return _mount_refused() or _bridge_refused()


def must_run(environ: Mapping[str, str]) -> bool:
    """Tell whether tests that cannot run are failures: in CI, or on request."""
    return bool(environ.get("CI")) or environ.get("QUSTO_REQUIRE_SYSTEM") == "1"


def _mount_refused() -> str | None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        for part in ("lower", "up", "work", "root"):
            (Path(name) / part).mkdir()
        options = f"lowerdir={name}/lower,upperdir={name}/up,workdir={name}/work"
        ended = _run("mount", "-t", "overlay", "overlay", "-o", options, f"{name}/root")
        if ended.returncode:
            return f"an overlay cannot be mounted in /var/tmp: {_last_line(ended)}"
        _run("umount", f"{name}/root")
    return None


def _bridge_refused() -> str | None:
    name = f"qtry{os.getpid()}"[:15]
    ended = _run("ip", "link", "add", name, "type", "bridge")
    if ended.returncode:
        return f"a network bridge cannot be made: {_last_line(ended)}"
    _run("ip", "link", "del", name)
    return None


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _last_line(ended: subprocess.CompletedProcess[str]) -> str:
    return ended.stderr.strip().splitlines()[-1] if ended.stderr.strip() else "no reason given"
