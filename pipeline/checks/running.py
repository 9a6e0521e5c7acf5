"""Running one check: from a row to an outcome, with a slot for every program it starts."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pipeline import mix_program, process
from pipeline.checks import readers
from pipeline.checks.beams import Beams
from pipeline.checks.check import Check
from pipeline.checks.slots import Slots
from pipeline.checks.verdicts import Judgement, Outcome, unknown
from pipeline.process import Command, Ended, Exited, Stop


class Listener(Protocol):
    """Who hears of the progress of a run; the reporters are such."""

    def started(self, check: Check) -> None:
        """Its first program starts now."""

    def noted(self, check: Check, note: str) -> None:
        """How far it is, in a few words."""

    def finished(self, check: Check, outcome: Outcome) -> None:
        """It has a verdict."""

    def beat(self) -> None:
        """A quarter of a second has gone by."""


@dataclass(frozen=True)
class Context:
    """What all checks of a run share. `slots` bounds the programs that run at once."""

    app: Path
    environ: Mapping[str, str]
    stop: Stop
    slots: Slots
    listener: Listener
    beams: Beams = field(default_factory=Beams)
    started: set[str] = field(default_factory=set)

    async def execute(
        self,
        check: Check,
        *,
        argv: tuple[str, ...] = (),
        cwd: Path | None = None,
        extra: Mapping[str, str] | None = None,
        warm: bool = False,
    ) -> process.Result:
        """Run the check's program, or another `argv` or `cwd`, once a slot is free.

        With `warm` also another `argv` may go to a BEAM that has been used (beams.py).
        """
        environ = process.environment(self.environ, {**check.extra_environment, **(extra or {})})
        words = argv or (*check.argv, *check.machine)
        command = Command(words, cwd or self.app, environ, check.timeout)
        async with self._slot(check):
            own = check.shares_beam and mix_program.is_elixirs_own(environ.get("PATH"))
            if own and (warm or not argv):
                return await self.beams.run(check.name, command, self.stop)
            self.beams.expect_no_more(check.name)
            return await process.run(command, self.stop)

    @asynccontextmanager
    async def _slot(self, check: Check) -> AsyncIterator[None]:
        async with self.slots.place(check.name):
            if check.name not in self.started and not self.stop.asked.is_set():
                self.started.add(check.name)
                self.listener.started(check)
            yield


async def run_command(context: Context, check: Check) -> Outcome:
    """Run a check that is one program in the application's directory."""
    result = await context.execute(check)
    # It may start a program of its own.
    environ = {**context.environ, **check.extra_environment}
    facts = await asyncio.to_thread(check.facts, context.app, environ)
    return outcome(check, result, judge(check, result, facts))


def judge(check: Check, result: process.Result, facts: Mapping[str, str]) -> Judgement:
    """Return the reader's verdict if the program ended by itself, else unknown and how it ended."""
    if isinstance(result.ended, Exited):
        return check.read(result.output, result.ended.code, facts)
    return unknown(how_it_ended(result.ended))


def how_it_ended(ended: Ended) -> str:
    """Return in a few words why a program gave no answer."""
    match ended:
        case process.Exited(code):
            return f"exit {code}"
        case process.Signalled(number):
            name = signal.Signals(number).name
            return f"killed by {name}{' (out of memory?)' if number == 9 else ''}"
        case process.TimedOut(seconds):
            return f"ended by us after {seconds:g} s (time-out)"
        case process.Interrupted():
            return "interrupted"
        case process.NotStarted(reason):
            return reason
        case process.EndedEarly():
            return "exit 0 before it came to its end: something else ended it"


def outcome(check: Check, result: process.Result, judgement: Judgement) -> Outcome:
    """Return the outcome of a check that is this one result."""
    return Outcome(
        check=check.name,
        verdict=judgement.verdict,
        reason=judgement.reason,
        seconds=result.seconds,
        exit_code=result.ended.code if isinstance(result.ended, Exited) else None,
        output=check.show(result.output),
        findings=tuple(check.find(readers.plain(result.output))) if check.machine else None,
    )
