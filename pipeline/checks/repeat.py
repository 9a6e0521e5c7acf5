"""The line that repeats a check by hand, in any shell and any directory."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from pipeline.checks.check import Check
from pipeline.checks.generated import TYPES
from pipeline.settings import PROJECT


def inv(task: str, app: Path, *, named: bool) -> str:
    """Return the call of a task; if the application was `named`, one for any directory."""
    if not named:
        return f"inv {task}"
    own, found = Path(sys.executable).with_name("inv"), shutil.which("inv")
    program = "inv" if found and os.path.realpath(found) == os.path.realpath(own) else str(own)
    start = shlex.join([program, "-r", str(PROJECT)])
    return f"{start} {task} --app {shlex.quote(str(app))}"


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
