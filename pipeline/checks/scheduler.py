"""Running the rows of a plan: in parallel, the most urgent first, in the order their needs allow.

A row asks for a place among the running programs as soon as what it waits for has ended, in the
same turn of the event loop: so the place that a program leaves goes to the most urgent row of all,
also if it was that very program that it had to wait for.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from pipeline.checks.check import Check, nothing_to_ask
from pipeline.checks.plan import Planned
from pipeline.checks.running import Context
from pipeline.checks.verdicts import Judgement, Outcome, Verdict, skipped, unknown

Runner: TypeAlias = Callable[[Context, Check], Awaitable[Outcome]]

BEAM_START = 0.6
"""Seconds that a quick mix task takes in a BEAM of its own; in a warm one it is a tenth of it
(docs/decisions/0004-one-beam.md)."""

_GREEN = frozenset({Verdict.PASSED, Verdict.REUSED})


async def run_all(
    context: Context,
    rows: Sequence[Planned],
    runner_of: Callable[[Check], Runner],
    *,
    urgency: Mapping[str, float] | None = None,
    fail_fast: bool = False,
) -> list[Outcome]:
    """Run every row that is not settled and return the outcomes in the order of the rows.

    A failure stops nothing but the rows that need what failed; with `fail_fast` it lets what runs
    come to its end and nothing else start. After `context.stop` nothing new starts either, and
    what did not end by itself is unknown. Raises what a runner raises, and ValueError for rows
    that wait for each other.
    """
    schedule = _Schedule(context, rows, runner_of, urgency or {}, fail_fast=fail_fast)
    return await schedule.run()


def in_turns(rows: Sequence[Planned], seconds: Mapping[str, float]) -> list[Planned]:
    """Return the rows, with those that would take a BEAM of their own for too little put in turn.

    Of rows that can share one BEAM, those that need less than its start go before those that need
    more: waiting for them costs less than a second BEAM on the same cores.
    """
    needed = {name for row in rows for name in (*row.check.needs, *row.check.after)}
    free = {
        row.check.name: row.check
        for row in rows
        if row.check.shares_beam and not row.settled and row.check.name not in needed
    }
    short = {name: check for name, check in free.items() if seconds[name] < BEAM_START}

    def turned(row: Planned) -> Planned:
        check = row.check
        if check.name not in free or check.name in short:
            return row
        before = (name for name, other in short.items() if other.mix_env == check.mix_env)
        return replace(row, check=replace(check, after=(*check.after, *before)))

    return [turned(row) for row in rows]


def urgencies(rows: Sequence[Planned], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for each row how long the longest chain is that begins with it, by these times.

    Settled rows take no time. Rows that wait for each other count once.
    """
    known = {row.check.name: 0.0 if row.settled else seconds[row.check.name] for row in rows}
    followers: dict[str, list[str]] = {name: [] for name in known}
    for row in rows:
        for name in {*row.check.needs, *row.check.after} & known.keys():
            followers[name].append(row.check.name)
    found: dict[str, float] = {}

    def chain(name: str) -> float:
        if name not in found:
            found[name] = known[name]
            found[name] += max((chain(other) for other in followers[name]), default=0.0)
        return found[name]

    return {name: chain(name) for name in known}


class _Schedule:
    """One run: which rows wait, which have asked for a place or run, which have an outcome."""

    def __init__(
        self,
        context: Context,
        rows: Sequence[Planned],
        runner_of: Callable[[Check], Runner],
        urgency: Mapping[str, float],
        *,
        fail_fast: bool,
    ) -> None:
        self._context = context
        self._runner_of = runner_of
        self._fail_fast = fail_fast
        self._order = [row.check.name for row in rows]
        # sorted is stable: equally urgent rows stay in the order of the table.
        by_urgency = sorted(rows, key=lambda row: -urgency.get(row.check.name, 0.0))
        self._waiting = {row.check.name: row for row in by_urgency}
        self._outcomes: dict[str, Outcome] = {}
        self._written: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._first_failure = ""
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> list[Outcome]:
        """Run to the last row."""
        self._advance()
        try:
            await self._over
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        return [self._outcomes[name] for name in self._order]

    async def _answer(self, check: Check) -> Outcome:
        """Run it; what the machine refuses us, a full or read-only disk say, makes it unknown."""
        try:
            return await self._runner_of(check)(self._context, check)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            return Outcome(check.name, Verdict.UNKNOWN, f"{where}{error.strerror or error}")

    def _advance(self) -> None:
        """Let every row ask for a place that waits for nothing any more."""
        moved = True
        while moved:
            moved = False
            for name, row in list(self._waiting.items()):
                if not self._may_go(row.check):
                    continue
                del self._waiting[name]
                moved = True
                judgement = row.settled or self._hindrance(row.check)
                if judgement:
                    self._settle(row.check, _without_run(row.check, judgement))
                else:
                    self._written.update(row.check.writes)
                    self._context.slots.reserve(name, partial(self._start, row.check))
        if self._over.done():
            return
        if len(self._outcomes) == len(self._order):
            self._over.set_result(None)
        elif len(self._outcomes) + len(self._waiting) == len(self._order):
            self._over.set_exception(
                ValueError(f"rows wait for each other: {', '.join(self._waiting)}")
            )

    def _may_go(self, check: Check) -> bool:
        before = (*check.needs, *check.after)
        if any(name in self._order and name not in self._outcomes for name in before):
            return False
        return self._written.isdisjoint(check.writes)

    def _hindrance(self, check: Check) -> Judgement | None:
        for name in check.needs:
            if name in self._outcomes and self._outcomes[name].verdict not in _GREEN:
                return skipped(f"needs {name}, which is {self._outcomes[name].verdict}")
        if self._context.stop.asked.is_set():
            return unknown("interrupted before it started")
        if self._fail_fast and self._first_failure:
            return skipped(f"not started: {self._first_failure} failed, and --fail-fast is given")
        return None

    def _start(self, check: Check) -> None:
        if check.shares_beam:
            # By urgency: who is asked something first must not lose it to those behind.
            self._context.beams.expect(check.name)
        task = asyncio.create_task(self._run_row(check))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error and not self._over.done():
            self._over.set_exception(error)

    async def _run_row(self, check: Check) -> None:
        # Asked again: what happened while it waited for its place counts.
        try:
            judgement = self._hindrance(check) or await self._ask_before(check)
            if judgement:
                outcome = _without_run(check, judgement)
            else:
                outcome = await self._answer(check)
        finally:
            self._context.slots.give_back(check.name)
            self._context.beams.expect_no_more(check.name)
        self._written.difference_update(check.writes)
        self._settle(check, outcome)
        # In the turn in which the place became free, so before it is handed out.
        self._advance()

    async def _ask_before(self, check: Check) -> Judgement | None:
        if check.preflight is nothing_to_ask:
            return None
        # It may take seconds, and Ctrl-C and the board want to be heard meanwhile.
        return await asyncio.to_thread(check.preflight, self._context.app, self._context.environ)

    def _settle(self, check: Check, outcome: Outcome) -> None:
        self._outcomes[check.name] = outcome
        if outcome.verdict is Verdict.FAILED:
            self._first_failure = self._first_failure or check.name
        self._context.listener.finished(check, outcome)


def _without_run(check: Check, judgement: Judgement) -> Outcome:
    return Outcome(check.name, judgement.verdict, judgement.reason)
