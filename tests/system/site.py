"""A site to deploy to: real hosts, a hosts.toml that names them, and `fab` run as its user does."""

import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.system.hosts import Host
from tests.system.lab import ROOT

FAB = Path(sys.executable).with_name("fab")
BASE = "/var/www/qusto/staging"
SECRET = "Zq8-this-is-the-marked-secret-of-the-environment-file-Zq8"
ENVIRONMENT_FILE = f"""\
PORT=8000
BASE_URL=http://localhost:8000
SECRET_KEY_BASE={SECRET}
DATA_DIR=/var/lib/qusto-staging/data
"""


@dataclass(frozen=True)
class Ended:
    """One `fab` command that ended: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Everything it printed, for messages."""
        return f"exit {self.code}\n{self.out}{self.err}"


@dataclass(frozen=True)
class Site:
    """The hosts of one environment, and this side's files about them."""

    hosts: tuple[Host, ...]
    directory: Path
    key: Path
    name: str = "staging"

    def write(self, health: str = "", **keys: str) -> None:
        """Write hosts.toml; `keys` replace or add TOML values, an empty one leaves a key out."""
        names = ", ".join(f'"{host.ip}"' for host in self.hosts)
        pins = ", ".join(f'"{host.known_hosts_line}"' for host in self.hosts)
        table = {
            "hosts": f"[{names}]",
            "key_file": f'"{self.key}"',
            "host_key": f"[{pins}]",
            **keys,
        }
        lines = [f"{key} = {value}" for key, value in table.items() if value]
        # Time to boot beside other tests; a test of the deadline writes its own.
        health = health or "deadline = 25\nmin_healthy = 0.5\ntimeout = 3"
        text = f"[{self.name}]\n" + "\n".join(lines) + f"\n[{self.name}.health]\n{health}\n"
        (self.directory / "hosts.toml").write_text(text)
        (self.directory / "staging.env").write_text(ENVIRONMENT_FILE)

    def start(self, *words: str, **variables: str) -> subprocess.Popen[str]:
        """Start `fab -H staging WORDS` and return it; its output goes to two pipes."""
        return self._start(words, subprocess.PIPE, subprocess.PIPE, variables)

    def start_into(self, output: IO[str], *words: str) -> subprocess.Popen[str]:
        """Start `fab -H staging WORDS` and return it; all that it prints goes to `output`."""
        return self._start(words, output, subprocess.STDOUT, {})

    def fab(self, *words: str, **variables: str) -> Ended:
        """Run `fab -H staging WORDS` to its end."""
        running = self.start(*words, **variables)
        out, err = running.communicate(timeout=180)
        return Ended(running.returncode, out, err)

    def done(self, *words: str, **variables: str) -> Ended:
        """Run `fab -H staging WORDS`, which must exit 0."""
        ended = self.fab(*words, **variables)
        assert ended.code == 0, ended.text
        return ended

    def fed(self, text: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `fab -H staging WORDS` to its end with `text` on its standard input."""
        return subprocess.run(
            [str(FAB), "-H", self.name, *words],
            cwd=ROOT,
            env=self._environ(),
            input=text,
            capture_output=True,
            text=True,
            timeout=180,
        )

    def in_shell(self, words: str) -> tuple[int, str]:
        """Run `fab -H staging WORDS` in bash, redirections included; return code and stderr."""
        command = f"{shlex.quote(str(FAB))} -H staging {words}; exit ${{PIPESTATUS[0]}}"
        ended = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self._environ(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=180,
        )
        return ended.returncode, ended.stderr

    def deploy(self, artifact: Path, *words: str) -> dict[str, Any]:
        """Deploy, which must succeed; return its summary."""
        text = self.done("deploy", f"--artifact={artifact}", "--format=json", *words).out
        summary: dict[str, Any] = json.loads(text)
        return summary

    def setup(self) -> Ended:
        """Make the hosts ready."""
        return self.done("setup", f"--env-file={self.directory / 'staging.env'}")

    def history(self) -> list[dict[str, Any]]:
        """Return the history as `fab history` gives it."""
        entries: list[dict[str, Any]] = json.loads(self.done("history", "--format=json").out)
        return entries

    def _environ(self) -> dict[str, str]:
        environ = {**os.environ, "QUSTO_HOSTS": str(self.directory / "hosts.toml")}
        environ.pop("SSH_AUTH_SOCK", None)
        return environ

    def _start(
        self, words: Sequence[str], out: IO[str] | int, err: int, variables: Mapping[str, str]
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            # A shell's background job ignores Ctrl-C, and its children inherit that.
            ["env", "--default-signal=INT", str(FAB), "-H", self.name, *words],
            cwd=ROOT,
            env={**self._environ(), **variables},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            text=True,
        )


def version(host: Host) -> str:
    """Return the version that answers on the host, or "" if nothing does."""
    said = host.run("curl -fsS -m 5 http://localhost:8000/api/system", check=False)
    return str(json.loads(said.stdout)["build"]["version"]) if said.returncode == 0 else ""


def current(host: Host) -> str:
    """Return the release that `current` names, or ""."""
    link = host.run(f"readlink {BASE}/current", check=False).stdout.strip()
    return link.removeprefix("releases/")


def releases(host: Host) -> list[str]:
    """Return the names below releases/."""
    return sorted(host.run(f"ls {BASE}/releases").stdout.split())


def schema(host: Host) -> str:
    """Return what the application's two stores have applied."""
    return host.run("cat /var/lib/qusto-staging/data/*/schema", check=False).stdout


def settled(host: Host, patience: float = 60) -> None:
    """Wait until no activation runs on the host; fail after `patience` seconds."""
    limit = time.monotonic() + patience
    while host.run("systemctl is-active -q qusto-deploy-staging", check=False).returncode == 0:
        assert time.monotonic() < limit, host.journal("qusto-deploy-staging")
        time.sleep(0.1)


def assert_serves(host: Host, name: str, wanted: str) -> None:
    """Assert the invariant: one known release serves, `current` names it, the lock is free."""
    settled(host)
    limit = time.monotonic() + 15
    while version(host) != wanted and time.monotonic() < limit:
        time.sleep(0.1)
    assert version(host) == wanted, host.journal()
    assert current(host) == name
    assert host.run(f"flock -n {BASE}/.deploy/lock true", check=False).returncode == 0
    assert host.run(f"flock -n {BASE}/.deploy/activation.lock true", check=False).returncode == 0


def journal_id(host: Host) -> str:
    """Return which activation the host's journal is of."""
    return host.run(f"sed -n 's/^id\t//p' {BASE}/.deploy/journal", check=False).stdout.strip()


def seen(host: Host, phase: str, after: str, patience: float = 30) -> None:
    """Wait until an activation other than `after` has reached `phase` on the host."""
    limit = time.monotonic() + patience
    question: Sequence[str] = ("grep", "-q", f"^phase\t{phase}\t", f"{BASE}/.deploy/journal")
    while journal_id(host) == after or host.run(question, check=False).returncode:
        assert time.monotonic() < limit, f"never came to {phase}\n{host.journal()}"
        time.sleep(0.02)


def wait_until(condition: Callable[[], bool], patience: float = 60) -> None:
    limit = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < limit, "the condition did not come true in time"
        time.sleep(0.05)
