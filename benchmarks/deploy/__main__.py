"""`make bench-deploy`: ours, Capistrano, Mina, Ansible and the document's bash, side by side.

Each deploys the same releases to the same real systemd host over the same lines (near, far, far and
narrow), taking turns within one run; numbers are medians with their lowest and highest value. A
side that has not done the document's steps (the new version serves, the one before is backed up)
ends the run. Then each is given a release that cannot start, and is killed while the service is
down. Needs root on Debian; installs what is missing. Writes benchmarks/results.json, deploy.md and
deploy.svg. Fifteen minutes on two cores with --rounds 3.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import results
from benchmarks.deploy import ground, peers, report
from benchmarks.deploy.bench import LINES, NEAR, Bench, Kind, Run, prepare
from benchmarks.deploy.peers import Peer
from benchmarks.deploy.releases import Shop
from benchmarks.deploy.report import Found
from tests.system import availability
from tests.system.hosts import Host
from tests.system.keys import make_keys
from tests.system.lab import open_lab


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="sides, comma separated; ours always")
    arguments = parser.parse_args()
    if reason := availability.unavailable_reason():
        sys.exit(f"no real host can be booted here: {reason}")
    wanted = {"ours", *(arguments.only.split(",") if arguments.only else ground.PORTS)}
    sides = [peer for peer in peers.PEERS if peer.name in wanted]
    peers.install()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="qusto-bench-") as name:
        directory = Path(name)
        keys = make_keys(directory / "key")
        lab = open_lab(keys)
        try:
            host = Host(lab)
            bench = Bench(host, keys, Shop(directory / "shop"), directory)
            prepare(bench, sides)
            found = measure(bench, sides, arguments.rounds)
        finally:
            lab.close()
    rounds = f"load {load:.1f} before the start, medians of {arguments.rounds}"
    report.publish(found, sides, f"Deploys of {found.size / 1e6:.1f} MB; {rounds}")


def measure(bench: Bench, sides: Sequence[Peer], rounds: int) -> Found:
    """Run all rounds, then the same release once more, then the mishaps."""
    runs: dict[tuple[Kind, str], list[Run]] = {}
    bare: list[float] = []
    for kind in LINES:
        with bench.line(kind) as line:
            for _ in range(rounds):
                release = bench.release()
                for side in sides:
                    run = bench.deploy(side, line, release)
                    runs.setdefault((kind, side.name), []).append(run)
                    results.progress(f"{kind.name}, {side.name}: {run}")
                if kind is NEAR:
                    bare.append(bench.bare("ours"))
    with bench.line(NEAR) as line:
        again = {side.name: bench.deploy(side, line, release).sent for side in sides}
        mishaps = {side.name: bench.mishaps(side, line) for side in sides}
    return Found(runs, bare, again, mishaps, release.size)


if __name__ == "__main__":
    main()
