"""What a small program says, where having no answer is an answer too."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline import gitlocal

_SECONDS = 30


def answer(
    environ: Mapping[str, str], *argv: str, seconds: float = _SECONDS, cwd: Path | None = None
) -> str:
    """Return what the program prints; empty if it is not there, fails or takes too long.

    It runs without git's local variables and without an input.
    """
    try:
        ended = subprocess.run(
            argv,
            cwd=cwd,
            env=gitlocal.without(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ended.stdout.strip() if ended.returncode == 0 else ""
