"""Does a service answer? Each is asked in its own protocol: an open port alone may be anything."""

import socket
import struct
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from pipeline.services.named import Kind, Service

TIMEOUT = 2.0
"""Seconds for one answer, from the connection to its last byte."""

START = "inv services.up"
"""The command that starts what the application names."""

_MOST = 4096
"""Bytes after which an answer is none of ours."""


class Fault(StrEnum):
    """Why a service does not answer."""

    CLOSED = "closed"
    """Nobody listens there."""
    SILENT = "silent"
    """Somebody listens and says nothing, or cannot be reached in time."""
    FOREIGN = "foreign"
    """Something else listens there."""
    REFUSING = "refusing"
    """It is the service, and it takes no work from us."""


@dataclass(frozen=True)
class Trouble:
    """A fault, and what there is to say about it in half a line."""

    fault: Fault
    text: str


def complaint(service: Service, trouble: Trouble) -> str:
    """Return in one line which service it is, who names it, what is wrong and what helps."""
    said = f"{service.kind} at {service.address} ({service.named_in}): {trouble.text}"
    startable = trouble.fault is Fault.CLOSED and service.is_local
    return f"{said}; start it: {START}" if startable else said


def answering(service: Service) -> str:
    """Return in half a line that it answers, where, and who names it."""
    return f"answers at {service.address} ({service.named_in})"


def ask_all(services: Sequence[Service], timeout: float = TIMEOUT) -> list[Trouble | None]:
    """Ask all at the same time, for `timeout` seconds; None for each that answers."""
    if not services:
        return []
    with ThreadPoolExecutor(len(services)) as pool:
        return list(pool.map(lambda service: ask(service, timeout), services))


def ask(service: Service, timeout: float = TIMEOUT) -> Trouble | None:
    """Return why the service does not answer within `timeout` seconds; None if it does."""
    try:
        with socket.create_connection((service.host, service.port), timeout) as connection:
            line = _Line(connection, time.monotonic() + timeout)
            return _PROTOCOLS[service.kind](line, service)
    except ConnectionRefusedError:
        return Trouble(Fault.CLOSED, "connection refused")
    except TimeoutError:
        return Trouble(Fault.SILENT, f"no answer within {timeout:g} s")
    except socket.gaierror as error:
        return Trouble(Fault.CLOSED, f"no such host ({error.strerror})")
    except (ConnectionResetError, BrokenPipeError):
        return Trouble(Fault.FOREIGN, f"the connection was cut: no {service.kind}, or a broken one")
    except OSError as error:
        return Trouble(Fault.CLOSED, error.strerror or type(error).__name__)


@dataclass(frozen=True)
class _Line:
    """A connection with a point in time by which all must be said."""

    connection: socket.socket
    deadline: float

    def say(self, words: bytes) -> None:
        self.connection.settimeout(max(0.001, self.deadline - time.monotonic()))
        self.connection.sendall(words)

    def hear(self, enough: Callable[[bytes], bool]) -> bytes:
        """Return what is said until it is enough, too much, or the end; raises TimeoutError."""
        heard = b""
        while not enough(heard) and len(heard) < _MOST:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self.connection.settimeout(left)
            more = self.connection.recv(_MOST)
            if not more:
                break
            heard += more
        return heard


def _postgresql(line: _Line, service: Service) -> Trouble | None:
    """Ask for a session, up to the server's question for the password.

    Protocol 3.0 (postgresql.org/docs/current/protocol-message-formats.html). Unlike an SSLRequest,
    which a server answers before it looks whether it can take anyone, this tells a starting, full
    or forbidding server from a ready one. R: go on; E: fields, of which M is the message.
    """
    parameters = b"user\0" + (service.user or "postgres").encode() + b"\0\0"
    line.say(struct.pack("!ii", 8 + len(parameters), 196608) + parameters)
    heard = line.hear(_whole_message)
    if heard[:1] == b"R":
        return None
    if heard[:1] == b"E" and _whole_message(heard):
        fields = heard[5:].split(b"\0")
        message = next((field[1:] for field in fields if field[:1] == b"M"), b"")
        return Trouble(Fault.REFUSING, f"it refuses: {_shown(message)}")
    return _foreign(service)


def _whole_message(heard: bytes) -> bool:
    return len(heard) >= 5 and len(heard) > int.from_bytes(heard[1:5], "big")


def _redis(line: _Line, service: Service) -> Trouble | None:
    if service.password:
        words = [b"AUTH", *([service.user.encode()] if service.user else [])]
        line.say(_command(*words, service.password.encode()))
        heard = line.hear(_whole_line)
        if heard[:1] != b"+":
            return _redis_trouble(heard, service)
    line.say(_command(b"PING"))
    heard = line.hear(_whole_line)
    return None if heard.startswith(b"+PONG") else _redis_trouble(heard, service)


def _command(*words: bytes) -> bytes:
    """Return the words in RESP (redis.io/docs/latest/develop/reference/protocol-spec)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def _redis_trouble(heard: bytes, service: Service) -> Trouble:
    if heard[:1] == b"-":
        return Trouble(Fault.REFUSING, f"it refuses: {_shown(heard[1:])}")
    return _foreign(service)


def _whole_line(heard: bytes) -> bool:
    return b"\n" in heard


def _clickhouse(line: _Line, service: Service) -> Trouble | None:
    # Without keep-alive the end of the connection is the end of the answer.
    line.say(f"GET /ping HTTP/1.0\r\nHost: {service.address}\r\n\r\n".encode())
    head, _, body = line.hear(lambda heard: heard.endswith(b"\r\n\r\nOk.\n")).partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    if not head.startswith(b"HTTP/1.") or len(words) < 2:
        return _foreign(service)
    if words[1] == b"200":
        return None if body.strip() == b"Ok." else _foreign(service)
    if b"X-ClickHouse-" in head:
        return Trouble(Fault.REFUSING, f"it refuses: HTTP {_shown(words[1])}")
    return _foreign(service)


_PROTOCOLS: dict[Kind, Callable[[_Line, Service], Trouble | None]] = {
    Kind.POSTGRESQL: _postgresql,
    Kind.REDIS: _redis,
    Kind.CLICKHOUSE: _clickhouse,
}


def _foreign(service: Service) -> Trouble:
    return Trouble(Fault.FOREIGN, f"something else than {service.kind} answers there")


def _shown(words: bytes) -> str:
    """Return a stranger's first line, short and printable."""
    text = words.split(b"\r\n")[0].decode("utf-8", "replace")
    return "".join(sign if sign.isprintable() else "?" for sign in text.strip())[:200]
