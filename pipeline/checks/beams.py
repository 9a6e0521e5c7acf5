"""Mix rows in BEAMs that earlier rows have left warm, and the proof that a task came to its end.

The start of a BEAM and the load of a project cost half a second of CPU time, more than most quick
rows need for their work (docs/decisions/0004-one-beam.md). beam.exs runs the tasks and says how a
pass is told; whatever is no pass ends its BEAM, and the next row gets a fresh one.
"""

import os
import secrets
import time

from pipeline import ahead, process
from pipeline.ahead import Started
from pipeline.capture import Capture
from pipeline.process import (
    Command,
    Ended,
    EndedEarly,
    Exited,
    Interrupted,
    NotStarted,
    Program,
    Result,
    Stop,
)

_SEPARATOR = "\x1f"
_STREAMS = 2
"""Both lead into one pipe and nothing orders them: a task is over when each has said so."""


class Beams:
    """The BEAMs of one run; at most `rows` more rows will ask for one.

    `begun` is one that boots already.
    """

    def __init__(self, rows: int = 0, begun: Started | None = None) -> None:
        self._rows = rows
        self._begun = begun
        self._idle: list[Beam] = []
        self._expected: list[str] = []

    def expect(self, row: str) -> None:
        """Keep a BEAM for `row` from those that are expected later, however long it takes."""
        self._expected.append(row)

    def expect_no_more(self, row: str) -> None:
        """Give up what `expect` kept for it, if it has not been used."""
        if row in self._expected:
            self._expected.remove(row)

    async def run(self, row: str, command: Command, stop: Stop) -> Result:
        """Run `mix TASK …` as process.run does, in a BEAM that is idle if there is one.

        An exit code of 0 counts only with the word of the task, else the end is EndedEarly.
        """
        self._rows -= 1
        began = time.monotonic()
        if stop.asked.is_set():
            return Result(Interrupted(), "", 0.0, began)
        earlier = self._expected.index(row) if row in self._expected else len(self._expected)
        self.expect_no_more(row)
        warm = await self._taker(command) if earlier < len(self._idle) else None
        beam = warm or self._adopt(command) or await _start(command)
        if isinstance(beam, NotStarted):
            return Result(beam, "", 0.0, began)
        try:
            ended, output = await beam.outcome(command.timeout, stop)
        except BaseException:
            beam.close()
            raise
        if beam.waits and len(self._idle) < self._rows:
            self._idle.append(beam)
        else:
            await beam.end()
        return Result(ended, output, time.monotonic() - began, began)

    async def close(self) -> None:
        """End the idle ones."""
        while self._idle:
            await self._idle.pop().end()

    def _adopt(self, command: Command) -> "Beam | None":
        """Return the BEAM that was begun before the run, if it is what the command needs."""
        begun = self._begun
        if begun is None or not begun.take(str(command.cwd), command.env):
            return None
        program = process.adopt(begun.pid, begun.marker, begun.output)
        beam = Beam(program, command, begun.orders, begun.mark)
        beam.take(command)
        return beam

    async def _taker(self, command: Command) -> "Beam | None":
        """Return an idle BEAM that has taken the order, if there is one."""
        while beam := next((beam for beam in self._idle if beam.fits(command)), None):
            self._idle.remove(beam)
            if beam.take(command):
                return beam
            await beam.end()
        return None


class Beam:
    """One BEAM that waits for orders, with the pipe on which it gets them."""

    def __init__(self, program: Program, command: Command, orders: int, mark: str) -> None:
        self._program = program
        self._command = command
        self._orders = orders
        self._mark = mark.encode()
        self.waits = True

    def fits(self, command: Command) -> bool:
        """Return whether the command finds here what it would find in a BEAM of its own."""
        return (command.cwd, command.env) == (self._command.cwd, self._command.env)

    def take(self, command: Command) -> bool:
        """Give the order; False if the BEAM is no more."""
        try:
            os.write(self._orders, os.fsencode(f"{_SEPARATOR.join(command.argv[1:])}\n"))
        except BrokenPipeError:
            return False
        return True

    async def outcome(self, timeout: float, stop: Stop) -> tuple[Ended, str]:
        """Return how the task ended and what it said; then `waits` tells if the BEAM goes on."""
        capture = Capture(self._program.output, self._mark + b"+", _STREAMS)
        try:
            ended = await self._program.end_or(capture.reached, timeout, stop)
            self.waits = ended is None
            if ended is not None:
                await capture.finish()
        finally:
            text = capture.close()
        said = text.count(self._mark.decode())
        for sign in "+.":
            text = text.replace(f"{self._mark.decode()}{sign}", "")
        if ended is None:
            return Exited(0), text
        return EndedEarly() if ended == Exited(0) and said < _STREAMS else ended, text

    async def end(self) -> None:
        """End it, whatever it does, and wait until it is gone."""
        self.close()
        await self._program.gone()

    def close(self) -> None:
        """End it, without waiting."""
        os.close(self._orders)
        self._program.close()


async def _start(command: Command) -> "Beam | NotStarted":
    mark = f"\x1e{secrets.token_hex(8)}"
    reading, writing = os.pipe()
    # By its number: what the BEAM starts does not inherit it.
    argv = ("elixir", ahead.DRIVER, f"/dev/fd/{reading}", mark)
    started = Command(argv, command.cwd, command.env, command.timeout)
    try:
        program = await process.start(started, inherit=(reading,))
    finally:
        os.close(reading)
    if isinstance(program, NotStarted):
        os.close(writing)
        return program
    beam = Beam(program, command, writing, mark)
    beam.take(command)
    return beam
