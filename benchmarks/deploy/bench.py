"""One host, several lines to it, and deploys over them by any side, each measured and proved."""

import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deploy import ground
from benchmarks.deploy.ground import Line
from benchmarks.deploy.peers import Peer
from benchmarks.deploy.releases import ROOT, Release, Shop
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.proxy import slow_line


@dataclass(frozen=True)
class Kind:
    """A kind of line: its round-trip time in milliseconds, and how many bytes a second it takes."""

    name: str
    delay: float
    bytes_per_second: float = math.inf


NEAR, FAR, BAD = Kind("0 ms", 0), Kind("80 ms", 80), Kind("80 ms, 10 Mbit/s", 80, 1_250_000)
LINES = (NEAR, FAR, BAD)


@dataclass(frozen=True)
class Run:
    """One deploy: seconds, remote executions, bytes sent and added, and what a client saw."""

    seconds: float
    executions: int
    sent: int
    added: int
    down: float
    failed: int


@dataclass(frozen=True)
class Mishap:
    """What became of a release that cannot start, and of a deploy killed while it was down."""

    exit_code: int
    after_broken: str
    after_kill: str


class Bench:
    """One run of everything: the host, the line, the releases and their next version."""

    def __init__(self, host: Host, keys: KeyPair, shop: Shop, directory: Path) -> None:
        self.host = host
        self._keys = keys
        self._shop = shop
        self._directory = directory
        self._number = 0

    def release(self, faults: str = "", extra_migrations: int = 0) -> Release:
        """Build the next release."""
        self._number += 1
        return self._shop.build(f"1.0.{self._number}", faults, extra_migrations)

    def place(self, side: str) -> Path:
        """Return the directory of one side's files."""
        place = self._directory / side
        place.mkdir(exist_ok=True)
        return place

    @contextmanager
    def line(self, kind: Kind) -> Iterator[Line]:
        """Yield the way to the host."""
        sent: list[int] = []
        with slow_line(
            (self.host.ip, 22),
            there_ms=kind.delay / 2,
            back_ms=kind.delay / 2,
            bytes_per_second=kind.bytes_per_second,
            sent=sent.append,
        ) as (address, port):
            known = self._directory / "known_hosts"
            known.write_text(f"[{address}]:{port} {self.host.host_key}\n")
            yield Line(self.host, self._keys, address, port, known, sent)

    def deploy(self, peer: Peer, line: Line, release: Release) -> Run:
        """Deploy, measured; SystemExit if the host does not serve that version, the other saved."""
        command = peer.deploy(self.place(peer.name), line, release)
        executions = ground.executions(self.host)
        before = ground.disk(self.host, peer.name)
        served_before = ground.version(self.host, peer.name)
        del line.sent[:]
        with ground.watched(self.host, peer.name) as outage:
            began = time.monotonic()
            ended = subprocess.run(
                command.argv,
                cwd=command.cwd,
                env={**os.environ, **command.env},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            seconds = time.monotonic() - began
        serves = ground.version(self.host, peer.name)
        backed_up = not served_before or ground.is_saved(self.host, peer.name, served_before)
        if ended.returncode or serves != release.version or not backed_up:
            sys.exit(
                f"{peer.name} exited {ended.returncode}, {serves or 'nothing'} serves, wanted "
                f"{release.version}; backed up: {backed_up}\n"
                f"{ended.stdout[-3000:]}{ended.stderr[-3000:]}"
            )
        return Run(
            seconds=seconds,
            executions=ground.executions(self.host) - executions,
            sent=sum(line.sent),
            added=ground.disk(self.host, peer.name) - before,
            down=outage.seconds,
            failed=outage.failed,
        )

    def bare(self, side: str) -> float:
        """Return the seconds without an answer of a plain stop and start."""
        with ground.watched(self.host, side) as outage:
            unit = f"qusto-{side}.service"
            self.host.run(f"systemctl stop {unit}; systemctl start {unit}")
        return outage.seconds

    def mishaps(self, peer: Peer, line: Line) -> Mishap:
        """Break a release, then kill a deploy in its outage; see what serves each time."""
        broken = self.release("crash")
        ended = self._start(peer, line, broken)
        code = ended.wait(300)
        after_broken = self._settled(peer.name)
        # What an operator would do by hand: systemd has given the broken one up.
        self.host.run(f"systemctl reset-failed qusto-{peer.name}.service", check=False)
        self.deploy(peer, line, self.release())
        slow = self.release("slow_migration", extra_migrations=1)
        client = self._start(peer, line, slow)
        unit = f"qusto-{peer.name}.service"
        limit = time.monotonic() + 120
        while self.host.run(f"systemctl is-active -q {unit}", check=False).returncode == 0:
            if client.poll() is not None or time.monotonic() > limit:
                sys.exit(f"{peer.name} was never between stop and start")
            time.sleep(0.02)
        os.killpg(client.pid, signal.SIGKILL)
        client.wait()
        return Mishap(code, after_broken, self._settled(peer.name))

    def _start(self, peer: Peer, line: Line, release: Release) -> "subprocess.Popen[bytes]":
        command = peer.deploy(self.place(peer.name), line, release)
        return subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env={**os.environ, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _settled(self, side: str) -> str:
        """Return what serves when everybody has had the time to put things right."""
        time.sleep(ground.DEADLINE + 10)
        return ground.version(self.host, side) if ground.healthy(self.host, side) else ""


def prepare(bench: Bench, sides: Sequence[Peer]) -> None:
    """Make the host ready for all sides: the same user, units and sudo lines for each."""
    host = bench.host
    # Ansible's modules are Python programs; sshd names its executions from VERBOSE on.
    sources = "cp -r /etc/apt/. {0}/etc/apt/ && cp /etc/resolv.conf {0}/etc/ 2>/dev/null; "
    install = "chroot {0} apt-get update -q && chroot {0} apt-get install -y -q python3-minimal"
    script = (sources + install).format(host.root)
    quiet = {"DEBIAN_FRONTEND": "noninteractive", **os.environ}
    subprocess.run(["sh", "-c", script], check=True, env=quiet, stdout=subprocess.DEVNULL)
    host.write("/etc/ssh/sshd_config.d/bench.conf", "LogLevel VERBOSE\n")
    host.boot()
    fab = str(Path(sys.executable).with_name("fab"))
    with bench.line(NEAR) as line:
        place = bench.place("ours")
        hosts = place / "hosts.toml"
        hosts.write_text(ground.hosts_toml(line.address, line.port, host, line.keys.private))
        for side in sides:
            env_file = place / f"{side.name}.env"
            env_file.write_text(ground.environment_file(side.name))
            subprocess.run(
                [fab, "-H", side.name, "setup", f"--env-file={env_file}"],
                cwd=ROOT,
                env={**os.environ, "QUSTO_HOSTS": str(hosts)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                check=True,
            )
            path = ground.path(side.name)
            host.run(f"install -d -o deploy {path}/shared/cache && chown deploy {path}")
        first = bench.release()
        for side in sides:
            bench.deploy(side, line, first)
