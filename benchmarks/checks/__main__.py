"""`make bench-check`: the checks and the commit hook beside their peers, in every state.

Sides take turns within one run, one that did not really do its work ends the run, and each number
is a median with its lowest and highest value. Memory and BEAM starts come from one more run of
each. Prints a table and writes benchmarks/results.json, checks.md and checks.svg. Needs mix, node
and the npm packages of examples/qusto; prek is installed from PyPI. Eight minutes on two cores.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.checks import ground, memory, peers
from benchmarks.checks.ground import INV, Changes
from benchmarks.checks.runs import Numbers, Side, Weight, measures, run, take_turns, weigh
from benchmarks.results import Spread

_SLOW_STATES = ("cold", "one file changed")
"""Those of which fewer rounds must do."""

_AFTER, _BARE = "git commit after a green check", "git commit, hook only starts Python"
_FORMAT = "mix format --check-formatted"


@dataclass(frozen=True)
class Promise:
    """A measured value beside a peer's, of which it must not exceed `factor` times."""

    key: str
    name: str
    value: float
    peer: float
    factor: float = 1.0
    unit: str = "s"

    @property
    def limit(self) -> float:
        """What the value must not exceed."""
        return self.factor * self.peer

    @property
    def kept(self) -> bool:
        """Whether it holds."""
        return self.value <= self.limit


def states(
    sides: Mapping[tuple[str, str], Side], rounds: int, app: Path, env: Mapping[str, str]
) -> tuple[dict[str, dict[str, Spread]], dict[str, Weight]]:
    """Measure all sides of each state, state after state."""
    found: dict[str, dict[str, Spread]] = {}
    weights = {}
    for state in dict.fromkeys(state for state, _ in sides):
        of_state = {f"{state}: {name}": side for (at, name), side in sides.items() if at == state}
        turns = max(rounds // 2, 1) if state in _SLOW_STATES else rounds
        found |= measures(take_turns(of_state, turns, app, env))
        for name, side in of_state.items():
            weights[name] = weigh(side, app, env)
    return found, weights


def reused(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Spread]]:
    """A check that has nothing left to run, beside the quickest mix check."""
    run((*INV, "check", "--app", str(app)), app, env)
    sides = {
        "inv check, all reused": Side((*INV, "check", "--app", str(app)), "reused"),
        _FORMAT: Side(("env", "MIX_ENV=test", *_FORMAT.split())),
    }
    return measures(take_turns(sides, 2 * rounds, app, env))


def committing(
    app: Path, env: Mapping[str, str], rounds: int, changes: Changes
) -> dict[str, dict[str, Spread]]:
    """`git commit` right after a green check, beside one whose hook only starts Python."""
    bare = app.parent / "bare"
    bare.mkdir()
    (bare / "pre-commit").write_text(f"#!/bin/sh\nexec {sys.executable} -c pass\n")
    (bare / "pre-commit").chmod(0o755)

    def edit_and_check() -> None:
        changes.one_file_staged()
        run((*INV, "check", "--hook", "--app", str(app)), app, env)

    commit = ("commit", "-q", "-m", "benchmark")
    sides = {
        _AFTER: Side(("git", *commit), "reused", edit_and_check),
        _BARE: Side(("git", "-c", f"core.hooksPath={bare}", *commit), "", changes.one_file_staged),
    }
    return measures(take_turns(sides, rounds, app, env))


def promises(found: Numbers, mb: Mapping[str, float]) -> list[Promise]:
    """Return what the project promises, with what was measured; a peer's median is a limit."""

    def wall(name: str) -> float:
        return found[name]["seconds"].median

    ours, shell = "warm: inv check", "warm: a parallel shell (xargs -P)"
    # The CPU time of the shell's run: what the rows themselves need, without any of ours.
    needed = found[shell]["cpu"].median / peers.CORES
    bound = max(wall("warm: the longest row alone"), needed)
    hook, document = "one file staged: our hook", "one file staged: the document's hook"
    kept = [
        Promise("warm_vs_bound", "inv check --all: 1.25 x the bound", wall(ours), bound, 1.25),
        Promise("warm_vs_shell", "inv check --all: the plain shell", wall(ours), wall(shell)),
        Promise("hook_vs_document", "our hook: the document's", wall(hook), wall(document)),
        Promise(
            "reused_vs_mix_format",
            "all reused: mix format",
            wall("inv check, all reused"),
            wall(_FORMAT),
        ),
        Promise("commit_ratio", "git commit: 2 x the bare hook", wall(_AFTER), wall(_BARE), 2),
    ]
    limits = [Promise("", f"memory, {name}", value, 80, 1, "MB") for name, value in mb.items()]
    return [*kept, *limits]


def main() -> None:
    """Measure, print, write; exit 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    ground.require()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="qusto-bench-") as name:
        app, env = ground.place(Path(name))
        changes = Changes(app, env)
        sides = peers.whole(app, env, peers.rows(app, env), changes) | peers.hooks(
            app, env, changes
        )
        found, weights = states(sides, rounds, app, env)
        found |= reused(app, env, rounds)
        found |= committing(app, env, rounds, changes)
        mb = {name: memory.runner(app, env, script) for name, script in memory.PRINTING.items()}
    given = promises(found, mb)
    table = [["", "seconds", "CPU seconds", "peak memory", "BEAM starts"]]
    for name, numbers in found.items():
        weight = weights.get(name)
        heavy = [f"{weight.megabytes:.0f} MB", str(weight.beams)] if weight else ["", ""]
        table.append(
            [
                name,
                numbers["seconds"].shown("{:.3f}".format),
                f"{numbers['cpu'].median:.2f}",
                *heavy,
            ]
        )
    results.show(f"load {load:.1f} before the start, medians of {rounds}", table)
    for one in given:
        state = "kept  " if one.kept else "MISSED"
        print(f"{state} {one.name:<45} {one.value:8.3f} of {one.limit:8.3f} {one.unit}")
    values = {one.key: one.value / one.peer for one in given if one.key}
    values["runner_mb"] = max(mb.values())
    results.record("checks", values, table)
    results.chart("checks", "Seconds", _series(found))
    sys.exit(0 if all(one.kept for one in given) else 1)


def _series(found: Numbers) -> dict[str, dict[str, float]]:
    """Return the bars of the chart: a colour for each state of the whole table."""
    names = ("inv check", "a parallel shell (xargs -P)", "prek")
    return {
        state: {name: found[f"{state}: {name}"]["seconds"].median for name in names}
        for state in peers.STATES
    }


if __name__ == "__main__":
    main()
