"""The sandbox host: an SSH server on loopback whose commands run here, with stand-ins.

Real: SSH with a verified host key, SFTP, rsync, sh, flock, curl, every script of a deploy, every
process of the service. Stand-ins, in the PATH of the host's commands: sudo, systemctl,
systemd-run, journalctl, useradd, usermod, getent, visudo, chown (and curl where it is missing).
Everything lies below one temporary directory and is gone afterwards.
"""

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import asyncssh

STANDINS = Path(__file__).parent / "standins"
SMALL = ("sudo", "useradd", "usermod", "getent", "visudo", "chown")
SYSTEMD = ("systemctl", "systemd-run", "journalctl")
NAME = "sandbox"
_CHUNK = 65536
T = TypeVar("T")


class Sandbox:
    """One sandbox host, from `with` to its end. `port` is the SSH port, `http` the service's."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="qusto-sandbox-"))
        self.http = _free_port()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox sshd")

    def __enter__(self) -> "Sandbox":
        """Start the host; what it needs is written below `directory`."""
        for part in ("bin", "state", "journal", "host/home", "host/run", "host/var/lib"):
            (self.directory / part).mkdir(parents=True)
        _install_standins(self.directory / "bin")
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key.write_private_key(self.key_file)
        self.key_file.chmod(0o600)
        self._thread.start()
        self._server = self._call(self._listen(host_key, client_key))
        self.port = self._server.get_port()
        public = host_key.export_public_key().decode().split()
        (self.directory / "hosts.toml").write_text(self._hosts_toml(" ".join(public[:2])))
        (self.directory / "sandbox.env").write_text(self._environment_file())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End every process of the host and remove all of it."""
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._end_services()
        shutil.rmtree(self.directory)

    @property
    def key_file(self) -> Path:
        """The private key that the host accepts, for any user name."""
        return self.directory / "id_ed25519"

    def environ(self) -> dict[str, str]:
        """Return what `fab` needs in its environment to find this host and no other."""
        return {"QUSTO_HOSTS": str(self.directory / "hosts.toml")}

    async def _listen(
        self, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey
    ) -> asyncssh.SSHAcceptor:
        authorized = asyncssh.import_authorized_keys(client_key.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            authorized_client_keys=authorized,
            process_factory=self._run,
            sftp_factory=True,
            encoding=None,
        )

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Run one command of a client, as sshd does: the shell gets it, in a session of its own."""
        user = str(process.get_extra_info("username"))
        home = self.directory / "host/home" / user
        home.mkdir(parents=True, exist_ok=True)
        child = await asyncio.create_subprocess_exec(
            "/bin/sh",
            "-c",
            process.command or "exec /bin/sh",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=home,
            env=self._environ(user, home),
            start_new_session=True,
        )
        given = asyncio.create_task(_feed(process.stdin, child.stdin))
        await asyncio.gather(
            _pass_on(child.stdout, process.stdout), _pass_on(child.stderr, process.stderr)
        )
        code = await child.wait()
        given.cancel()
        process.exit(code if code >= 0 else 128 - code)

    def _environ(self, user: str, home: Path) -> dict[str, str]:
        return {
            "PATH": f"{self.directory}/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(home),
            "USER": user,
            "LANG": "C.UTF-8",
            "QUSTO_SANDBOX": str(self.directory),
        }

    async def _close(self) -> None:
        self._server.close()
        await self._server.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _end_services(self) -> None:
        """Kill the supervisors first, then what they started; only pids that we recorded."""
        states = [
            json.loads(path.read_text()) for path in (self.directory / "state").glob("*.json")
        ]
        for key in ("supervisor", "MainPID"):
            for state in states:
                if state.get(key):
                    with suppress(ProcessLookupError):
                        os.killpg(state[key], signal.SIGKILL)

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
deadline = 4
min_healthy = 0.5
"""

    def _environment_file(self) -> str:
        secret = os.urandom(32).hex()
        return f"""\
PORT={self.http}
BASE_URL=http://127.0.0.1:{self.http}
SECRET_KEY_BASE={secret}
DATA_DIR={self.directory}/host/var/lib/qusto-{NAME}
"""


async def _pass_on(
    source: asyncio.StreamReader | None, target: "asyncssh.SSHWriter[bytes]"
) -> None:
    """Copy what the command prints to the client; a client that has gone loses it."""
    while source and (data := await source.read(_CHUNK)):
        with suppress(OSError):
            target.write(data)
            await target.drain()


async def _feed(source: "asyncssh.SSHReader[bytes]", target: asyncio.StreamWriter | None) -> None:
    """Copy the client's input to the command; its end, or the client's, is end of file."""
    if target is None:
        return
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    target.close()


def _install_standins(directory: Path) -> None:
    python = f"#!{sys.executable} -IS\n"
    systemd = python + (STANDINS / "systemd.py").read_text("utf-8")
    small = "#!/bin/sh\n" + (STANDINS / "small.sh").read_text("utf-8")
    texts = {**dict.fromkeys(SYSTEMD, systemd), **dict.fromkeys(SMALL, small)}
    if shutil.which("curl") is None:
        texts["curl"] = python + (STANDINS / "curl.py").read_text("utf-8")
    for name, text in texts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
