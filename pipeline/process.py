"""Running a program so that nothing of it survives, and saying truthfully how it ended.

Every child leads its own session, has /dev/null as its input and none of git's local variables.
A child we end ourselves gets QUIT, TERM, KILL in that order: mix test answers QUIT with the list
of unfinished tests, and a BEAM exits 0 on QUIT, INT and TERM alike (research/checks.md 0.2), so
only `Exited` means that the program came to an end of its own.
"""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from pipeline import descendants, gitlocal, marker
from pipeline.capture import Capture
from pipeline.output import Compact

ENDING = ((signal.SIGQUIT, 1.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0))
"""The signals for a child that must end, and the seconds each is given. A BEAM needs one for TERM
(measured: 1.0 s)."""

_POLL = 0.03


@dataclass(frozen=True)
class Exited:
    """The program ended by itself with this exit code."""

    code: int


@dataclass(frozen=True)
class Signalled:
    """Somebody else ended the program with this signal (the kernel, out of memory: 9)."""

    number: int


@dataclass(frozen=True)
class TimedOut:
    """We ended it after this many seconds."""

    seconds: float


@dataclass(frozen=True)
class Interrupted:
    """We ended it, or never started it, because we were asked to stop."""


@dataclass(frozen=True)
class NotStarted:
    """The program could not be started; `reason` is one line."""

    reason: str


@dataclass(frozen=True)
class EndedEarly:
    """It exited with 0, but before its work was done: a BEAM does so that is told to go."""


Ended: TypeAlias = Exited | Signalled | TimedOut | Interrupted | NotStarted | EndedEarly


@dataclass(frozen=True)
class Command:
    """What to run: the whole environment is given, see `environment`. `timeout` is in seconds."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    timeout: float


@dataclass(frozen=True, repr=False)
class Result:
    """How it ended and what it said; stdout and stderr are one text, in the order of writing.

    `began` is on the clock of time.monotonic, `seconds` is how long it took.
    """

    ended: Ended
    output: Compact = Compact()  # noqa: RUF009 - a descriptor
    seconds: float = 0.0
    began: float = 0.0

    def __repr__(self) -> str:
        """Return all but the output; see Outcome."""
        return f"Result({self.ended!r}, seconds={self.seconds!r}, began={self.began!r})"


class Stop:
    """A request to stop, from a signal; the second one is a request to hurry."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurried = asyncio.Event()
        self.signal: int | None = None

    def ask(self, number: int) -> None:
        """Note the signal; children are ended politely, on a second call at once."""
        if self.asked.is_set():
            self.hurried.set()
        self.signal = self.signal or number
        self.asked.set()


