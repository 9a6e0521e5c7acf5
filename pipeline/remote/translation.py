"""What libraries raise for a line, a host or this machine, as errors of ours; the one place for it.

A ValueError, KeyError and the like is a defect of ours, unless it comes from reading what a host
said: who reads that says so there.
"""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from invoke.exceptions import CommandTimedOut, Failure
from paramiko import ChannelException, SSHException

from pipeline import errors
from pipeline.errors import Problem, Unreachable

_OF_THE_LINE = frozenset(
    {errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN, errno.ETIMEDOUT}
)


def translated(error: Exception, where: str) -> Problem | None:
    """Return `error`, raised while working on `where`, as one of ours; None for a defect."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, ChannelException):
        return Unreachable(
            f"{where}: the host refused to open a session: {error.text}",
            remedy="a command needs two at once over its connection: does MaxSessions in "
            "sshd_config, or a limit on the user's processes, allow them?",
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(f"{where}: its name cannot be resolved: {error.strerror}")
    if is_of_the_line(error):
        reason = "no answer in time" if isinstance(error, TimeoutError) else str(error)
        return Unreachable(f"{where}: the connection broke: {reason or 'closed'}")
    if isinstance(error, CommandTimedOut):
        return Unreachable(f"{where}: `{error.result.command}` was not done in {error.timeout} s")
    if isinstance(error, Failure):
        said = error.result.stderr.strip().splitlines()
        return Unreachable(
            f"{where}: `{error.result.command}` failed (exit {error.result.exited})",
            detail="\n".join(said[-20:]),
        )
    known = errors.translated(error)
    if known:
        known.message = f"{where}: {known.message}"
    return known


def is_of_the_line(error: Exception) -> bool:
    """Tell whether `error` comes from a connection, not from this machine's disk or limits."""
    if isinstance(error, (EOFError, SSHException, ConnectionError, TimeoutError)):
        return True
    if type(error) is OSError and error.errno is None:
        return True  # paramiko's "Socket is closed"
    return isinstance(error, OSError) and error.errno in _OF_THE_LINE


@contextmanager
def boundary(where: str) -> Iterator[None]:
    """Translate what the block raises while it works on `where`; a defect says where it struck."""
    try:
        yield
    except Exception as error:
        if (known := translated(error, where)) is None:
            error.add_note(f"while working on {where}")
            raise
        raise known from None
