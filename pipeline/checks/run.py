"""One run of checks from plan to outcomes: the event loop, signals, and who runs which row."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pipeline import descendants
from pipeline.ahead import Started
from pipeline.checks import generated, running, scheduler
from pipeline.checks.beams import Beams
from pipeline.checks.check import Check
from pipeline.checks.plan import Planned
from pipeline.checks.running import Context, Listener
from pipeline.checks.scheduler import Runner
from pipeline.checks.slots import Slots
from pipeline.checks.verdicts import Outcome
from pipeline.process import Stop, heeding_signals

_BEAT = 0.25


@dataclass(frozen=True)
class Ran:
    """The outcomes in the order of the rows, and the signal that stopped the run, if one did."""

    outcomes: list[Outcome]
    interrupted_by: int | None


@dataclass(frozen=True)
class Pace:
    """At most `jobs` programs at once; `expected` are seconds by row, the longest chain first.

    With `fail_fast` nothing starts after the first failure.
    """

    jobs: int
    expected: Mapping[str, float]
    fail_fast: bool = False


def run(
    app: Path,
    rows: Sequence[Planned],
    listener: Listener,
    pace: Pace,
    runners: Mapping[str, Runner],
    begun: Started | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Ran:
    """Run the rows on `app`; `runners` has those of rows that are more than one program.

    `begun` is a BEAM that the first row which fits may have (ahead.py).

    Returns when no child is left.

    INT, TERM and HUP end the children, and their checks are unknown; a second one kills them.
    Children see the real environment, never .env.
    """
    return asyncio.run(_run(app, rows, listener, pace, runners, begun, environ))


async def _run(
    app: Path,
    rows: Sequence[Planned],
    listener: Listener,
    pace: Pace,
    runners: Mapping[str, Runner],
    begun: Started | None,
    environ: Mapping[str, str],
) -> Ran:
    stop = Stop()
    rows = scheduler.in_turns(rows, pace.expected)
    urgency = scheduler.urgencies(rows, pace.expected)
    beams = Beams(sum(row.check.shares_beam for row in rows if not row.settled), begun)
    context = Context(app, environ, stop, Slots(pace.jobs, urgency), listener, beams)
    with descendants.guarded(), heeding_signals(stop):
        pulse = asyncio.create_task(_pulse(listener))
        try:
            outcomes = await scheduler.run_all(
                context,
                rows,
                partial(_runner, runners),
                urgency=urgency,
                fail_fast=pace.fail_fast,
            )
        finally:
            await beams.close()
            pulse.cancel()
            with suppress(asyncio.CancelledError):
                await pulse
    return Ran(outcomes, stop.signal)


def _runner(runners: Mapping[str, Runner], check: Check) -> Runner:
    if check.name == "types":
        return generated.run
    return runners.get(check.name, running.run_command)


async def _pulse(listener: Listener) -> None:
    while True:
        await asyncio.sleep(_BEAT)
        listener.beat()
