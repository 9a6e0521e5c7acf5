"""What a check is: data only. The rows are in table.py."""

import math
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

from pipeline.checks import findings, readers
from pipeline.checks.findings import Finder
from pipeline.checks.readers import Facts, Reader
from pipeline.checks.verdicts import Judgement

Preflight: TypeAlias = Callable[[Path, Mapping[str, str]], Judgement | None]


class Group(StrEnum):
    """Where a check belongs: a plain `inv check`, the CI's, the commit hook's."""

    LOCAL = "local"
    CI = "ci"
    HOOK = "hook"


LOCAL_AND_CI = frozenset({Group.LOCAL, Group.CI})
EVERYWHERE = frozenset(Group)


def nothing_to_ask(_app: Path, _environ: Mapping[str, str]) -> None:
    """Return no verdict: the program itself will give one."""


@dataclass(frozen=True)
class Check:
    """One check. Paths and globs are relative to the application; `timeout` is in seconds.

    `inputs` are globs (globs.py): if no file of theirs changes, the verdict does not either.
    """

    name: str
    title: str
    argv: tuple[str, ...]
    inputs: tuple[str, ...]
    read: Reader = readers.by_exit_code
    find: Finder = findings.nothing
    """What its output complains about, and where; for annotations and reports."""
    facts: Callable[[Path, Mapping[str, str]], Facts] = readers.no_facts
    """What its reader must know beside the output; asked when the program has ended."""
    machine: tuple[str, ...] = ()
    """Words that make the tool print for machines; people who repeat it do without."""
    show: Callable[[str], str] = readers.as_printed
    """Makes that output readable."""
    preflight: Preflight = nothing_to_ask
    """Asked just before the start; a verdict from here stands, and nothing is run."""
    chosen_by: tuple[str, ...] = ()
    """Globs that make the hook choose it, where that is less than its inputs."""
    mix_env: str = ""
    groups: frozenset[Group] = LOCAL_AND_CI
    needs: tuple[str, ...] = ()
    """Rows that must have passed; otherwise this one is skipped."""
    after: tuple[str, ...] = ()
    """Rows that must have ended, whatever their verdict."""
    writes: tuple[str, ...] = ()
    """What it changes; two rows that write the same never run at once."""
    shares_beam: bool = False
    """Whether its mix task may run in a BEAM that another row has used (beams.py)."""
    package: str = ""
    """Directory of the npm package it belongs to."""
    hex_package: str = ""
    """Hex package that brings its mix task."""
    fix: tuple[str, ...] = ()
    """Command that puts right what this check complains about."""
    timeout: float = 300.0
    estimate: float = 3.0
    """Seconds it may take, for the order of starts until it has run here (durations.py)."""
    rules: str = ""
    """Settings that its verdict hangs on and its command does not show, for reuse to compare."""
    reuse_for: float = math.inf
    """Seconds for which a pass may stand for another run; 0 if the answer hangs on more than files:
    the network, another commit."""

    @property
    def extra_environment(self) -> dict[str, str]:
        """What its environment holds beside the caller's."""
        return {"MIX_ENV": self.mix_env} if self.mix_env else {}

    @property
    def command(self) -> str:
        """The command line for people, ready to be pasted in the application's directory."""
        pairs = [f"{key}={value}" for key, value in self.extra_environment.items()]
        return " ".join([*pairs, shlex.join(self.argv)])
