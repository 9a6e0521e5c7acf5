"""Running scripts on a host over Fabric's Connection, each in one round trip.

paramiko's own channels are used below Fabric's run: that takes 3 ms instead of 11, does not cut
UTF-8 at every thousandth byte, is linear in the size of the output, and has a standard input
(research/fabric.md section 3). Each script goes in a frame (framing.py), so that no login shell can
spoil it and no answer is taken for another.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from fabric import Connection
from paramiko import Channel, ChannelException, Message, SSHException, Transport
from paramiko.common import cMSG_CHANNEL_REQUEST

from pipeline.errors import Problem, Unreachable
from pipeline.remote import translation
from pipeline.remote.framing import Answer, frame

LOGIN = 30.0
"""Seconds that a login may take, from the request for a session to our script's first line."""

_NUDGE = 5.0
"""Seconds of a login after which an open standard input gets some empty lines, so that a script of
which the login has taken a line arrives torn, and does not wait for the rest for ever."""

_CHUNK = 65536

_TURN = 0.5
"""Seconds after which a silent standard output is left, to see whether errors have come."""

_PROBE = 5.0
"""Seconds within which a host must answer a keepalive for its line to be alive."""

_LAST_WORDS = 2.0
"""Seconds that a login may take to end when our script has."""

_BROKEN = (OSError, EOFError, SSHException)
"""What paramiko raises for a line, a session or a host that failed."""


@dataclass(frozen=True)
class Output:
    """What a script printed and how it ended; code is its exit status."""

    code: int
    out: str
    err: str


class Input:
    """A script's standard input that is fed while the script runs, also over a new line."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = b""
        self._channel: Channel | None = None

    def send(self, text: bytes) -> None:
        """Send `text`, at once if a script reads it, and again to any that begins later."""
        with self._lock:
            self._text += text
            if self._channel:
                with suppress(TimeoutError):
                    _try_to_send(self._channel, text)

    def attach(self, channel: Channel) -> None:
        """Give what was sent so far to a script that has just begun."""
        with self._lock:
            self._channel = channel
            _try_to_send(channel, self._text)


def sh(
    connection: Connection,
    script: str,
    *,
    stdin: bytes | Input = b"",
    on_line: Callable[[str], None] | None = None,
    timeout: float = 60,
) -> Output:
    """Run the POSIX sh `script`; a failing one is for the caller to judge.

    It runs in a clean environment (framing.CLEAN), in the user's home. Secrets go through `stdin`.
    `on_line` gets each line of the standard output as it comes. `timeout` bounds the silence
    between two pieces of output, in seconds. Raises Unreachable when the line drops, and when the
    host did not run the script, or not to its end: what it printed is no answer then.
    """
    running = _Running(connection, script, stdin, timeout)
    running.read(on_line or (lambda _line: None))
    return running.output()


class Held:
    """A script that goes on running on the host until it is let go: it holds a lock.

    It must print the line `held` when it has what it came for. Its standard input stays open, and
    a byte is sent every `beat` seconds; when we close it, or die, it reads the end of file and
    ends, and so it does when no byte comes any more. Raises Unreachable as `sh` does.
    """

    def __init__(
        self, connection: Connection, script: str, beat: float = 5.0, timeout: float = 60
    ) -> None:
        self._running = _Running(connection, script, Input(), timeout)
        self._released = threading.Event()
        self.lines: list[str] = []
        self._running.read(self.lines.append, until="held")
        self.held = self.lines[-1:] == ["held"]
        if self.held:
            self.lines.pop()
            self.code, self.error = 0, ""
            threading.Thread(target=self._beat, args=(beat,), daemon=True).start()
        else:
            output = self._running.output()
            self.code, self.error = output.code, output.err

    def release(self) -> None:
        """End the script; the host's kernel frees what it held."""
        self._released.set()
        self._running.channel.close()

    def _beat(self, seconds: float) -> None:
        while not self._released.wait(seconds):
            try:
                self._running.channel.sendall(b".")
            except _BROKEN:
                return  # the line is gone, as the next command over it will say


