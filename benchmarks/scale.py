"""`make bench-scale`: what grows with hosts, releases, checks and history, and how fast.

Hosts: one deploy of the same change to 1, 2, 5 and 10 real systemd hosts. They all share the cores
of this machine, so what the hosts themselves compute (a BEAM booted twice, digests) cannot happen
at the same time here as it would on ten machines: the CPU seconds beside it tell how much that is.
Sizes: a first and an unchanged deploy of 12 to 500 MB, and of 1,000 to 50,000 files. Checks: tables
of 10 to 1,000 rows that do nothing. History: commands on a host with 10,000 deploys behind it.

Needs root on Debian. Writes benchmarks/results.json, scale.md and scale.svg. About fifteen minutes
on two cores with --rounds 3.
"""

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results
from benchmarks.deploy.releases import Release, Shop
from pipeline.release import artifact, build
from tests.system import availability
from tests.system.hosts import Host
from tests.system.keys import KeyPair, make_keys
from tests.system.lab import open_lab
from tests.system.site import BASE, Site, assert_serves

HOSTS = (1, 2, 5, 10)
SIZES = (12, 100, 500)
FILES = (1_000, 10_000, 50_000)
ROWS = (10, 100, 1_000)
DEPLOYS = 10_000

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


@dataclass(frozen=True)
class Measured:
    """Wall seconds of all rounds, and the CPU seconds of this whole machine in the middle one."""

    seconds: tuple[float, ...]
    cpu: float = 0.0

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return statistics.median(self.seconds)

    def __str__(self) -> str:
        """Return the median with its spread."""
        return f"{self.median:.2f} s ({min(self.seconds):.2f}…{max(self.seconds):.2f})"


def machine_cpu() -> float:
    """Return the CPU seconds that all processes of this machine have used since boot (proc(5))."""
    words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system = (int(word) for word in words[:3])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def timed(sites: Sequence[Site], artifacts: Sequence[Path]) -> Measured:
    """Deploy each artifact in turn; the host must serve it afterwards."""
    seconds, cpus = [], []
    for number, packed in enumerate(artifacts):
        site = sites[number % len(sites)]
        before, began = machine_cpu(), time.monotonic()
        summary = site.deploy(packed)
        seconds.append(time.monotonic() - began)
        cpus.append(machine_cpu() - before)
        for host in site.hosts:
            assert_serves(host, summary["release"], summary["version"])
    return Measured(tuple(seconds), statistics.median(cpus))


