"""The program that carries a connection through jump hosts: `ssh -W`, or a ProxyCommand."""

import os
import signal
import socket
import subprocess
import tempfile
import threading
from contextlib import suppress
from typing import IO, Any

_LAST_WORDS = 1.0
"""Seconds that the program may take to end once its connection has broken."""


class Carrier:
    """A gateway as Fabric's Connection takes one: `open` starts the program, each time anew.

    It is in a session of its own, without a terminal and with no window to ask in: it can never
    ask anybody to accept a key or to type a password.
    """

    def __init__(self, command: str, through: str) -> None:
        self.command = command
        self.through = through
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def transport(self) -> "Carrier":
        """Return itself: Fabric asks its gateway's transport for a channel."""
        return self

    def open(self) -> None:
        """Do nothing: the program is started for each channel."""

    def open_channel(self, **_: object) -> "_Line":
        """Start the program and return the socket that is its standard input and output."""
        self.stop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the program
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {self.command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._said,
                start_new_session=True,
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
            )
        return _Line(ours, self)

    def words(self) -> str:
        """Return what the program has said on its standard error, once it has ended or soon."""
        if self._process is None or self._said is None:
            return ""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LAST_WORDS)
        with suppress(OSError, ValueError):
            self._said.seek(0)
            return self._said.read(20_000).decode(errors="replace").strip()
        return ""

    def stop(self) -> None:
        """End the program and what it has started; its words stay."""
        with self._lock:
            process = self._process
            if process is None or process.returncode is not None:
                return
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_WORDS)


class _Line:
    """The socket to a carrier, whose end is the end of the program too."""

    def __init__(self, line: socket.socket, carrier: Carrier) -> None:
        self._line = line
        self._carrier = carrier

    def __getattr__(self, name: str) -> Any:
        """Return what the socket has: paramiko sends, receives and sets timeouts."""
        return getattr(self._line, name)

    def close(self) -> None:
        """Close the socket and end the program."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()
        threading.Thread(target=self._carrier.stop, daemon=True).start()
