"""Running the sides of a comparison in turn, and what one run takes."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.results import Spread

_SAMPLED = 0.03
"""Seconds between two looks at the memory of a run."""


@dataclass(frozen=True)
class Ended:
    """One run: wall and CPU seconds (with all descendants that were waited for), and its text."""

    seconds: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what to run and what its output must hold to have been work."""

    argv: tuple[str, ...]
    proof: str = ""
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Weight:
    """What a run takes besides time: megabytes of all its processes together, and BEAM starts."""

    megabytes: float
    beams: int


Numbers = Mapping[str, Mapping[str, Spread]]


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], proof: str = "") -> Ended:
    """Run to the end; SystemExit if it fails or its output lacks `proof`."""
    with tempfile.TemporaryFile() as text:
        began = time.monotonic()
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=text, stderr=text
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        text.seek(0)
        output = text.read().decode("utf-8", "replace")
    if child.returncode or proof not in output:
        sys.exit(f"{argv} exited {child.returncode}, expected {proof!r} in:\n{output[-3000:]}")
    return Ended(seconds, usage.ru_utime + usage.ru_stime, output)


def take_turns(
    sides: Mapping[str, Side], rounds: int, cwd: Path, env: Mapping[str, str]
) -> dict[str, list[Ended]]:
    """Run all sides once to warm them up, then `rounds` times in turn."""
    found: dict[str, list[Ended]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            side.before()
            ended = run(side.argv, cwd, env, side.proof)
            if number:
                found[name].append(ended)
                results.progress(f"{name}: {ended.seconds:.2f} s")
    return found


def measures(runs: Mapping[str, Sequence[Ended]]) -> dict[str, dict[str, Spread]]:
    """Summarise wall and CPU seconds of each side."""
    return {
        name: {
            "seconds": Spread.of([one.seconds for one in ended]),
            "cpu": Spread.of([one.cpu for one in ended]),
        }
        for name, ended in runs.items()
    }


def weigh(side: Side, cwd: Path, env: Mapping[str, str]) -> Weight:
    """Run once more, looking at the memory all the time, which is not done while time is taken."""
    side.before()
    starts = Path(env["BEAM_STARTS"])
    starts.write_text("")
    over = threading.Event()
    peak = [0.0]
    watcher = threading.Thread(target=_watch_memory, args=(peak, over))
    watcher.start()
    try:
        run(side.argv, cwd, env, side.proof)
    finally:
        over.set()
        watcher.join()
    return Weight(peak[0], len(starts.read_text().splitlines()))


def _watch_memory(peak: list[float], over: threading.Event) -> None:
    page = os.sysconf("SC_PAGE_SIZE") / 1e6
    while not over.wait(_SAMPLED):
        pages = sum(_resident(pid) for pid in _descendants(os.getpid()))
        peak[0] = max(peak[0], pages * page)


def _descendants(root: int) -> set[int]:
    """Return the processes below `root` (proc(5))."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(path.parent.name)] = int(words[1])
    found: set[int] = set()
    more = {root}
    while more:
        more = {pid for pid, parent in parents.items() if parent in more} - found
        found |= more
    return found


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0  # it ended meanwhile