class Ground:
    """The hosts and releases of one run."""

    def __init__(self, directory: Path, keys: KeyPair, shop: Shop, rounds: int) -> None:
        self.lab = open_lab(keys)
        self.rounds = rounds
        self._directory = directory
        self._keys = keys
        self._shop = shop
        self._number = 0

    def site(self, count: int) -> Site:
        """Boot that many hosts and set them up."""
        self._number += 1
        place = self._directory / f"site{self._number}"
        place.mkdir()
        hosts = tuple(Host(self.lab) for _ in range(count))
        for host in hosts:
            host.boot()
        site = Site(hosts, place, self._keys.private)
        site.write(health="deadline = 120\nmin_healthy = 0\ntimeout = 5")
        site.setup()
        return site

    def release(self) -> Release:
        """Build one more release of the sample app."""
        self._number += 1
        return self._shop.build(f"1.0.{self._number}")

    def padded(self, megabytes: int, files: int) -> Path:
        """Build one more artifact of about that size with about that many files."""
        release = self.release()
        tree = self._directory / f"padded{self._number}"
        shutil.copytree(release.tree, tree, symlinks=True)
        have = sum(1 for path in tree.rglob("*") if path.is_file())
        more = max(files - have, 1)
        room = max(megabytes * 1_000_000 - release.size, more)
        source = random.Random(str(megabytes + files))
        for number in range(more):
            place = tree / "padding" / str(number // 500)
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{number}.bin").write_bytes(source.randbytes(room // more))
        facts = build.facts(release.tree, tree, "prod", commit="c" * 40)
        packed = artifact.pack(tree, facts, tree.parent / f"{tree.name}.packed")
        shutil.rmtree(tree)
        return packed.path


def hosts(ground: Ground, counts: Sequence[int]) -> dict[int, Measured]:
    """Return the seconds of one deploy by the number of hosts."""
    found = {}
    for count in counts:
        site = ground.site(count)
        timed([site], [ground.release().artifact])
        found[count] = timed([site], [ground.release().artifact for _ in range(ground.rounds)])
        results.progress(f"{count} hosts: {found[count]}, {found[count].cpu:.1f} CPU s")
        for host in site.hosts:
            host.close()
    return found


def sizes(ground: Ground, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[float]]:
    """Return seconds of a first and of an unchanged deploy by megabytes and files."""
    found = {}
    for megabytes, files in wanted:
        packed = ground.padded(megabytes, files)
        site = ground.site(1)
        first = timed([site], [packed]).median
        again = timed([site], [packed] * ground.rounds).median
        found[megabytes, files] = [first, again]
        results.progress(f"{megabytes} MB, {files} files: first {first:.1f} s, again {again:.1f} s")
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
        seconds = Measured(tuple(float(line[0]) for line in lines))
        found[rows] = (seconds, max(float(line[1]) for line in lines))
        results.progress(f"{rows} rows: {seconds}, {found[rows][1]:.0f} MB")
    return found


def history(ground: Ground, deploys: int) -> dict[str, list[Measured]]:
    """Return the seconds of commands with an empty history and with one of `deploys` deploys."""
    site = ground.site(1)
    host = site.hosts[0]
    site.deploy(ground.release().artifact)
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
            found[command].append(Measured(tuple(seconds)))
        found["deploy"].append(
            timed([site], [ground.release().artifact for _ in range(ground.rounds)])
        )
        results.progress(", ".join(f"{name}: {values[-1]}" for name, values in found.items()))
    host.close()
    return found


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="the small end of everything")
    arguments = parser.parse_args()
    if reason := availability.unavailable_reason():
        sys.exit(f"no real host can be booted here: {reason}")
    quick = arguments.quick
    by_size = [(size, 1_000) for size in SIZES] + [(100, files) for files in FILES[1:]]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="qusto-bench-") as name:
        directory = Path(name)
        keys = make_keys(directory / "key")
        ground = Ground(directory, keys, Shop(directory / "shop"), arguments.rounds)
        try:
            by_rows = checks(arguments.rounds, ROWS[:2] if quick else ROWS)
            by_hosts = hosts(ground, HOSTS[:2] if quick else HOSTS)
            told = history(ground, DEPLOYS)
            grown = sizes(ground, by_size[:1] if quick else by_size)
        finally:
            ground.lab.close()
    report(load, arguments.rounds, by_hosts, grown, by_rows, told)


def report(
    load: float,
    rounds: int,
    by_hosts: dict[int, Measured],
    grown: dict[tuple[int, int], list[float]],
    by_rows: dict[int, tuple[Measured, float]],
    told: dict[str, list[Measured]],
) -> None:
    """Print the table, record it, draw the chart."""
    one = by_hosts[min(by_hosts)]
    table = [["what", "how much", "seconds", "beside"]]
    for count, taken in by_hosts.items():
        beside = f"{taken.median / one.median:.2f} times one; {taken.cpu:.1f} CPU s of all"
        table.append(["deploy of 2 % change", f"{count} hosts", str(taken), beside])
    for (megabytes, files), (first, again) in grown.items():
        how_much = f"{megabytes} MB in {files:,} files"
        table.append(["deploy", how_much, f"first {first:.1f} s", f"unchanged {again:.1f} s"])
    for rows, (taken, memory) in by_rows.items():
        each = f"{taken.median / rows * 1000:.1f} ms a row, {memory:.0f} MB"
        table.append(["checks that do nothing", f"{rows:,} rows", str(taken), each])
    for command, (empty, full) in told.items():
        beside = f"{empty} with an empty history"
        table.append([f"fab {command}", f"{DEPLOYS:,} deploys before", str(full), beside])
    results.show(f"load {load:.1f} before the start, medians of {rounds}", table)
    most = max(by_hosts)
    values = {f"hosts{most}_ratio": by_hosts[most].median / one.median}
    values |= {f"hosts{most}_cpu_ratio": by_hosts[most].cpu / one.cpu}
    rows = list(by_rows)
    values |= {
        "rows_growth": (by_rows[rows[-1]][0].median / rows[-1])
        / (by_rows[rows[0]][0].median / rows[0]),
        "history_deploy_ratio": told["deploy"][1].median / told["deploy"][0].median,
    }
    results.record("scale", values, table)
    seconds = {f"{count} hosts": taken.median for count, taken in by_hosts.items()}
    results.chart("scale", "Seconds for one deploy", {"s": seconds})


if __name__ == "__main__":
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    )
    main()
