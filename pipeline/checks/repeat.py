"""The line that repeats a check by hand, in any shell and any directory."""

import shlex
from pathlib import Path

from pipeline.checks.check import Check
from pipeline.checks.generated import TYPES


def line(check: Check, app: Path) -> str:
    """Return `cd DIR && VARIABLE=… program …`, quoted for a POSIX shell.

    It is in a subshell, so the shell it is pasted into stays where it is.
    """
    words = [
        *(f"{name}={shlex.quote(value)}" for name, value in check.extra_environment.items()),
        shlex.join(check.argv),
    ]
    command = " ".join(words)
    if check.name == "types":
        # The check compares with what a generator in a shadow wrote; by hand, git compares.
        command += f" && git diff --exit-code -- {shlex.quote(f'{check.package}/{TYPES}')}"
    return f"(cd {shlex.quote(str(app))} && {command})"
