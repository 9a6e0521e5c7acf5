"""The Debian tree that every test host starts from: made once, cached, never written again."""

import functools
import hashlib
import os
import platform
import subprocess
from pathlib import Path

from tests.system.once import built_once

# What a Debian server has, and what a release built on this machine needs of it: the BEAM is
# linked against libtinfo, libstdc++ and zlib; openssh-server brings libcrypto, which OTP's
# crypto loads. libpam-systemd gives every login a session of its own, as on a real server.
PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "libpam-systemd",
    "openssh-server",
    "sudo",
    "rsync",
    "curl",
    "ca-certificates",
    "iproute2",
    "procps",
    "util-linux",
    "libncurses6",
    "libtinfo6",
    "libstdc++6",
    "zlib1g",
    "tcsh",  # a login shell that is no relative of sh
)
RECIPE = "1"  # raise it when `_build` changes, so that older trees are not taken


def rootfs() -> Path:
    """Return the tree, built by debootstrap (about 45 s) unless the cache holds it.

    Lies in $XDG_CACHE_HOME/qusto-pipeline (default ~/.cache), outside the checkout, under a
    name derived from the suite and the packages. Raises RuntimeError with debootstrap's own
    words when it fails.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qusto-pipeline"
    key = hashlib.sha256(" ".join((RECIPE, _suite(), *PACKAGES)).encode()).hexdigest()[:12]
    return built_once(cache / f"rootfs-{_suite()}-{key}", _build)


def unavailable_reason() -> str | None:
    """Return why no tree can be built here, or None."""
    if not Path(f"/usr/share/debootstrap/scripts/{_suite()}").exists():
        return f"debootstrap knows no suite {_suite()!r}; they need Debian"
    if not _mirror():
        return f"apt is configured with no source for the suite {_suite()!r}"
    return None


@functools.cache
def _suite() -> str:
    # A release built here runs only where libc is at least as new: so the hosts are like us.
    return platform.freedesktop_os_release().get("VERSION_CODENAME", "")


@functools.cache
def _mirror() -> str:
    """Return the address of the Debian archive that apt uses on this machine, or ''."""
    fields = "$(RELEASE) $(COMPONENT) $(REPO_URI)"
    argv = ["apt-get", "indextargets", "--format", fields, "Created-By: Packages"]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False)
    for line in ended.stdout.splitlines():
        suite, component, address = line.split(maxsplit=2)
        if (suite, component) == (_suite(), "main"):
            return address
    return ""


def _build(directory: Path) -> None:
    argv = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    ended = subprocess.run(
        [*argv, _suite(), str(directory), _mirror()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if ended.returncode:
        last = "\n".join(ended.stdout.splitlines()[-15:])
        raise RuntimeError(f"debootstrap exited {ended.returncode}:\n{last}")
    directory.chmod(0o755)  # mkdtemp gave 700, and it becomes the hosts' /
    # Identities belong to a host, not to the tree.
    for identity in (directory / "etc/ssh").glob("ssh_host_*"):
        identity.unlink()
    for package in (directory / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
