"""The faults of the matrix: data (what, on which command, when) and how each is done for real."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.system.arena import PATIENCE, Arena, Before, Client, Point
from tests.system.hosts import Host
from tests.system.site import BASE, settled

SHORT_OUTAGE = 3.0


@dataclass(frozen=True)
class Fault:
    """`how` (a name of INJECTORS) strikes `command` at `when`; the release may be broken, too."""

    how: str
    command: str
    when: Point
    release: str = ""

    def __str__(self) -> str:
        """Return the name of its test."""
        broken = f"-of-{self.release}" if self.release else ""
        return f"{self.how}-{self.command}{broken}-{self.when}"


def kill(arena: Arena, client: Client, before: Before) -> None:
    """SIGKILL the client."""
    client.kill()


def interrupt(arena: Arena, client: Client, before: Before) -> None:
    """Ctrl-C, and wait for what the client makes of it."""
    client.process.send_signal(signal.SIGINT)
    client.end()


def interrupt_twice(arena: Arena, client: Client, before: Before) -> None:
    """Ctrl-C, and again as soon as the server rolls back, or at once when it has nothing to."""
    client.process.send_signal(signal.SIGINT)
    if arena.phase_seen("stopping", before):
        arena.reach(Point("phase", "rolling-back"), client, before, "")
    client.process.send_signal(signal.SIGINT)
    client.end()


def link_short(arena: Arena, client: Client, before: Before) -> None:
    """Cut the line for a moment."""
    arena.host.link_down()
    time.sleep(SHORT_OUTAGE)
    arena.host.link_up()
    client.end()


def link_gone(arena: Arena, client: Client, before: Before) -> None:
    """Cut the line until the server has settled alone; the client is gone by then."""
    arena.host.link_down()
    client.kill()
    settled(arena.host, PATIENCE)
    arena.host.link_up()


def sshd_stopped(arena: Arena, client: Client, before: Before) -> None:
    """Stop sshd and end its sessions until the server has settled alone."""
    arena.host.run("systemctl stop ssh; kill $(pidof sshd) || :")
    settled(arena.host, PATIENCE)
    arena.host.run("systemctl start ssh")
    client.end()


def power(arena: Arena, client: Client, before: Before) -> None:
    """Kill the host's PID 1 and all below it, then boot from the same disk."""
    arena.host.power_cut()
    client.kill()
    arena.host.boot()


def terminated(arena: Arena, client: Client, before: Before) -> None:
    """Somebody on the server stops the transient unit."""
    arena.host.run("systemctl stop qusto-deploy-staging", check=False)
    client.end()


def killed(arena: Arena, client: Client, before: Before) -> None:
    """SIGKILL of the activation on the server; the client goes on."""
    arena.host.run("systemctl kill --signal=KILL qusto-deploy-staging", check=False)
    client.end()


def all_killed(arena: Arena, client: Client, before: Before) -> None:
    """SIGKILL of the client and of the activation."""
    client.kill()
    arena.host.run("systemctl kill --signal=KILL qusto-deploy-staging", check=False)


def none(arena: Arena, client: Client, before: Before) -> None:
    """Nothing more: the release itself is the fault."""
    client.end()


def disk_full(arena: Arena, client: Client, before: Before) -> None:
    """Fill the disk of /var/www to the last byte; it stays full."""
    arena.host.fill_disk("/var/www")
    client.end()


def inodes_gone(arena: Arena, client: Client, before: Before) -> None:
    """Leave the disk of /var/www without a free inode until the client has ended."""
    with no_inodes(arena.host):
        client.end()
        settled(arena.host, PATIENCE)


@contextmanager
def no_inodes(host: Host) -> Iterator[None]:
    """Take the last free inode of the host's small disk /var/www for the time of the block."""
    point = host.root / "var/www"
    found = os.statvfs(point)
    options = ["mount", "-o"]
    used = found.f_files - found.f_ffree
    subprocess.run([*options, f"remount,nr_inodes={used}", str(point)], check=True)
    try:
        yield
    finally:
        subprocess.run([*options, f"remount,nr_inodes={found.f_files}", str(point)], check=True)