class _Running:
    """One script that was sent to a host, and its answer as far as it has come."""

    def __init__(
        self, connection: Connection, script: str, stdin: bytes | Input, timeout: float
    ) -> None:
        self._connection = connection
        self._timeout = timeout
        self._login_by = time.monotonic() + LOGIN
        self._nudge_at = time.monotonic() + _NUDGE if isinstance(stdin, Input) else float("inf")
        framed = frame(script)
        self._answer = Answer(framed.nonce)
        self.channel = _SESSIONS.take(connection)
        try:
            self.channel.settimeout(timeout)
            _request(connection.transport, self.channel, framed.command)
            if isinstance(stdin, Input):
                _try_to_send(self.channel, framed.payload)
                stdin.attach(self.channel)
            elif _try_to_send(self.channel, framed.payload + stdin):
                self.channel.shutdown_write()
        except TimeoutError:
            raise self._stalled() from None
        except _BROKEN as error:
            raise dropped(connection, error) from None

    def read(self, on_line: Callable[[str], None], until: str = "") -> None:
        """Read to the end, or to the line `until`; `on_line` gets each line of the script."""
        channel, answer = self.channel, self._answer
        heard = time.monotonic()
        ended_by = float("inf")
        channel.settimeout(_TURN)
        try:
            while True:
                data = _receive(channel)
                now = time.monotonic()
                while channel.recv_stderr_ready():
                    answer.take_err(channel.recv_stderr(_CHUNK))
                    heard = now
                if data == b"":
                    break
                if data:
                    heard = now
                    lines = answer.take(data)
                    for line in lines:
                        on_line(line)
                    if until and until in lines:
                        return
                if answer.code is not None:
                    ended_by = min(ended_by, now + _LAST_WORDS)
                if now > self._nudge_at and not answer.begun:
                    self._nudge_at = float("inf")
                    _try_to_send(channel, b"\n" * 64)
                if now > min(heard + self._timeout if answer.begun else self._login_by, ended_by):
                    break
            if answer.code is None and data != b"":
                raise self._stalled()
            channel.status_event.wait(_TURN)
        except _BROKEN as error:
            raise dropped(self._connection, error) from None
        channel.close()

    def output(self) -> Output:
        """Return the whole answer. Raises Unreachable for anything less."""
        answer = self._answer
        if answer.code is not None:
            return Output(answer.code, answer.out, answer.err)
        if not self._connection.is_connected:
            raise dropped(self._connection, EOFError())
        raise self._cut_off() if answer.begun else self._not_run()

    def _not_run(self) -> Unreachable:
        """Return the error of a login that ended without having run the script."""
        where = f"{self._connection.original_host}: the login as {self._connection.user}"
        said = self._answer.noise.splitlines()
        if self._answer.torn:
            return Unreachable(
                f"{where} took away what was sent for our script, so it was not run",
                remedy="a start-up file of the login shell reads its standard input",
                detail="\n".join(said[:20]),
            )
        if not self.channel.event_ready:
            return Unreachable(
                f"{where} was refused a command",
                remedy="is there a limit on the user's processes, or is the host out of them?",
                detail="\n".join(said[:20]),
            )
        how = f" (exit {code})" if (code := self._exit_status()) >= 0 else ""
        return Unreachable(
            f"{where} ran no script of ours{how}; it said: {said[-1][:300]}"
            if said
            else f"{where} ran no script of ours and said nothing{how}",
            remedy="nothing is known of the host, and nothing was changed by this; the user's "
            "login shell, its start-up files and sshd's settings (ForceCommand, an account that "
            "has expired) decide what a login runs",
            detail="\n".join(said[:20]) if len(said) > 1 else "",
        )

    def _cut_off(self) -> Unreachable:
        said = f"{self._answer.out}{self._answer.err}".splitlines()
        return Unreachable(
            f"{self._connection.original_host}: our script was cut off there; its answer is not "
            "whole",
            remedy="something ended it on the host; the command may be run again",
            detail="\n".join(said[-20:]),
        )

    def _exit_status(self) -> int:
        return self.channel.recv_exit_status() if self.channel.exit_status_ready() else -1

    def _stalled(self) -> Unreachable:
        """Return the error of an answer that does not come: the line, the login or the script."""
        host = self._connection.original_host
        self.channel.close()
        if not _is_alive(self._connection.transport):
            return Unreachable(
                f"{host}: the line is silent; not even a keepalive was answered",
                remedy="is the host up, and the network between?",
            )
        said = self._answer.noise.splitlines()
        if not self._answer.begun:
            return Unreachable(
                f"{host}: the login takes longer than {LOGIN:g} s, though the host answers",
                remedy=f"time it: `ssh {self._connection.user}@{host} true`",
                detail="\n".join(said[:20]),
            )
        return Unreachable(
            f"{host}: our script there has been silent for {self._timeout:g} s, though the host "
            "answers",
            detail="\n".join(f"{self._answer.out}{self._answer.err}".splitlines()[-20:]),
        )


