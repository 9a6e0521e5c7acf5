"""`make bench-startup`: what the commands import before they do anything, and how long that takes.

Each command takes turns with a Python that imports only what it cannot do without (Invoke, Fabric);
numbers are medians with their lowest and highest value. Then each is run once more under
`-X importtime`: how many modules, and which cost the most by themselves. Needs mix for the check
that reuses everything. Writes benchmarks/results.json and startup.md. Half a minute.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.checks.ground import INV, ROOT, place
from benchmarks.checks.runs import Side, measures, take_turns

_FAB = str(Path(sys.executable).with_name("fab"))
_LINE = re.compile(r"import time:\s+(?P<own>\d+) \|\s+\d+ \|\s+(?P<module>\S+)")
_SHOWN = 4


@dataclass(frozen=True)
class Imports:
    """What one run imported: how many modules, and the dearest by their own milliseconds."""

    modules: int
    dearest: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        """Return the dearest for people."""
        return ", ".join(f"{module} {own:.1f} ms" for module, own in self.dearest)


def imports(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Imports:
    """Run once and return what was imported; programs that it starts are not counted."""
    script = argv[1:] if argv[0] == sys.executable else argv
    words = [sys.executable, "-X", "importtime", *script]
    ended = subprocess.run(
        words, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if ended.returncode:
        sys.exit(f"{words} exited {ended.returncode}:\n{ended.stdout}{ended.stderr[-2000:]}")
    own = {m["module"]: int(m["own"]) / 1000 for m in _LINE.finditer(ended.stderr)}
    dearest = sorted(own.items(), key=lambda pair: -pair[1])[:_SHOWN]
    return Imports(len(own), tuple(dearest))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="qusto-bench-") as name:
        app, env = place(Path(name))
        python = sys.executable
        checking = (*INV, "check", "--app", str(app))
        sides = {
            "python -c pass": Side((python, "-c", "pass")),
            "python -c 'import invoke'": Side((python, "-c", "import invoke")),
            "inv --list": Side((*INV, "--list"), "check.compile"),
            "inv check, all reused": Side(checking, "reused"),
            "python -c 'import fabric.main'": Side((python, "-c", "import fabric.main")),
            "fab --list": Side((_FAB, "--list"), "deploy"),
            "fab deploy --help": Side((_FAB, "--help", "deploy"), "--artifact"),
        }
        take_turns({"": Side(checking, "passed")}, 0, app, env)
        found = measures(take_turns(sides, rounds, ROOT, env))
        profiles = {name: imports(side.argv, ROOT, env) for name, side in sides.items()}
    table = [["", "seconds", "modules", "the dearest, by themselves"]]
    for name, numbers in found.items():
        profile = profiles[name]
        table.append(
            [name, numbers["seconds"].shown("{:.3f}".format), str(profile.modules), str(profile)]
        )
    results.show(f"load {load:.1f} before the start, medians of {rounds}", table)

    def wall(name: str) -> float:
        return found[name]["seconds"].median

    values = {
        "list_vs_import": wall("inv --list") / wall("python -c 'import invoke'"),
        "fab_list_vs_import": wall("fab --list") / wall("python -c 'import fabric.main'"),
        "reused_seconds": wall("inv check, all reused"),
    }
    results.record("startup", values, table)
    results.chart("startup", "Seconds to start", {"": {name: wall(name) for name in found}})


if __name__ == "__main__":
    main()
