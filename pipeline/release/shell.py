"""The scripts that run on servers: files of scripts/, with their variables set in front.

Pure: values are quoted here and nowhere else, so no script holds a value in its text.
"""

import shlex
from collections.abc import Mapping
from importlib.resources import files

SHEBANG = "#!/bin/sh\n"


def render(*names: str, **variables: str | int | float) -> str:
    """Return the POSIX sh text of the scripts `names`, in order, after their variables."""
    return assignments(variables) + "".join(body(name) for name in names)


def body(name: str) -> str:
    """Return scripts/NAME.sh as it is."""
    return (files(__package__) / "scripts" / f"{name}.sh").read_text("utf-8")


def assignments(variables: Mapping[str, str | int | float]) -> str:
    """Return one `NAME=value` line per variable, the value quoted for sh."""
    return "".join(f"{name}={shlex.quote(_text(value))}\n" for name, value in variables.items())


def _text(value: str | int | float) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
