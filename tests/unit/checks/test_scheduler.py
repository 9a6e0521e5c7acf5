"""The scheduler: order, exclusion, and what becomes of rows whose needs failed."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.checks import scheduler
from pipeline.checks.check import Check
from pipeline.checks.plan import Planned
from pipeline.checks.running import Context
from pipeline.checks.scheduler import Runner
from pipeline.checks.verdicts import Judgement, Outcome, Verdict, skipped, unknown
from pipeline.process import Stop

from .stages import Recorder, context


def row(
    name: str,
    *,
    needs: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
    writes: tuple[str, ...] = (),
    settled: Judgement | None = None,
) -> Planned:
    check = Check(name, name, (name,), (), needs=needs, after=after, writes=writes)
    return Planned(check, settled)


def run(
    rows: list[Planned], verdicts: Mapping[str, Verdict], stop: Stop | None = None
) -> tuple[dict[str, Outcome], list[str]]:
    """Run the rows with runners that give these verdicts, passed where none is named."""

    async def runner(stage: Context, check: Check) -> Outcome:
        stage.listener.started(check)
        await asyncio.sleep(0.01)
        return Outcome(check.name, verdicts.get(check.name, Verdict.PASSED))

    def runner_of(_check: Check) -> Runner:
        return runner

    async def scenario() -> tuple[dict[str, Outcome], list[str]]:
        stage = context(Path("/"), stop=stop)
        outcomes = await scheduler.run_all(stage, rows, runner_of)
        assert isinstance(stage.listener, Recorder)
        return {outcome.check: outcome for outcome in outcomes}, stage.listener.events

    return asyncio.run(scenario())


def test_outcomes_come_in_the_order_of_the_rows():
    outcomes, _ = run([row("b", after=("a",)), row("a")], {})
    assert list(outcomes) == ["b", "a"]


def test_row_starts_when_what_it_needs_has_passed():
    _, events = run([row("test", needs=("compile",)), row("compile")], {})
    assert events == ["start compile", "passed compile", "start test", "passed test"]


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN, Verdict.SKIPPED])
def test_row_whose_need_is_not_green_is_skipped_and_so_is_what_needs_it(verdict: Verdict):
    rows = [row("a"), row("b", needs=("a",)), row("c", needs=("b",)), row("d")]
    outcomes, events = run(rows, {"a": verdict})
    assert outcomes["b"].reason == f"needs a, which is {verdict}"
    assert outcomes["c"].verdict is Verdict.SKIPPED
    assert outcomes["d"].verdict is Verdict.PASSED
    assert "start b" not in events


def test_row_that_only_comes_after_another_runs_whatever_that_one_said():
    outcomes, _ = run(
        [row("compile"), row("format", after=("compile",))], {"compile": Verdict.FAILED}
    )
    assert outcomes["format"].verdict is Verdict.PASSED


def test_rows_that_are_not_in_the_plan_hold_nobody_up():
    outcomes, _ = run([row("credo", after=("compile",), needs=("compile",))], {})
    assert outcomes["credo"].verdict is Verdict.PASSED


def test_two_writers_of_one_thing_never_run_at_once():
    rows = [row("a", writes=("x", "y")), row("b", writes=("y", "x")), row("c", writes=("x",))]
    _, events = run(rows, {})
    running = 0
    for event in events:
        running += 1 if event.startswith("start") else -1
        assert running <= 1


def test_settled_row_never_runs():
    outcomes, events = run([row("sobelow", settled=skipped("not here"))], {})
    assert outcomes["sobelow"].reason == "not here"
    assert events == ["skipped sobelow"]


def test_preflight_settles_a_row_without_running_it():
    check = Check("credo", "credo", ("credo",), (), preflight=lambda _a, _e: unknown("no base"))
    outcomes, events = run([Planned(check)], {})
    assert outcomes["credo"].reason == "no base"
    assert events == ["unknown credo"]


def test_after_a_stop_what_has_not_started_is_unknown():
    stop = Stop()
    stop.ask(2)
    outcomes, events = run([row("a"), row("b")], {}, stop)
    assert {outcome.verdict for outcome in outcomes.values()} == {Verdict.UNKNOWN}
    assert events == ["unknown a", "unknown b"]


def test_defect_in_a_runner_is_raised_not_swallowed():
    def runner_of(_check: Check) -> Runner:
        async def runner(_stage: Context, _check: Check) -> Outcome:
            raise ZeroDivisionError

        return runner

    async def scenario() -> None:
        await scheduler.run_all(context(Path("/")), [row("a"), row("b", needs=("a",))], runner_of)

    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())


def sharing(name: str, *, needs: tuple[str, ...] = (), mix_env: str = "test") -> Planned:
    check = Check(name, name, (name,), (), needs=needs, mix_env=mix_env, shares_beam=True)
    return Planned(check)


def test_what_takes_less_than_a_beam_of_its_own_goes_before_the_long_row():
    rows = [sharing("compile"), sharing("format"), sharing("test", needs=("compile",)), row("lint")]
    seconds = {"compile": 0.1, "format": 0.4, "test": 60.0, "lint": 0.1}
    turned = {one.check.name: one.check.after for one in scheduler.in_turns(rows, seconds)}
    assert turned == {"compile": (), "format": (), "test": ("format",), "lint": ()}


@pytest.mark.parametrize(
    ("other", "took"),
    [(sharing("format", mix_env="dev"), 0.1), (row("format"), 0.1), (sharing("format"), 5.0)],
)
def test_what_can_share_no_beam_or_needs_long_itself_is_not_waited_for(other: Planned, took: float):
    turned = scheduler.in_turns([other, sharing("test")], {"format": took, "test": 60.0})
    assert [one.check.after for one in turned] == [(), ()]
