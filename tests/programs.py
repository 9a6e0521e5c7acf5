"""The programs that tests need: `@pytest.mark.needs("busybox")` skips where one is missing.

In CI a missing program is a failure, unless apt itself has no such package. A name with a slash is
a directory of the checkout whose npm packages bootstrap/npm.sh installs.
"""

import functools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where users' PATH does not lead, but Debian has servers' programs."""
SHELLS = [
    pytest.param(words, id=words[0], marks=pytest.mark.needs(words[0]))
    for words in (("dash",), ("busybox", "sh"))
]
"""The shells that run the scripts for servers, as parameters of a test."""


def find(program: str) -> str | None:
    """Return the path of an installed program."""
    versions = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True)
    return shutil.which(program, path=os.pathsep.join([os.environ["PATH"], *ELSEWHERE, *versions]))


def program(name: str) -> str:
    """Return the path of a program that the running test cannot do without."""
    need(name)
    return find(name) or ""


def need(*names: str) -> None:
    """Skip the running test where one of these is missing; in CI, fail it."""
    for name in names:
        reason, excused = _missing(name)
        if reason and os.environ.get("CI") and not excused:
            pytest.fail(f"{reason}, but CI needs it", pytrace=False)
        if reason:
            pytest.skip(reason)


@functools.cache
def _missing(name: str) -> tuple[str, bool]:
    """Return why it cannot be used, "" if it can; and whether nobody could install it here."""
    if "/" in name:
        there = (ROOT / name / "node_modules/.package-lock.json").exists()
        return ("" if there else f"the npm packages of {name} are not installed"), False
    if find(name):
        return "", False
    package = _packages().get(name)
    if package is None:
        return f"{name} is not installed", False
    reason = f"{name} is not installed (Debian package {package})"
    # apt knows base-files, or it knows nothing: its lists are missing.
    if _apt_has("base-files") and not _apt_has(package):
        return f"{name} is not installed, and apt has no package {package}", True
    return reason, False


def _packages() -> dict[str, str]:
    """Return the Debian package of each command in bootstrap/debian.txt."""
    lines = (ROOT / "bootstrap/debian.txt").read_text("utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {command: package for package, command, *_ in rows}


def _apt_has(package: str) -> bool:
    if shutil.which("apt-cache") is None:
        return False
    argv = ["apt-cache", "madison", package]
    return bool(subprocess.run(argv, capture_output=True, check=False).stdout)