@contextmanager
def heeding_signals(stop: Stop) -> Iterator[None]:
    """Turn INT, TERM and HUP into `stop.ask` inside the running loop; HUP stays off under nohup."""
    loop = asyncio.get_running_loop()
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN or number is signal.SIGINT
    ]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        loop.add_signal_handler(number, stop.ask, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
            # None: a handler that was not installed from Python.
            signal.signal(number, before[number] or signal.SIG_DFL)


def environment(base: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return `base` without git's local variables, with `extra` over it."""
    return gitlocal.without(base) | dict(extra)


async def run(command: Command, stop: Stop) -> Result:
    """Run the command to its end, its time-out or `stop`; leave no descendant alive.

    Never raises for what the program does; a cancelled call kills it at once.
    """
    began = time.monotonic()
    if stop.asked.is_set():
        return Result(Interrupted(), "", 0.0, began)
    program = await start(command)
    if isinstance(program, NotStarted):
        return Result(program, "", 0.0, began)
    capture = Capture(program.output)
    try:
        ended = await program.end(command.timeout, stop)
        await capture.finish()
    finally:
        output = capture.close()
        program.close()
    return Result(ended, output, time.monotonic() - began, began)


async def start(command: Command, inherit: tuple[int, ...] = ()) -> "Program | NotStarted":
    """Start the command in a session of its own; it keeps the descriptors of `inherit` open."""
    _no_core_files()
    own = marker.new_marker()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    try:
        child = await asyncio.create_subprocess_exec(
            *command.argv,
            cwd=command.cwd,
            env={**command.env, own: "1"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            start_new_session=True,
            pass_fds=inherit,
        )
    except OSError as error:
        os.close(reading)
        return NotStarted(_why_not(command, error))
    finally:
        os.close(writing)
    return Program(child, own, reading)


class _Child(Protocol):
    @property
    def pid(self) -> int: ...

    async def wait(self) -> int: ...


class _Spawned:
    """A child of ours that asyncio did not start."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] | None = None

    def _reap(self) -> int:
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    async def wait(self) -> int:
        if self._ended is None:
            self._ended = asyncio.get_running_loop().run_in_executor(None, self._reap)
        # Whoever is cancelled here must not take the answer from the next one.
        return await asyncio.shield(self._ended)


def adopt(pid: int, marker: str, output: int) -> "Program":
    """Return the program that was started as `start` does it, by other means."""
    return Program(_Spawned(pid), marker, output)


class Program:
    """A program that was started, with all that it starts. `output` is the pipe it writes to."""

    def __init__(self, child: _Child, marker: str, output: int) -> None:
        self._child = child
        self._marker = marker
        self.output = output

    async def end(self, timeout: float, stop: Stop) -> Ended:
        """Return how it ended: by itself, after `timeout` seconds, or because of `stop`."""
        ended = await self.end_or(asyncio.Event(), timeout, stop)
        assert ended is not None  # noqa: S101 - nobody can set that event
        return ended

    async def end_or(self, event: asyncio.Event, timeout: float, stop: Stop) -> Ended | None:
        """Return how it ended, or None if it lives and `event` has come first."""
        exit_code = asyncio.ensure_future(self._child.wait())
        asked = asyncio.ensure_future(stop.asked.wait())
        came = asyncio.ensure_future(event.wait())
        pid = self._child.pid
        try:
            await asyncio.wait(
                {exit_code, asked, came}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if came.done() and not exit_code.done() and not asked.done():
                return None
            if exit_code.done() and not asked.done():
                await _end(pid, partial(descendants.leftovers, self._marker, pid), stop)
                code = exit_code.result()
                return Exited(code) if code >= 0 else Signalled(-code)
            ended: Ended = Interrupted() if asked.done() else TimedOut(timeout)
            await _end(pid, partial(descendants.living, self._marker, pid), stop)
            await exit_code
            return ended
        finally:
            for waiting in (exit_code, asked, came):
                waiting.cancel()

    async def gone(self) -> None:
        """Wait until it has ended."""
        await self._child.wait()

    def close(self) -> None:
        """Kill what is left of it; also the way out of a cancelled call, which cannot wait."""
        left = descendants.leftovers(self._marker, self._child.pid)
        descendants.send(left, signal.SIGKILL, self._child.pid)
        os.close(self.output)


async def _end(group: int, find: Callable[[], list[int]], stop: Stop) -> None:
    for number, grace in ENDING:
        if stop.hurried.is_set() and number is not signal.SIGKILL:
            continue
        pids = find()
        if not pids:
            return
        send = descendants.send if number is signal.SIGKILL else descendants.ask_to_end
        send(pids, number, group)
        until = time.monotonic() + grace
        while time.monotonic() < until:
            await asyncio.sleep(_POLL)
            if not find():
                return
            if stop.hurried.is_set() and number is not signal.SIGKILL:
                break


def _no_core_files() -> None:
    """QUIT makes programs other than a BEAM dump core; children inherit that they must not."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def _why_not(command: Command, error: OSError) -> str:
    if not command.cwd.is_dir():
        return f"the directory {command.cwd} does not exist"
    if isinstance(error, FileNotFoundError):
        return f"{command.argv[0]} is not installed"
    return f"{command.argv[0]} cannot be started: {error.strerror}"
