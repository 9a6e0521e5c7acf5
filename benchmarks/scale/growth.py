"""The four things that grow: hosts, releases, check tables, history."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks import results
from benchmarks.results import Spread
from benchmarks.scale.ground import Ground, Measured, Pace, pace, timed
from tests.system.site import BASE

_CHECKS = """
import resource, sys, time
from pathlib import Path
from pipeline.checks.check import Check
from pipeline.checks.listeners import Nobody
from pipeline.checks.plan import Planned
from pipeline.checks.run import Pace, run
rows = [Planned(Check(f"row{n}", "", ("true",), ())) for n in range(int(sys.argv[1]))]
began = time.monotonic()
ran = run(Path.cwd(), rows, Nobody(), Pace(2, dict.fromkeys((r.check.name for r in rows), 1.0)), {})
seconds = time.monotonic() - began
assert len(ran.outcomes) == len(rows) and all(o.verdict == "passed" for o in ran.outcomes)
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def own_pace(ground: Ground) -> Pace:
    """Return what the sample app's BEAM takes on a host of its own: the middle of all rounds."""
    site = ground.site(1)
    timed([site], [ground.artifact()])
    every = [pace(site.hosts[0]) for _ in range(ground.rounds)]
    site.hosts[0].close()
    middle = ground.rounds // 2
    return Pace(
        *(sorted(getattr(one, name) for one in every)[middle] for name in ("boot", "stop", "proof"))
    )


def hosts(ground: Ground, counts: Sequence[int], own: Pace | None = None) -> dict[int, Measured]:
    """Return the seconds of one deploy by the number of hosts, of BEAMs or of what only waits."""
    found = {}
    for count in counts:
        site = ground.site(count)
        timed([site], [ground.artifact(own)])
        found[count] = timed([site], [ground.artifact(own) for _ in range(ground.rounds)])
        results.progress(f"{count} hosts: {found[count]}, {found[count].cpu:.1f} CPU s")
        for host in site.hosts:
            host.close()
    return found


def sizes(
    ground: Ground, wanted: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], tuple[Measured, Measured]]:
    """Return a first and an unchanged deploy by megabytes and files."""
    found = {}
    for megabytes, files in wanted:
        packed = ground.padded(megabytes, files)
        site = ground.site(1)
        first = timed([site], [packed])
        again = timed([site], [packed] * ground.rounds)
        found[megabytes, files] = first, again
        results.progress(f"{megabytes} MB, {files} files: first {first}, again {again}")
        site.hosts[0].close()
        packed.unlink()
    return found


def checks(rounds: int, wanted: Sequence[int]) -> dict[int, tuple[Measured, float]]:
    """Return the seconds for tables of that many rows that do nothing, and peak memory in MB."""
    found = {}
    for rows in wanted:
        lines = [
            subprocess.run(
                [sys.executable, "-c", _CHECKS, str(rows)],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.split()
            for _ in range(rounds)
        ]
        seconds = Measured(Spread.of([float(line[0]) for line in lines]))
        found[rows] = (seconds, max(float(line[1]) for line in lines))
        results.progress(f"{rows} rows: {seconds}, {found[rows][1]:.0f} MB")
    return found


def history(ground: Ground, deploys: int) -> dict[str, list[Measured]]:
    """Return the seconds of commands with an empty history and with one of `deploys` deploys."""
    site = ground.site(1)
    host = site.hosts[0]
    site.deploy(ground.artifact())
    found: dict[str, list[Measured]] = {"history": [], "releases": [], "status": [], "deploy": []}
    for full in (False, True):
        if full:
            last = host.run(f"tail -n 1 {BASE}/.deploy/history.jsonl").stdout
            entry = json.loads(last)
            lines = "".join(
                json.dumps(
                    {**entry, "id": f"{number}", "to": f"2025{number % 12 + 1:02}01_{number:06}"}
                )
                + "\n"
                for number in range(deploys)
            )
            own = host.run(f"cat {BASE}/.deploy/history.jsonl").stdout
            host.write(f"{BASE}/.deploy/history.jsonl", lines + own)
            host.run(f"chown deploy:deploy {BASE}/.deploy/history.jsonl")
        for command in ("history", "releases", "status"):
            seconds = []
            for _ in range(ground.rounds):
                began = time.monotonic()
                site.done(command)
                seconds.append(time.monotonic() - began)
            found[command].append(Measured(Spread.of(seconds)))
        found["deploy"].append(timed([site], [ground.artifact() for _ in range(ground.rounds)]))
        results.progress(", ".join(f"{name}: {values[-1]}" for name, values in found.items()))
    host.close()
    return found
