"""What the scheduler promises for every graph of rows, number of places and set of failures."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checks import scheduler
from pipeline.checks.check import Check
from pipeline.checks.plan import Planned
from pipeline.checks.running import Context
from pipeline.checks.slots import Slots
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.process import Stop

from .stages import Recorder

# Each example is an event loop of its own; how long that takes is the machine's affair.
RULE = settings(max_examples=50, deadline=None)


@dataclass(frozen=True)
class Case:
    """A run: rows in table order, how each ends, how many turns its programs take, and so on."""

    rows: tuple[Planned, ...]
    verdicts: Mapping[str, Verdict]
    turns: Mapping[str, tuple[int, ...]]
    seconds: Mapping[str, float]
    jobs: int
    fail_fast: bool


@dataclass
class Seen:
    """What happened: begin and end of rows in order, and what was so at each begin."""

    outcomes: list[Outcome] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    most_programs: int = 0

    def index(self, event: str, name: str) -> int:
        return self.log.index((event, name))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    names = draw(st.permutations([f"r{number}" for number in range(draw(st.integers(1, 8)))]))
    rows = []
    for number, name in enumerate(names):
        # Only rows drawn before, so there is no circle; the order of the table is another one.
        before = st.lists(st.sampled_from(names[:number]), max_size=3) if number else st.just([])
        rows.append(
            Planned(
                Check(
                    name,
                    name,
                    (name,),
                    (),
                    needs=tuple(draw(before)),
                    after=tuple(draw(before)),
                    writes=tuple(draw(st.lists(st.sampled_from("xyz"), max_size=2))),
                    shares_beam=draw(st.booleans()),
                )
            )
        )
    endings = st.sampled_from([Verdict.PASSED] * 4 + [Verdict.FAILED, Verdict.UNKNOWN])
    programs = st.lists(st.integers(0, 4), min_size=0, max_size=3).map(tuple)
    return Case(
        rows=tuple(draw(st.permutations(rows))),
        verdicts={name: draw(endings) for name in names},
        turns={name: draw(programs) for name in names},
        seconds={name: draw(st.sampled_from([0.0, 1.0, 2.0, 5.0])) for name in names},
        jobs=draw(st.integers(1, 4)),
        fail_fast=draw(st.booleans()),
    )


def run(case: Case) -> Seen:
    seen = Seen()
    programs = 0

    async def program(stage: Context, name: str, turns: int) -> None:
        nonlocal programs
        async with stage.slots.place(name):
            programs += 1
            seen.most_programs = max(seen.most_programs, programs)
            for _ in range(turns):
                await asyncio.sleep(0)
            programs -= 1

    async def runner(stage: Context, check: Check) -> Outcome:
        seen.log.append(("begin", check.name))
        match case.turns[check.name]:
            case (turns,):
                await program(stage, check.name, turns)
            case several:  # like the partitions of a suite
                await asyncio.gather(*(program(stage, check.name, n) for n in several))
        seen.log.append((case.verdicts[check.name], check.name))
        seen.log.append(("end", check.name))
        return Outcome(check.name, case.verdicts[check.name])

    async def scenario() -> list[Outcome]:
        rows = scheduler.in_turns(case.rows, case.seconds)
        urgency = scheduler.urgencies(rows, case.seconds)
        slots = Slots(case.jobs, urgency)
        stage = Context(Path("/"), {}, Stop(), slots, Recorder())
        return await asyncio.wait_for(
            scheduler.run_all(
                stage, rows, lambda _check: runner, urgency=urgency, fail_fast=case.fail_fast
            ),
            timeout=30,
        )

    seen.outcomes = asyncio.run(scenario())
    return seen


@given(cases())
@RULE
def test_every_row_has_one_outcome_in_table_order_and_runs_at_most_once(case: Case):
    seen = run(case)
    assert [o.check for o in seen.outcomes] == [row.check.name for row in case.rows]
    begun = [name for event, name in seen.log if event == "begin"]
    assert len(begun) == len(set(begun))
    assert {o.check for o in seen.outcomes if o.verdict is not Verdict.SKIPPED} == set(begun)


@given(cases())
@RULE
def test_no_row_begins_before_what_it_needs_or_comes_after_has_ended(case: Case):
    seen = run(case)
    verdicts = {o.check: o.verdict for o in seen.outcomes}
    begun = [name for event, name in seen.log if event == "begin"]
    for row in case.rows:
        if row.check.name not in begun:
            continue
        for name in row.check.needs:
            assert verdicts[name] is Verdict.PASSED
        for name in (*row.check.needs, *row.check.after):
            if name in begun:
                assert seen.index("end", name) < seen.index("begin", row.check.name)


@given(cases())
@RULE
def test_two_writers_of_one_thing_are_never_at_it_together(case: Case):
    seen = run(case)
    writes = {row.check.name: set(row.check.writes) for row in case.rows}
    busy: set[str] = set()
    for event, name in seen.log:
        if event == "begin":
            assert busy.isdisjoint(writes[name])
            busy |= writes[name]
        elif event == "end":
            busy -= writes[name]


@given(cases())
@RULE
def test_never_more_programs_at_once_than_jobs(case: Case):
    assert run(case).most_programs <= case.jobs


@given(cases())
@RULE
def test_with_fail_fast_nothing_begins_after_the_first_failure(case: Case):
    seen = run(case)
    events = [event for event, _ in seen.log]
    if case.fail_fast and Verdict.FAILED in events:
        assert "begin" not in events[events.index(Verdict.FAILED) :]


@given(cases())
@RULE
def test_without_fail_fast_only_a_need_that_is_not_green_skips_a_row(case: Case):
    if case.fail_fast:
        return
    seen = run(case)
    verdicts = {o.check: o.verdict for o in seen.outcomes}
    for row in case.rows:
        green = all(verdicts[name] is Verdict.PASSED for name in row.check.needs)
        assert (verdicts[row.check.name] is Verdict.SKIPPED) == (not green)


@given(cases())
@RULE
def test_the_same_run_goes_the_same_way_twice(case: Case):
    first, second = run(case), run(case)
    assert first.log == second.log
    assert first.outcomes == second.outcomes


def plain(name: str, **more: tuple[str, ...]) -> Planned:
    return Planned(Check(name, name, (name,), (), **more))  # type: ignore[arg-type]


def sequence(rows: tuple[Planned, ...], seconds: Mapping[str, float], jobs: int = 1) -> list[str]:
    names = [row.check.name for row in rows]
    case = Case(
        rows,
        verdicts=dict.fromkeys(names, Verdict.PASSED),
        turns=dict.fromkeys(names, (3,)),
        seconds=seconds,
        jobs=jobs,
        fail_fast=False,
    )
    return [name for event, name in run(case).log if event == "begin"]


def test_the_longest_begins_first():
    rows = (plain("short"), plain("long"), plain("middle"))
    assert sequence(rows, {"short": 1, "long": 9, "middle": 5}) == ["long", "middle", "short"]


def test_equally_long_rows_begin_in_table_order():
    rows = (plain("b"), plain("a"), plain("c"))
    assert sequence(rows, {"a": 1, "b": 1, "c": 1}) == ["b", "a", "c"]


def test_a_short_row_that_a_long_one_waits_for_counts_with_it():
    rows = (plain("lint"), plain("compile"), plain("test", needs=("compile",)))
    assert sequence(rows, {"lint": 3, "compile": 1, "test": 5}) == ["compile", "test", "lint"]


def test_the_place_a_row_leaves_goes_to_the_most_urgent_even_if_it_had_to_wait_for_that_row():
    rows = (plain("compile"), plain("lint"), plain("test", after=("compile",)))
    assert sequence(rows, {"lint": 1.5, "compile": 1, "test": 2}) == ["compile", "test", "lint"]


def test_rows_that_wait_for_each_other_are_an_error_not_a_hang():
    rows = [plain("a", after=("b",)), plain("b", needs=("a",))]

    async def scenario() -> None:
        stage = Context(Path("/"), {}, Stop(), Slots(1), Recorder())
        await scheduler.run_all(stage, rows, lambda _check: None)  # type: ignore[arg-type, return-value]

    with pytest.raises(ValueError, match="wait for each other: a, b"):
        asyncio.run(scenario())


def test_a_place_asked_for_in_vain_is_not_lost():
    async def scenario() -> None:
        slots = Slots(1)

        async def hold(name: str) -> None:
            async with slots.place(name):
                await asyncio.sleep(0)

        async with slots.place("first"):
            given_up = asyncio.create_task(hold("second"))
            await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
        await asyncio.wait_for(hold("third"), timeout=10)

    asyncio.run(scenario())


def test_fail_fast_lets_the_running_end_and_names_the_failure_that_kept_the_rest():
    case = Case(
        rows=(plain("bad"), plain("slow"), plain("later")),
        verdicts={"bad": Verdict.FAILED, "slow": Verdict.PASSED, "later": Verdict.PASSED},
        turns={"bad": (1,), "slow": (9,), "later": (1,)},
        seconds={"bad": 3, "slow": 2, "later": 1},
        jobs=2,
        fail_fast=True,
    )
    bad, slow, later = run(case).outcomes
    assert (bad.verdict, slow.verdict) == (Verdict.FAILED, Verdict.PASSED)
    assert later.verdict is Verdict.SKIPPED
    assert later.reason == "not started: bad failed, and --fail-fast is given"
