"""The sandbox host: an SSH server on loopback whose commands run here, with stand-ins.

Real: SSH with a verified host key, SFTP, rsync, sh, flock, curl, every script of a deploy, every
process of the service. Stand-ins, in the PATH of the host's commands: sudo, systemctl,
systemd-run, journalctl, useradd, usermod, groupadd, getent, visudo, chown, runuser (and curl where
it is missing). Everything lies below one temporary directory and is gone afterwards.
"""

import os
import random
import shlex
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

import asyncssh

from pipeline import descendants, marker
from pipeline.errors import Problem
from pipeline.sandbox.server import Server
from pipeline.settings import PROJECT

NAME = "sandbox"
STANDINS = Path(__file__).parent / "standins"
SMALL = ("sudo", "useradd", "usermod", "groupadd", "getent", "visudo", "chown", "runuser")
PYTHON = {
    "systemctl": "systemctl",
    "systemd-run": "systemd_run",
    "journalctl": "journalctl",
}
PARTS = (
    "bin",
    "state",
    "journal",
    "tmp",
    "host/etc/systemd/system",
    "host/home",
    "host/run",
    "host/tmp",
    "host/var/lib",
)
_GONE_SECONDS = 10
_NO_GROUP = -1


class Sandbox:
    """One sandbox host, from `with` to its end. `port` is the SSH port, `http` the service's."""

    def __init__(self) -> None:
        self._marker = marker.new_marker()
        self._server: Server | None = None
        self.directory = Path()
        self.http = 0
        self.port = 0

    def __enter__(self) -> "Sandbox":
        """Start the host; what it needs is written below `directory`."""
        # The real path: mktemp's may lead through links, and systemd units name real ones.
        self.directory = Path(tempfile.mkdtemp(prefix="qusto-sandbox-")).resolve()
        try:
            self._start()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process of the host and remove all of it."""
        self._end()

    @property
    def key_file(self) -> Path:
        """The private key that the host accepts, for any user name."""
        return self.directory / "id_ed25519"

    @property
    def hosts_file(self) -> Path:
        """The hosts.toml that names this host."""
        return self.directory / "hosts.toml"

    @property
    def env_file(self) -> Path:
        """The service's environment, for `fab setup --env-file`."""
        return self.directory / "sandbox.env"

    def environ(self) -> dict[str, str]:
        """Return what a program needs in its environment to find this host and no other.

        What it leaves behind, files in TMPDIR and processes, ends with the sandbox.
        """
        return {
            "QUSTO_HOSTS": str(self.hosts_file),
            "TMPDIR": str(self.directory / "tmp"),
            self._marker: "1",
        }

    def _start(self) -> None:
        for part in PARTS:
            (self.directory / part).mkdir(parents=True)
        _install_standins(self.directory / "bin")
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key.write_private_key(self.key_file)
        self.key_file.chmod(0o600)
        self._server = Server(host_key, client_key, self._commands_environ)
        self.port = self._server.port
        self.http = _free_port()
        public = " ".join(host_key.export_public_key().decode().split()[:2])
        self.hosts_file.write_text(self._hosts_toml(public))
        self.env_file.write_text(self._environment_file())
        self.env_file.chmod(0o600)

    def _end(self) -> None:
        try:
            if self._server:
                self._server.close(self._kill_all)
        finally:
            self._kill_all()
            shutil.rmtree(self.directory)

    def _kill_all(self) -> None:
        """Kill what carries our marker, and what that started, until nothing of it is left."""
        limit = time.monotonic() + _GONE_SECONDS
        while pids := descendants.living(self._marker, _NO_GROUP):
            if time.monotonic() > limit:
                raise Problem(f"the sandbox could not end its processes {pids}")
            descendants.send(pids, signal.SIGKILL, _NO_GROUP)
            time.sleep(0.01)

    def _commands_environ(self, user: str) -> dict[str, str]:
        home = self.directory / "host/home" / user
        home.mkdir(parents=True, exist_ok=True)
        return {
            "PATH": f"{self.directory}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "USER": user,
            "LOGNAME": user,
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.directory / "host/tmp"),
            "QUSTO_SANDBOX": str(self.directory),
            self._marker: "1",
        }

    def _hosts_toml(self, host_key: str) -> str:
        www = self.directory / "host/var/www/qusto"
        return f"""\
# A sandbox host; gone when the demo ends.
[{NAME}]
hosts = ["127.0.0.1:{self.port}"]
key_file = "{self.key_file}"
host_key = "{host_key}"
path = "{www}/{NAME}"
backups = "{www}/backups/{NAME}"
root = "{self.directory}/host"
keep = 3
[{NAME}.health]
url = "http://127.0.0.1:{self.http}/api/health"
version_url = "http://127.0.0.1:{self.http}/api/system"
timeout = 2
deadline = 8
min_healthy = 0.5
"""

    def _environment_file(self) -> str:
        return f"""\
PORT={self.http}
BASE_URL=http://127.0.0.1:{self.http}
SECRET_KEY_BASE={os.urandom(32).hex()}
DATA_DIR={self.directory}/host/var/lib/qusto-{NAME}
"""


def _install_standins(directory: Path) -> None:
    """Write a small launcher for each stand-in; the interpreter's path may hold anything."""
    python = shlex.quote(sys.executable)
    texts = {name: f". {shlex.quote(str(STANDINS / 'small.sh'))}" for name in SMALL}
    for name, module in PYTHON.items():
        code = (
            "import sys; sys.path.insert(0, sys.argv.pop(1)); "
            f"from pipeline.sandbox.standins import {module}; "
            f"sys.exit({module}.main(sys.argv[1:]))"
        )
        texts[name] = f'exec {python} -ISc {shlex.quote(code)} {shlex.quote(str(PROJECT))} "$@"'
    if shutil.which("curl") is None:
        texts["curl"] = f'exec {python} -IS {shlex.quote(str(STANDINS / "curl.py"))} "$@"'
    for name, text in texts.items():
        path = directory / name
        path.write_text(f"#!/bin/sh\n# Sandbox stand-in for {name}: NOT the real one.\n{text}\n")
        path.chmod(0o755)


def _free_port() -> int:
    """Return a port that is free, below those the kernel gives to outgoing connections.

    One of those could be taken again by any connection before the service listens.
    """
    for _ in range(100):
        port = random.randrange(20000, 32000)  # noqa: S311  (no secret)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Problem("no free port between 20000 and 32000 on 127.0.0.1")
