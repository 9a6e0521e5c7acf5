"""The hosts and releases of one run of `make bench-scale`, and how a deploy to them is timed."""

import os
import random
import shutil
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deploy.releases import Shop
from benchmarks.results import Spread
from pipeline.release import artifact, build
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.lab import open_lab
from tests.system.site import Site, assert_serves, wait_until

_WAITING = Path(__file__).with_name("waiting.pl")
_SERVICE = "qusto-staging.service"
_BOOTED_AT_ONCE = 10
_WATCHERS = Path("/proc/sys/fs/inotify/max_user_instances")
"""How many inotify instances root may have; each host's systemd takes a few, of one number for all
of them (inotify(7))."""


@dataclass(frozen=True)
class Measured:
    """Wall seconds of all rounds, and the CPU seconds of this whole machine in the middle one."""

    seconds: Spread
    cpu: float = 0.0

    @property
    def median(self) -> float:
        """The middle of the rounds."""
        return self.seconds.median

    def __str__(self) -> str:
        """Return the seconds for people."""
        return self.seconds.shown("{:.2f} s".format)


@dataclass(frozen=True)
class Pace:
    """The seconds that the sample app's BEAM takes on a host: to boot, to stop, to prove itself."""

    boot: float
    stop: float
    proof: float


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
    return Measured(Spread.of(seconds), statistics.median(cpus))


def pace(host: Host) -> Pace:
    """Measure what the release that serves on `host` takes, by the clock of this machine."""

    def taken(command: str) -> float:
        began = time.monotonic()
        host.run(command)
        return time.monotonic() - began

    stop = taken(f"systemctl stop {_SERVICE}")
    began = time.monotonic()
    host.run(f"systemctl start {_SERVICE}")
    healthy = "curl -fsS -o /dev/null http://localhost:8000/api/health"
    wait_until(lambda: host.run(healthy, check=False).returncode == 0)
    boot = time.monotonic() - began
    return Pace(boot, stop, taken("systemctl start qusto-staging-pending.service"))


@contextmanager
def room_for(hosts: int) -> Iterator[None]:
    """Let this machine run that many hosts during the block."""
    before = _WATCHERS.read_text()
    _WATCHERS.write_text(str(max(int(before), 20 * hosts)))
    try:
        yield
    finally:
        _WATCHERS.write_text(before)


class Ground:
    """The hosts and releases of one run."""

    def __init__(self, directory: Path, keys: KeyPair, rounds: int) -> None:
        self.lab = open_lab(keys)
        self.rounds = rounds
        self._directory = directory
        self._keys = keys
        self._shop = Shop(directory / "shop")
        self._number = 0

    def site(self, count: int) -> Site:
        """Boot that many hosts and set them up."""
        self._number += 1
        place = self._directory / f"site{self._number}"
        place.mkdir()
        hosts = tuple(Host(self.lab) for _ in range(count))
        for start in range(0, count, _BOOTED_AT_ONCE):
            group = hosts[start : start + _BOOTED_AT_ONCE]
            for host in group:
                host.boot(wait=False)
            for host in group:
                host.wait_running()
        site = Site(hosts, place, self._keys.private)
        site.write(health="deadline = 120\nmin_healthy = 0\ntimeout = 5")
        site.setup()
        return site

    def artifact(self, own: Pace | None = None) -> Path:
        """Build one more release of the sample app; with a pace, one that only waits as long."""
        self._number += 1
        release = self._shop.build(f"1.0.{self._number}")
        if own is None:
            return release.artifact
        program = release.tree / "bin/plausible"
        text = _WAITING.read_text()
        for word, seconds in (("BOOT", own.boot), ("STOP", own.stop), ("PROOF", own.proof)):
            text = text.replace(word, f"{seconds:.3f}", 1)
        program.write_text(text)
        commit = f"{self._number:040x}"
        facts = build.facts(release.tree, release.tree, "prod", commit=commit)
        return artifact.pack(release.tree, facts, release.tree.with_name("waiting")).path

    def padded(self, megabytes: int, files: int) -> Path:
        """Build one more artifact of about that size with about that many files."""
        self._number += 1
        release = self._shop.build(f"1.0.{self._number}")
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