def _receive(channel: Channel) -> bytes | None:
    """Return what has come on the standard output; b"" at its end, None if nothing comes."""
    try:
        return bytes(channel.recv(_CHUNK))
    except TimeoutError:
        return None


def _request(transport: Transport, channel: Channel, command: str) -> None:
    """Ask for `command` to be run, without waiting for the word that it is, a round trip later.

    paramiko's exec_command would wait. A host that refuses closes the channel.
    """
    message = Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("exec")
    message.add_boolean(True)
    message.add_string(command)
    transport._send_user_message(message)  # type: ignore[attr-defined]  # below its public API


def _try_to_send(channel: Channel, data: bytes) -> bool:
    """Send all of `data`; False if the other side has ended, whose words then tell why."""
    try:
        # Sent in pieces, each cut off the rest: of bytes, that would copy the rest every time.
        channel.sendall(memoryview(data))  # type: ignore[arg-type]  # the stubs know less
    except TimeoutError:
        raise
    except OSError:
        return False
    return True


def _is_alive(transport: Transport | None) -> bool:
    """Tell whether the host still answers on this line."""
    if transport is None or not transport.is_active():
        return False
    answered = threading.Event()

    def ask() -> None:
        with suppress(*_BROKEN):
            transport.global_request("keepalive@openssh.com", wait=True)
            if transport.is_active():
                answered.set()

    # A daemon: on a line that is dead it would keep the program from ending.
    threading.Thread(target=ask, name="keepalive", daemon=True).start()
    return answered.wait(_PROBE)


def dropped(connection: Connection, error: Exception) -> Problem:
    """Return the error for a connection that broke in the middle of a command."""
    known = translation.translated(error, connection.original_host)
    return known or Unreachable(f"{connection.original_host}: {error}")


class _Sessions:
    """One session of each connection, opened while the one before it is in use.

    To open one costs a round trip, and whoever runs one script soon runs another. Where the host
    allows no session more than those in use, none is opened ahead any more.
    """

    def __init__(self) -> None:
        self._ready: WeakKeyDictionary[Transport, Future[Channel | None]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def take(self, connection: Connection) -> Channel:
        """Return a session that nobody else uses, and have the next one opened."""
        try:
            connection.open()
        except _BROKEN as error:
            raise dropped(connection, error) from None
        transport = connection.transport
        with self._lock:
            opened = self._ready.get(transport)
            is_scarce = opened is not None and opened.done() and opened.result() is None
            if not is_scarce:
                self._ready.pop(transport, None)
        channel = opened.result() if opened else None
        if channel is None or channel.closed:
            channel = _open(connection)
        with self._lock:
            if transport not in self._ready:
                self._ready[transport] = _opening(transport)
        return channel


def _open(connection: Connection) -> Channel:
    """Open a session. One that has just ended may still count at the host, so ask twice."""
    until = time.monotonic() + _LAST_WORDS
    while True:
        try:
            channel: Channel = connection.transport.open_session(timeout=LOGIN)
            return channel
        except ChannelException as error:
            if time.monotonic() < until:
                time.sleep(_TURN)
                continue
            raise dropped(connection, error) from None
        except _BROKEN as error:
            if connection.is_connected and _is_alive(connection.transport):
                raise Unreachable(
                    f"{connection.original_host}: opening a session takes longer than "
                    f"{LOGIN:g} s, though the host answers"
                ) from None
            raise dropped(connection, error) from None


def _opening(transport: Transport) -> "Future[Channel | None]":
    """Open a session in the background; None where the host allows no more or the line is gone."""
    opened: Future[Channel | None] = Future()

    def ask() -> None:
        try:
            opened.set_result(transport.open_session(timeout=LOGIN))
        except _BROKEN:
            opened.set_result(None)  # who needs one asks again, and is told why

    # A daemon: on a line that is dead it would keep the program from ending.
    threading.Thread(target=ask, name="next session", daemon=True).start()
    return opened


_SESSIONS = _Sessions()
