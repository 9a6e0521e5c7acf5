"""`inv ci.lint`: what can be known about workflow files without GitHub.

The programs are those of this project's development set (make setup): GitHub's schema by
check-jsonschema, zizmor for what is unsafe, actionlint for what would not run.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageProblem

_BIN = Path(sys.executable).parent

_TOOLS = (
    ("check-jsonschema", ("--builtin-schema", "vendor.github-workflows")),
    # --offline: no audit may ask GitHub; without it zizmor does where a token is set.
    ("zizmor", ("--offline", "--no-progress", "--color", "never")),
    ("actionlint", ("-no-color",)),
)


@dataclass(frozen=True)
class Verdict:
    """What one program says of all files; `output` is for people."""

    tool: str
    clean: bool
    output: str


def lint(files: Sequence[Path]) -> list[Verdict]:
    """Ask each program about the files. Raises UsageProblem: no files, or a program is missing."""
    if not files:
        raise UsageProblem("there are no workflow files to look at")
    missing = [name for name, _ in _TOOLS if not (_BIN / name).exists()]
    if missing:
        raise UsageProblem(f"not installed in {_BIN}: {', '.join(missing)}", remedy="make setup")
    return [_ask(name, options, files) for name, options in _TOOLS]


def _ask(name: str, options: Sequence[str], files: Sequence[Path]) -> Verdict:
    ended = subprocess.run(
        [str(_BIN / name), *options, *map(str, files)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Verdict(name, ended.returncode == 0, ended.stdout.strip())
