"""The kill matrix: after any fault, at any moment, one known release serves and nothing is left.

`make faults` runs all of it, `make test` a few rows. docs/faults.md describes it.
"""

import json
import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.system.arena import PATIENT, RULES, Arena, Point, Settled
from tests.system.artifacts import Builder
from tests.system.faults import INJECTORS, Fault, drawn, fixed
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.lab import ROOT, Lab
from tests.system.site import Site

SEED = int(os.environ.get("FAULTS_SEED", "1"))
INSTANTS = 30
SMALL_DISK = 160
PYTHON_STARTS = "from fabric.main import program"
"""Part of the traceback of a Ctrl-C that meets Python before a line of ours, or Invoke's, runs."""

REPORT = ROOT / "benchmarks/out/faults.jsonl"
SHORT = {
    Fault("kill", "rollback", Point("phase", "stopping")),
    Fault("power", "rollback", Point("phase", "starting")),
    Fault("all-killed", "deploy", Point("phase", "stopping")),
    Fault("power", "deploy", Point("phase", "rolling-back"), "crash"),
}


def _rows() -> list[object]:
    return [
        pytest.param(fault, id=str(fault), marks=() if fault in SHORT else pytest.mark.faults)
        for fault in [*fixed(), *drawn(SEED, INSTANTS)]
    ]


@pytest.fixture(scope="module")
def arenas(
    lab: Lab, build: Builder, session_keys: KeyPair, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[int], Arena]]:
    """Give the arena with a disk of that size (MB; 0: any); a new one after a failure on it."""
    made: dict[int, Arena] = {}
    worn: list[Arena] = []

    def give(disk: int) -> Arena:
        if disk in made and made[disk].broken:
            worn.append(made.pop(disk))
        if disk not in made:
            host = Host(lab)
            if disk:
                host.small_disk("/var/www", disk)
            host.boot()
            directory = tmp_path_factory.mktemp("arena")
            arena = Arena(Site((host,), directory, session_keys.private), build, directory)
            made[disk] = arena
            arena.prepare()
        return made[disk]

    yield give
    for arena in [*made.values(), *worn]:
        arena.host.close()


@pytest.mark.parametrize("fault", _rows())
def test_one_known_release_serves_after(fault: Fault, arenas: Callable[[int], Arena]):
    arena = arenas(SMALL_DISK if fault.how in ("disk-full", "inodes-gone") else 0)
    arena.broken = True  # until proven otherwise
    # A process that ends by itself with status 0 is well for a second or two.
    arena.site.write(health=PATIENT if fault.release == "exit0" else RULES)
    if fault.when.name == "migrating":
        arena.serve_first()
    arena.forget_migrations()
    words = arena.words(fault.command, fault.release)
    before = arena.look()
    client = arena.start(words)
    reached = arena.reach(fault.when, client, before, fault.command)
    struck = time.monotonic()
    INJECTORS[fault.how](arena, client, before)
    settled = arena.assert_invariant(before)
    seconds = time.monotonic() - struck
    if fault.when.kind != "instant":
        assert reached, f"never came to {fault.when}\n{client.said()}"
    code = client.end()
    if PYTHON_STARTS in client.said():
        assert client.said().endswith("KeyboardInterrupt\n"), client.said()
        assert not settled.outcome, client.said()
    else:
        assert "Traceback" not in client.said()
    if code >= 0:  # it was not killed: what it says must be so
        # Ctrl-C may come when all is decided; then the client need not wait for the tidying up.
        assert code in ((0, 130) if settled.outcome == "kept" else (1, 10, 12, 13, 130)), (
            client.said()
        )
        assert code != 1 or not settled.outcome, client.said()
    if fault.release:
        assert settled.outcome in ("rolled-back", ""), client.said()
    arena.host.free_disk("/var/www")
    arena.deploy_good()
    arena.broken = False
    _record(fault, settled, code, seconds)


def _record(fault: Fault, settled: Settled, code: int, seconds: float) -> None:
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    row = {
        "fault": fault.how,
        "command": fault.command,
        "release": fault.release or "good",
        "when": str(fault.when),
        "outcome": settled.outcome or "not begun",
        "serves": settled.version,
        "code": code,
        "seconds": round(seconds, 2),
    }
    # One write of one line: several test processes may append at once.
    with REPORT.open("a") as file:
        file.write(json.dumps(row) + "\n")
