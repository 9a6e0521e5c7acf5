"""`make bench-scale`: what grows with hosts, releases, checks and history, and how fast.

Hosts: one deploy of the same change to 1 to 50 real systemd hosts. They all share the cores of this
machine, so what their BEAMs compute cannot happen at the same time here, as it would on as many
machines. So there are two tables: with the sample app, and with a release that only waits for as
long as its BEAM was measured to take (waiting.pl); all else is real in both.
Sizes: a first and an unchanged deploy of 12 to 500 MB, and of 1,000 to 50,000 files. Checks: tables
of 10 to 1,000 rows that do nothing. History: commands on a host with 10,000 deploys behind it.

Needs root on Debian. Writes benchmarks/results.json, scale.md and scale.svg. Twelve minutes
on two cores with --rounds 3.
"""

import argparse
import os
import resource
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.scale import growth
from benchmarks.scale.ground import Ground, Measured, Pace, room_for
from tests.system import availability
from tests.system.keys import make_keys

BEAMS = (1, 2, 5, 10)
WAITING = (1, 2, 5, 10, 25, 50)
SIZES = ((12, 1_000), (100, 1_000), (500, 1_000), (100, 10_000), (100, 50_000))
ROWS = (10, 100, 1_000)
DEPLOYS = 10_000


@dataclass(frozen=True)
class Found:
    """Everything that was measured."""

    own: Pace
    beams: dict[int, Measured]
    waiting: dict[int, Measured]
    sizes: dict[tuple[int, int], tuple[Measured, Measured]]
    rows: dict[int, tuple[Measured, float]]
    history: dict[str, list[Measured]]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the small end of everything")
    arguments = parser.parse_args()
    if reason := availability.unavailable_reason():
        sys.exit(f"no real host can be booted here: {reason}")
    most = 2 if arguments.quick else None
    rounds = arguments.rounds
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="qusto-bench-") as name,
        room_for(max(WAITING)),
    ):
        directory = Path(name)
        ground = Ground(directory, make_keys(directory / "key"), rounds)
        try:
            own = growth.own_pace(ground)
            found = Found(
                own=own,
                rows=growth.checks(rounds, ROWS[:most]),
                beams=growth.hosts(ground, BEAMS[:most]),
                waiting=growth.hosts(ground, WAITING[:most], own),
                history=growth.history(ground, DEPLOYS),
                sizes=growth.sizes(ground, SIZES[:1] if most else SIZES),
            )
        finally:
            ground.lab.close()
    table = rows(found)
    results.show(f"load {load:.1f} before the start, medians of {rounds}", table)
    if not arguments.quick:
        results.record("scale", values(found), table)
        seconds = {f"{count} hosts": taken.median for count, taken in found.waiting.items()}
        results.chart("scale", "Seconds for one deploy to all", {"": seconds})


def rows(found: Found) -> list[list[str]]:
    """Return the table for people, its head first."""
    cores = len(os.sched_getaffinity(0))
    own = found.own
    waits = f"waits {own.stop:.2f}, {own.boot:.2f} and {own.proof:.2f} s"
    table = [["what", "how much", "seconds", "beside"]]
    for what, taken in (
        (f"deploy; BEAMs that share {cores} cores", found.beams),
        (f"deploy; what {waits} instead", found.waiting),
    ):
        table += [
            [what, f"{count} hosts", str(one), f"{_by_one(taken, count)}; {one.cpu:.1f} CPU s"]
            for count, one in taken.items()
        ]
    for (megabytes, files), (first, again) in found.sizes.items():
        how_much = f"{megabytes} MB in {files:,} files"
        table.append(["deploy", how_much, f"first {first.median:.1f} s", f"unchanged {again}"])
    for count, (one, memory) in found.rows.items():
        each = f"{one.median / count * 1000:.1f} ms a row, {memory:.0f} MB"
        table.append(["checks that do nothing", f"{count:,} rows", str(one), each])
    for command, (empty, full) in found.history.items():
        beside = f"{empty} with an empty history"
        table.append([f"fab {command}", f"{DEPLOYS:,} deploys before", str(full), beside])
    return table


def values(found: Found) -> dict[str, float]:
    """Return the numbers for results.json."""
    few, many = ROWS[0], ROWS[-1]

    def of_one(taken: dict[int, Measured], count: int) -> float:
        return taken[count].median / taken[1].median

    return {
        "hosts10_ratio": of_one(found.waiting, 10),
        "hosts50_ratio": of_one(found.waiting, 50),
        "hosts10_shared_cores_ratio": of_one(found.beams, 10),
        "hosts10_cpu_ratio": found.beams[10].cpu / found.beams[1].cpu,
        "rows_growth": found.rows[many][0].median / many / (found.rows[few][0].median / few),
        "history_deploy_ratio": found.history["deploy"][1].median
        / found.history["deploy"][0].median,
    }


def _by_one(taken: dict[int, Measured], count: int) -> str:
    return f"{taken[count].median / taken[1].median:.2f} times one"


if __name__ == "__main__":
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(16_384, limit), limit))
    main()
