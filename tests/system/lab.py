"""What the hosts of one test process share: a directory, a network of its own, a reaper."""

import ipaddress
import json
import os
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from tests.system import leftovers
from tests.system.keys import KeyPair
from tests.system.rootfs import rootfs

ROOT = Path(__file__).parents[2]
# Private addresses (RFC 1918); a lab takes the first /24 that nothing on this machine uses.
CANDIDATES = IPv4Network("10.213.0.0/16")


@dataclass
class Lab:
    """Everything that this process's hosts need of the machine. Make it with `open_lab`."""

    directory: Path
    network: IPv4Network
    keys: KeyPair
    tree: Path
    reaper: subprocess.Popen[str]
    hosts_made: int = field(default=0)

    @property
    def bridge(self) -> str:
        """The name of the bridge that the hosts hang on."""
        return f"{self.directory.name}br"

    def next_place(self) -> tuple[Path, IPv4Address]:
        """Return an unused directory and address for one more host.

        Those of closed hosts come again only after 250 others: what still knocks at a closed
        host's address should find nobody.
        """
        while True:
            number = self.hosts_made % 250 + 1
            self.hosts_made += 1
            if not (self.directory / f"h{number}").exists():
                return self.directory / f"h{number}", self.network[number + 1]

    def close(self) -> None:
        """End every host of this lab and all that it took; raise if something remains."""
        _, complaint = self.reaper.communicate(timeout=120)
        if self.reaper.returncode:
            raise RuntimeError(f"{self.directory} could not be cleaned up:\n{complaint}")


def open_lab(keys: KeyPair) -> Lab:
    """Return a new lab whose hosts accept `keys` for root; ends leftovers of dead ones first."""
    tree = rootfs()
    with leftovers.lock():
        for left in leftovers.abandoned():
            leftovers.end_lab(left)
        directory = _unused_directory()
        (directory / "owner").write_text(leftovers.identity(os.getpid()))
        reaper = subprocess.Popen(
            [sys.executable, "-m", "tests.system.reaper", str(directory)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for the tests; the reaper comes after them
        )
        network = _unused_network()
        _ip("link", "add", f"{directory.name}br", "type", "bridge")
        _ip("addr", "add", f"{network[1]}/{network.prefixlen}", "dev", f"{directory.name}br")
        _ip("link", "set", f"{directory.name}br", "up")
    return Lab(directory, network, keys, tree, reaper)


def _unused_directory() -> Path:
    while True:
        directory = leftovers.BASE / f"q{secrets.token_hex(2)}"
        if not directory.exists():
            directory.mkdir(mode=0o755)
            return directory


def _unused_network() -> IPv4Network:
    taken = []
    for route in json.loads(_ip("-4", "-json", "route", "show", "table", "all")):
        text = route["dst"]
        if text != "default":
            taken.append(ipaddress.ip_network(text, strict=False))
    for network in CANDIDATES.subnets(new_prefix=24):
        if not any(network.overlaps(other) for other in taken):
            return network
    raise RuntimeError(f"every network of {CANDIDATES} is in use on this machine")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], stdout=subprocess.PIPE, text=True, check=True).stdout
