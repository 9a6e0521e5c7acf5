"""The sides: ours, a plain parallel shell, prek, and the document's hook script.

All run the same commands; as a hook the peers run the document's two lines (format, test), while
ours has the code compiled with warnings as errors, too. Each peer is given what makes it fast: the
shell one job a core, prek one priority for all its hooks, so that it runs them at once
(https://prek.j178.dev).
"""

import json
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.checks import ground
from benchmarks.checks.ground import INV, Changes
from benchmarks.checks.runs import Side, run

CORES = len(os.sched_getaffinity(0))
STATES = ("cold", "warm", "one file changed", "nothing changed")
HOOK_STATES = ("cold", "one file staged", "nothing changed")

# The document's third line, mix credo --strict, needs Hex and is left out of all.
_DOCUMENT = ("env MIX_ENV=test mix format --check-formatted", "mix test")


@dataclass(frozen=True)
class Rows:
    """The rows that run here: their commands, and that of the one that takes the longest."""

    commands: tuple[str, ...]
    longest: str

    @property
    def proof(self) -> str:
        """What `inv check` says when all of them have passed anew."""
        return f"{len(self.commands)} passed"


def rows(app: Path, env: Mapping[str, str]) -> Rows:
    """Run the whole table once; return what ran."""
    words = (*INV, "check", "--all", "--app", str(app), "--format", "json")
    first: dict[str, Any] = json.loads(run(words, app, env).output)
    ran = [check for check in first["checks"] if check["verdict"] == "passed"]
    if len(ran) < 10:
        sys.exit(f"only {len(ran)} checks ran: are mix, node and node_modules there?")
    longest = max(ran, key=lambda check: float(check["seconds"]))
    return Rows(tuple(check["command"] for check in ran), longest["command"])


def whole(
    app: Path, env: Mapping[str, str], found: Rows, changes: Changes
) -> dict[tuple[str, str], Side]:
    """Return the sides that check everything, by state and name."""
    commands = app.parent / "commands"
    commands.write_text("".join(f"{command}\n" for command in found.commands))
    plain = f"xargs -d '\\n' -n1 -P{CORES} sh -c <{commands}"
    config = _prek_config(app.parent / "all.yaml", found.commands)
    by_prek = f"{ground.prek()} run --all-files --config {config}"
    # What is not compiled yet would be compiled by several at once.
    first = "MIX_ENV=test mix compile"
    checking = (*INV, "check", "--app", str(app))
    anew = (*INV, "check", "--all", "--app", str(app))
    shell, prek = "a parallel shell (xargs -P)", "prek"
    sides: dict[tuple[str, str], Side] = {}
    for state, prepare in (
        ("cold", changes.no_build),
        ("warm", _nothing),
        ("one file changed", changes.one_file),
        ("nothing changed", _green(app, env)),
    ):
        before = f"{first} && " if state == "cold" else ""
        ours, proof = {
            "cold": (anew, found.proof),
            "warm": (anew, found.proof),
            "one file changed": (checking, "reused"),
            "nothing changed": (checking, "reused"),
        }[state]
        sides[state, "inv check"] = Side(ours, proof, prepare)
        sides[state, shell] = Side(("sh", "-c", f"{before}{plain}"), " 0 failures", prepare)
        sides[state, prek] = Side(("sh", "-c", f"{before}{by_prek}"), "Passed", prepare)
    sides["warm", "the longest row alone"] = Side(("sh", "-c", found.longest))
    return sides


def hooks(app: Path, env: Mapping[str, str], changes: Changes) -> dict[tuple[str, str], Side]:
    """Return the commit hooks, by state and name."""
    run((*INV, "hooks.install", "--app", str(app)), app, env)
    config = _prek_config(app.parent / "hook.yaml", _DOCUMENT)
    by_prek = (ground.prek(), "run", "--all-files", "--config", str(config))
    document = ("sh", "-c", " && ".join(_DOCUMENT))
    sides: dict[tuple[str, str], Side] = {}
    for state, prepare, proof in (
        ("cold", changes.no_build_staged, "passed"),
        ("one file staged", changes.one_file_staged, "3 passed"),
        ("nothing changed", _green(app, env, "--hook"), "reused"),
    ):
        sides[state, "our hook"] = Side((str(app / ".git/hooks/pre-commit"),), proof, prepare)
        sides[state, "the document's hook"] = Side(document, " 0 failures", prepare)
        sides[state, "prek as hook"] = Side(by_prek, "Passed", prepare)
    return sides


def _nothing() -> None:
    pass


def _green(app: Path, env: Mapping[str, str], *options: str) -> Callable[[], None]:
    """Return what has everything checked once; the peers keep nothing of it."""

    def check() -> None:
        run((*INV, "check", *options, "--app", str(app)), app, env)

    return check


def _prek_config(path: Path, commands: Sequence[str]) -> Path:
    """Write prek's configuration: local hooks that run the commands, all at once."""
    # YAML takes JSON as it is.
    local = [
        {
            "id": f"row{number}",
            "name": command[:60],
            "entry": f"sh -c {shlex.quote(command)}",
            "language": "system",
            "pass_filenames": False,
            "always_run": True,
            "priority": 1,
        }
        for number, command in enumerate(commands)
    ]
    path.write_text(json.dumps({"repos": [{"repo": "local", "hooks": local}]}))
    return path