def second_deploy(arena: Arena, client: Client, before: Before) -> None:
    """Deploy once more, while the first client stands still; it must be refused as locked."""
    client.process.send_signal(signal.SIGSTOP)
    refused = arena.site.fab(*arena.words("deploy", "health"))
    client.process.send_signal(signal.SIGCONT)
    assert refused.code == 12, refused.text
    client.end()


def old_verdicts(arena: Arena, client: Client, before: Before) -> None:
    """Leave verdicts of other activations, of either kind, where this one looks for its own."""
    for name, word in ((before.journal, "keep"), ("20200101_000000-0badbeef", "roll-back")):
        path = f"{BASE}/.deploy/verdict.{name}"
        arena.host.write(path, f'{word}\n"an older one"\n1.00\n', owner="deploy")
    client.end()


INJECTORS: dict[str, Callable[[Arena, Client, Before], None]] = {
    "kill": kill,
    "interrupt": interrupt,
    "interrupt-twice": interrupt_twice,
    "link-short": link_short,
    "link-gone": link_gone,
    "sshd-stopped": sshd_stopped,
    "power": power,
    "terminated": terminated,
    "killed": killed,
    "all-killed": all_killed,
    "none": none,
    "disk-full": disk_full,
    "inodes-gone": inodes_gone,
    "second-deploy": second_deploy,
    "old-verdicts": old_verdicts,
}

BEGINNINGS = [Point("file", name) for name in ("started", "holder")]
BEFORE_OUTAGE = {
    "deploy": [
        *BEGINNINGS,
        Point("step", "lock"),
        Point("step", "preflight"),
        Point("step", "backup"),
        Point("file", "incoming"),
        Point("step", "upload"),
        Point("file", "release"),
        Point("step", "prove"),
    ],
    "rollback": [*BEGINNINGS, *(Point("step", name) for name in ("lock", "preflight", "restore"))],
}
PHASES = {
    "deploy": ["stopping", "migrating", "linking", "starting", "waiting", "kept"],
    "rollback": ["stopping", "linking", "starting", "waiting", "kept"],
}
RETURNING = ["rolling-back", "rolled-back"]
OUTAGE = {
    command: [Point("file", "journal"), *(Point("phase", name) for name in names)]
    for command, names in PHASES.items()
}
AFTER = {"deploy": [Point("step", "activate")], "rollback": []}


def fixed() -> Iterator[Fault]:
    """Yield every fault whose instant is a state."""
    for command in ("deploy", "rollback"):
        everywhere = [*BEFORE_OUTAGE[command], *OUTAGE[command], *AFTER[command]]
        for how in ("kill", "interrupt", "interrupt-twice", "power", "link-gone", "sshd-stopped"):
            yield from (Fault(how, command, when) for when in everywhere)
        yield from (Fault("link-short", command, when) for when in OUTAGE[command])
        for how in ("terminated", "killed", "all-killed"):
            yield from (Fault(how, command, when) for when in OUTAGE[command][1:-1])
    for release in ("migration", "crash", "health"):
        for how in ("kill", "power", "link-gone", "interrupt", "terminated"):
            for name in RETURNING:
                yield Fault(how, "deploy", Point("phase", name), release)
    for release in ("migration", "crash", "exit0", "health"):
        yield Fault("none", "deploy", Point("file", "started"), release)
    for command in ("deploy", "rollback"):
        held = [*BEFORE_OUTAGE[command][1:], *OUTAGE[command][:-1]]
        yield from (Fault("second-deploy", command, when) for when in held)
        everywhere = [*BEFORE_OUTAGE[command], *OUTAGE[command]]
        yield from (Fault("disk-full", command, when) for when in everywhere)
        yield from (Fault("inodes-gone", command, when) for when in OUTAGE[command])
        yield Fault("old-verdicts", command, Point("file", "holder"))
    yield Fault("old-verdicts", "deploy", Point("file", "holder"), "health")


def drawn(seed: int, count: int) -> Iterator[Fault]:
    """Yield `count` kills of each command at random parts of its length; the same per seed."""
    numbers = random.Random(seed)
    for command in ("deploy", "rollback"):
        for _ in range(count):
            yield Fault("kill", command, Point("instant", f"{numbers.random():.4f}"))
