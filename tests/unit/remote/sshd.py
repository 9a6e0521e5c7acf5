"""A real sshd on 127.0.0.1, and a home directory whose ssh configuration a test writes."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from pipeline.remote.inventory import Environment, Host
from tests.unit.release.test_activation import ENVIRONMENT

KINDS = ("ed25519", "ecdsa", "rsa")


def find_sshd() -> str:
    """Return the path of sshd; skips the test where it is not installed."""
    for program in ("ssh", "ssh-keygen", "ssh-agent"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed (openssh-client)")
    found = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:" + os.environ["PATH"])
    if found is None:
        pytest.skip("sshd is not installed (openssh-server)")
    return found


def keygen(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make a key pair; return its public line, without the comment."""
    words = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(words, check=True)
    return public(path)


def public(path: Path) -> str:
    return " ".join(path.with_name(f"{path.name}.pub").read_text().split()[:2])


@dataclass(frozen=True)
class Sshd:
    """One that runs: `home` is the client's, with `client` as a key that it accepts."""

    port: int
    root: Path
    home: Path

    @property
    def client(self) -> Path:
        return self.root / "client"

    def line(self, kind: str = "ed25519") -> str:
        """Return the public line of its host key of a kind."""
        return public(self.root / f"host_{kind}")

    def environment(self, **settings: object) -> Environment:
        """Return an environment whose one host is this sshd."""
        given = {"hosts": ["127.0.0.1"], "user": getpass.getuser(), "connect_timeout": 5}
        return msgspec.structs.replace(ENVIRONMENT, **{**given, **settings})

    @property
    def host(self) -> Host:
        return Host("127.0.0.1", self.port)

    def config(self, text: str) -> None:
        """Write ~/.ssh/config."""
        (self.home / ".ssh/config").write_text(text)

    def knows(self, *lines: str | bytes) -> None:
        """Write ~/.ssh/known_hosts."""
        raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
        (self.home / ".ssh/known_hosts").write_bytes(b"".join(line + b"\n" for line in raw))


@contextmanager
def running(
    tmp: Path, home: Path, extra: str = "", kinds: tuple[str, ...] = KINDS
) -> Iterator[Sshd]:
    """Run an sshd with its files in `tmp`, and `extra` lines in its configuration."""
    program = find_sshd()
    tmp.mkdir(mode=0o700, exist_ok=True)
    for kind in kinds:
        keygen(tmp / f"host_{kind}", kind)
    (tmp / "authorized_keys").write_text(keygen(tmp / "client") + "\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host_keys = "".join(f"HostKey {tmp}/host_{kind}\n" for kind in kinds)
    (tmp / "sshd_config").write_text(
        f"{extra}\nListenAddress 127.0.0.1\nPort {port}\n{host_keys}PidFile none\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp}/authorized_keys\nUsePAM no\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel VERBOSE\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (
        (tmp / "log").open("w") as log,
        subprocess.Popen(
            [program, "-D", "-e", "-f", str(tmp / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        ) as process,
    ):
        try:
            limit = time.monotonic() + 10
            while True:
                with socket.socket() as line:
                    if line.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > limit:
                    pytest.skip(f"sshd does not start here: {(tmp / 'log').read_text()}")
                time.sleep(0.02)
            yield Sshd(port, tmp, home)
        finally:
            process.terminate()
