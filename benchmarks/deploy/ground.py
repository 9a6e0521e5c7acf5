"""The host that all sides deploy to, the line to it, and what is measured on both."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.hosts import Host
from tests.system.keys import KeyPair

PORTS = {"ours": 8001, "capistrano": 8002, "mina": 8003, "ansible": 8004, "document": 8005}
_SECRET = "not-a-secret-" * 4
_INTERVAL = 0.01

DEADLINE = 15
"""Seconds after which ours rolls a deploy back that nobody has spoken a verdict for."""


def hosts_toml(address: str, port: int, host: Host, key: Path) -> str:
    """Return a hosts.toml in which every side is an environment of its own on this host."""
    name = address if port == 22 else f"{address}:{port}"
    return "".join(
        f"""[{side}]
hosts = ["{name}"]
key_file = "{key}"
host_key = "{name} {host.host_key}"
confirm = false
[{side}.health]
url = "http://localhost:{health}/api/health"
deadline = {DEADLINE}
min_healthy = 0
timeout = 16
"""
        for side, health in PORTS.items()
    )


def environment_file(side: str) -> str:
    """Return the settings of the service of one side."""
    return (
        f"PORT={PORTS[side]}\nLISTEN_IP=0.0.0.0\nBASE_URL=http://localhost:{PORTS[side]}\n"
        f"SECRET_KEY_BASE={_SECRET}\nDATA_DIR=/var/lib/qusto-{side}/data\n"
    )


def path(side: str) -> str:
    """Return where the releases of one side live."""
    return f"/var/www/qusto/{side}"


@dataclass
class Line:
    """The way to sshd: `address` and `port` lead through a proxy that counts what is sent."""

    host: Host
    keys: KeyPair
    address: str
    port: int
    known_hosts: Path
    sent: list[int] = field(default_factory=list)


def executions(host: Host) -> int:
    """Return how many commands, shells and subsystems sshd has started so far."""
    found = host.run("journalctl -q -o cat -t sshd | grep -c 'Starting session:'", check=False)
    return int(found.stdout or 0)


def disk(host: Host, side: str) -> int:
    """Return the bytes that the releases and backups of one side take, hard links once."""
    places = f"{path(side)} /var/www/qusto/backups/{side}"
    text = host.run(f"du -sc --block-size=1 {places} 2>/dev/null | tail -n 1").stdout
    return int(text.split()[0])


def is_saved(host: Host, side: str, version: str) -> bool:
    """Return whether one side has a backup of that version."""
    data = f"/var/www/qusto/backups/{side}/*/releases/start_erl.data"
    return host.run(f"grep -q ' {version}$' {data}", check=False).returncode == 0


def version(host: Host, side: str) -> str:
    """Return the version that answers, or "" if nothing does."""
    url = f"http://localhost:{PORTS[side]}/api/system"
    said = host.run(f"curl -fsS -m 5 {url}", check=False)
    return str(json.loads(said.stdout)["build"]["version"]) if said.returncode == 0 else ""


def healthy(host: Host, side: str) -> bool:
    """Return whether the service of one side says that it is well."""
    return _ask(host.ip, PORTS[side])


@dataclass
class Outage:
    """What a client saw who asked every 10 ms: seconds without an answer, and failed requests."""

    seconds: float = 0.0
    failed: int = 0


@contextmanager
def watched(host: Host, side: str) -> Iterator[Outage]:
    """Ask for the health every 10 ms while the block runs, and until it is well again after it."""
    seen: list[tuple[float, bool]] = []
    over = threading.Event()

    def ask() -> None:
        patience = time.monotonic() + 600
        while time.monotonic() < patience:
            began = time.monotonic()
            seen.append((began, _ask(host.ip, PORTS[side])))
            if over.is_set() and (seen[-1][1] or time.monotonic() > ended[0] + 20):
                return
            time.sleep(max(0.0, _INTERVAL - (time.monotonic() - began)))

    ended = [0.0]
    outage = Outage()
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield outage
    finally:
        ended[0] = time.monotonic()
        over.set()
        thread.join()
    outage.failed = sum(not well for _, well in seen)
    since = None
    for moment, well in seen:
        if well and since is not None:
            outage.seconds += moment - since
            since = None
        elif not well and since is None:
            since = moment
    if since is not None:
        outage.seconds += seen[-1][0] - since


def _ask(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=2)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
