"""A host that is struck again and again, and the one invariant that must hold after every fault."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import BASE, Site, current, version

RULES = "deadline = 8\nmin_healthy = 0.5\ntimeout = 1"
PATIENT = "deadline = 8\nmin_healthy = 4\ntimeout = 1"
PATIENCE = 90.0
"""Seconds within which everything must be settled: deadline, time-outs and the way back."""

TERMINAL = ("kept", "rolled-back")
DATA = "/var/lib/qusto-staging/data"


@dataclass(frozen=True)
class Point:
    """A state that is reached while a command runs.

    `phase`: the server's journal names it. `step`: the client told that it ended. `file`: the
    server has it. `instant`: this part of the length of a good run has passed.
    """

    kind: Literal["phase", "step", "file", "instant"]
    name: str

    def __str__(self) -> str:
        """Return the point as tests and tables name it."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True)
class Before:
    """What the host looked like before a command was started on it."""

    serving: str
    journal: str
    history: int
    holder: str
    releases: frozenset[str]


@dataclass(frozen=True)
class Settled:
    """What serves once all is quiet; `outcome` is empty when no activation had begun."""

    release: str
    version: str
    outcome: str


@dataclass
class Arena:
    """One host with one environment; `known` tells the version of every release that may serve."""

    site: Site
    build: Builder
    directory: Path
    known: dict[str, str] = field(default_factory=dict)
    lengths: dict[str, float] = field(default_factory=dict)
    runs: int = 0
    broken: bool = False

    @property
    def host(self) -> Host:
        """The host itself."""
        return self.site.hosts[0]

    def prepare(self) -> None:
        """Set up, deploy twice and go back once; remember what good runs take."""
        self.site.write(health=RULES)
        self.site.setup()
        self.deploy_good()
        # So that each deploy of 1.1.0 finds its migration pending again.
        self.host.run(f"for d in {DATA}/*/; do cp -p $d/schema $d/schema.first; done")
        self.deploy_good()
        began = time.monotonic()
        self.site.done("rollback")
        self.lengths["rollback"] = time.monotonic() - began

    def artifact(self, faults: str = "") -> Path:
        """Return a release that does not serve now; with `faults`, one that never will."""
        if faults:
            return self.build("2.0.0", faults, extra_migrations=1)
        serving = self.known.get(current(self.host), "")
        if serving == "1.0.0":
            return self.build("1.1.0", extra_migrations=1)
        return self.build("1.0.0")

    def deploy_good(self) -> None:
        """Deploy a good release, which must succeed and serve."""
        artifact = self.artifact()
        began = time.monotonic()
        summary = self.site.deploy(artifact)
        self.lengths["deploy"] = time.monotonic() - began
        self.known[summary["release"]] = summary["version"]
        assert version(self.host) == summary["version"]
        assert current(self.host) == summary["release"]

    def serve_first(self) -> None:
        """Let 1.0.0 serve, so that the next deploy is one with a migration."""
        if self.known.get(current(self.host)) != "1.0.0":
            self.deploy_good()

    def words(self, command: str, faults: str = "") -> list[str]:
        """Return the words of `command`: a deploy of what does not serve, or a rollback."""
        if command == "deploy":
            return ["deploy", f"--artifact={self.artifact(faults)}"]
        previous = sorted(set(self.known) - {current(self.host)})[-1]
        return ["rollback", f"--to={previous}"]

    def look(self) -> Before:
        """Return how it is now."""
        return Before(
            current(self.host),
            _journal_id(self._text("journal")),
            len(self.history()),
            self._text("holder"),
            frozenset(path.name for path in self._path("../releases").iterdir()),
        )

    def forget_migrations(self) -> None:
        """Make the migration of 1.1.0 and 2.0.0 pending again."""
        self.host.run(f"for d in {DATA}/*/; do cp -p $d/schema.first $d/schema; done")

    def start(self, words: list[str]) -> "Client":
        """Start `fab` with its output in a file."""
        self.runs += 1
        path = self.directory / f"client-{self.runs}"
        with path.open("w") as output:
            return Client(self.site.start_into(output, *words), path, time.monotonic())

    def reach(self, point: Point, client: "Client", before: Before, command: str) -> bool:
        """Wait until the run has reached `point`; tell whether it did before the client ended."""
        happened = self._question(point, client, before, command)
        limit = time.monotonic() + PATIENCE
        while not happened():
            if client.process.poll() is not None:
                return happened()
            assert time.monotonic() < limit, f"never came to {point}\n{self.host.journal()}"
            time.sleep(0.002)
        return True

    def history(self) -> list[dict[str, Any]]:
        """Return the outcomes that the server has on record."""
        records = [json.loads(line) for line in self._text("history.jsonl").splitlines()]
        return [record for record in records if record["outcome"] != "begun"]

    def phase_seen(self, name: str, before: Before) -> bool:
        """Tell whether an activation since `before` has reached the phase."""
        text = self._text("journal")
        return _journal_id(text) != before.journal and f"\nphase\t{name}\t" in text

    def assert_invariant(self, before: Before) -> Settled:
        """Wait for quiet; assert that one known release serves and that all is in order.

        `known` must hold every release that may serve. Nobody helps meanwhile.
        """
        host = self.host
        limit = time.monotonic() + PATIENCE
        while complaint := self._complaint(before):
            assert time.monotonic() < limit, f"{complaint}\n{host.journal(lines=120)}"
            time.sleep(0.1)
        serving = current(host)
        entries = self.history()[before.history :]
        begun = _journal_id(self._text("journal")) != before.journal
        assert len(entries) == (1 if begun else 0), entries
        outcome = entries[0]["outcome"] if entries else ""
        assert serving == (entries[0]["to"] if outcome == "kept" else before.serving)
        return Settled(serving, version(host), outcome)

    def _complaint(self, before: Before) -> str:
        """Return what is not (yet) as the invariant wants it, or nothing."""
        host = self.host
        unit = host.run("systemctl list-units --all --no-legend --plain 'qusto-deploy-*'").stdout
        if unit.strip():
            return f"a transient unit is left: {unit}"
        journal = self._text("journal")
        if _journal_id(journal) != before.journal and _phases(journal)[-1] not in TERMINAL:
            return f"the activation has no outcome: {_phases(journal)}"
        serving = current(host)
        entry = next((one for one in self.history()[::-1] if one["to"] == serving), None)
        wanted = self.known.get(serving) or (entry or {}).get("version")
        if not wanted or version(host) != wanted:
            return f"{serving or 'no link'}: {version(host) or 'nothing'} serves, not {wanted}"
        ask = "systemctl show -p MainPID --value qusto-staging"
        pid = host.run(ask).stdout.strip()
        root = host.run(f"readlink /proc/{pid}/cwd", check=False).stdout.strip()
        if root != f"{BASE}/releases/{serving}":
            return f"the serving process runs in {root}, current names {serving}"
        beams = host.run("pgrep -c -u qusto-staging beam.smp", check=False).stdout.strip()
        if beams != "1":
            return f"{beams} applications run"
        for lock in ("lock", "activation.lock"):
            if host.run(f"flock -n {BASE}/.deploy/{lock} true", check=False).returncode:
                return f"{lock} is held"
        ours = "pgrep -a -u deploy | grep -Ev '(systemd --user|sd-pam|sshd: deploy)'"
        left = host.run(ours, check=False).stdout
        return f"processes are left: {left}" if left.strip() else ""

    def _question(
        self, point: Point, client: "Client", before: Before, command: str
    ) -> Callable[[], bool]:
        if point.kind == "phase":
            return lambda: self.phase_seen(point.name, before)
        if point.kind == "step":
            told = re.compile(rf"^ +(ok|failed) +{re.escape(point.name)} ", re.MULTILINE)
            return lambda: told.search(client.said()) is not None
        if point.kind == "instant":
            due = client.began + float(point.name) * self.lengths[command]
            return lambda: time.monotonic() >= due
        return {
            "started": lambda: True,
            "holder": lambda: self._text("holder") != before.holder,
            "incoming": lambda: any(self._path("incoming").iterdir()),
            "release": lambda: any(
                path.name not in before.releases for path in self._path("../releases").iterdir()
            ),
            "journal": lambda: _journal_id(self._text("journal")) != before.journal,
        }[point.name]

    def _path(self, name: str) -> Path:
        # Past the host: asking it would cost a process each time, and phases last milliseconds.
        return self.host.root / BASE.lstrip("/") / ".deploy" / name

    def _text(self, name: str) -> str:
        try:
            return self._path(name).read_text()
        except FileNotFoundError:
            return ""


@dataclass(frozen=True)
class Client:
    """A running `fab`, and the file that has what it said."""

    process: subprocess.Popen[str]
    output: Path
    began: float

    def said(self) -> str:
        """Return what it has printed so far."""
        return self.output.read_text()

    def kill(self) -> None:
        """End it as the kernel does, and wait until it is gone."""
        self.process.kill()
        self.process.wait()

    def end(self) -> int:
        """Wait for its own end; return the exit code."""
        return self.process.wait(180)


def _journal_id(text: str) -> str:
    return text.split("\n", 1)[0].removeprefix("id\t")


def _phases(text: str) -> list[str]:
    rows = [line.split("\t") for line in text.splitlines()]
    return ["none", *(row[1] for row in rows if row[0] == "phase")]
