"""Running the rows of a plan: in parallel, in the order their needs allow, to the last one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from pipeline.checks.check import Check
from pipeline.checks.plan import Planned
from pipeline.checks.running import Context
from pipeline.checks.verdicts import Outcome, Verdict, unknown

Runner: TypeAlias = Callable[[Context, Check], Awaitable[Outcome]]

_GREEN = frozenset({Verdict.PASSED, Verdict.REUSED})


async def run_all(
    context: Context, rows: Sequence[Planned], runner_of: Callable[[Check], Runner]
) -> list[Outcome]:
    """Run every row that is not settled and return the outcomes in the order of the rows.

    A failure stops nothing but the rows that need what failed. After `context.stop` nothing new
    starts, and what did not end by itself is unknown.
    """
    tasks: dict[str, asyncio.Task[Outcome]] = {}
    writers = {item: asyncio.Lock() for row in rows for item in row.check.writes}
    # All tasks exist before the first one runs, so each may look up any other.
    for row in rows:
        tasks[row.check.name] = asyncio.create_task(
            _run_row(context, row, tasks, writers, runner_of(row.check))
        )
    return list(await asyncio.gather(*tasks.values()))


async def _run_row(
    context: Context,
    row: Planned,
    tasks: Mapping[str, "asyncio.Task[Outcome]"],
    writers: Mapping[str, asyncio.Lock],
    runner: Runner,
) -> Outcome:
    outcome = await _verdict_of(context, row, tasks, writers, runner)
    context.listener.finished(row.check, outcome)
    return outcome


async def _verdict_of(
    context: Context,
    row: Planned,
    tasks: Mapping[str, "asyncio.Task[Outcome]"],
    writers: Mapping[str, asyncio.Lock],
    runner: Runner,
) -> Outcome:
    check = row.check
    if row.settled:
        return Outcome(check.name, row.settled.verdict, row.settled.reason)
    for name in (*check.after, *check.needs):
        if name in tasks:
            # Shielded: our own end must not cancel a row that others wait for too.
            before = await asyncio.shield(tasks[name])
            if name in check.needs and before.verdict not in _GREEN:
                reason = f"needs {name}, which is {before.verdict}"
                return Outcome(check.name, Verdict.SKIPPED, reason)
    if context.stop.asked.is_set():
        judgement = unknown("interrupted before it started")
        return Outcome(check.name, judgement.verdict, judgement.reason)
    settled = check.preflight(context.app, context.environ)
    if settled:
        return Outcome(check.name, settled.verdict, settled.reason)
    # Sorted, so that two rows that want the same two locks cannot wait for each other.
    locks = [writers[item] for item in sorted(check.writes)]
    for lock in locks:
        await lock.acquire()
    try:
        return await runner(context, check)
    finally:
        for lock in locks:
            lock.release()
