"""Partitions: together the whole suite, each with a count of its own."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import balance, databases, partitions, table
from pipeline.checks.partitions import Partitioning
from pipeline.checks.readers import Tally
from pipeline.checks.suite_part import Part
from pipeline.checks.verdicts import PASSED, Judgement, Outcome, Verdict, failed, unknown
from pipeline.process import Exited, Result

from .stages import Recorder, context, tiny

needs_mix = pytest.mark.skipif(shutil.which("mix") is None, reason="mix is not installed")
ROW = table.testing("test", compiled_by="compile")

files_and_count = st.tuples(
    st.lists(
        st.from_regex(r"test/[a-z]{1,3}(/[a-z_é]{1,3})?_test\.exs", fullmatch=True), unique=True
    ),
    st.integers(1, 12),
)


@given(files_and_count)
def test_shares_are_disjoint_and_together_the_inventory(case: tuple[list[str], int]):
    files, count = case
    shares = [balance.share(files, number, count) for number in range(1, count + 1)]
    assert sorted(file for share in shares for file in share) == sorted(files)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_share_is_that_of_mix():
    files = ["test/c_test.exs", "test/a_test.exs", "test/b_test.exs", "test/d_test.exs"]
    assert balance.share(files, 1, 3) == ("test/a_test.exs", "test/d_test.exs")
    assert balance.share(files, 3, 3) == ("test/c_test.exs",)


def part(number: int, files: tuple[str, ...], judgement: Judgement, ran: int | None) -> Part:
    tally = None if ran is None else Tally(ran, 0, 0)
    return Part(number, files, Result(Exited(0), "", 0.0, 0.0), judgement, tally)


def test_all_parts_green_and_whole_is_a_pass_with_the_sum():
    parts = [part(1, ("a",), PASSED, 3), part(2, ("b",), PASSED, 4)]
    judgement = partitions.judge(parts, ["a", "b"], 2, whole=True)
    assert judgement == Judgement(Verdict.PASSED, "7 tests in 2 partitions")


def test_parts_that_are_not_the_inventory_are_unknown():
    parts = [part(1, ("a",), PASSED, 3), part(2, ("b",), PASSED, 4)]
    judgement = partitions.judge(parts, ["a", "b", "c"], 2, whole=True)
    assert judgement == unknown("the partitions hold 2 of 3 test files")


def test_suite_in_which_no_test_ran_is_unknown():
    parts = [part(1, ("a",), PASSED, 0), part(2, (), PASSED, None)]
    assert partitions.judge(parts, ["a"], 2, whole=True).verdict is Verdict.UNKNOWN


def test_one_failure_outweighs_what_is_unknown_elsewhere():
    parts = [part(1, ("a",), unknown("interrupted"), None), part(2, ("b",), failed("1 of 4"), 4)]
    assert partitions.judge(parts, ["a", "b"], 2, whole=True) == failed("partition 2: 1 of 4")


@pytest.mark.parametrize(
    ("name", "text", "shared"),
    [
        (".env.test", "DATABASE_URL=postgres://127.0.0.1/plausible_test\n", True),
        (".env.test", "BASE_URL=http://localhost\n", False),
        ("test.exs", 'config :a, A.Repo,\n  database: "a_test"\n', True),
        ("test.exs", 'database: "a_test#{System.get_env("MIX_TEST_PARTITION")}"\n', False),
        ("runtime.exs", "import Config\n", False),
    ],
)
def test_database_for_all_is_recognised(tmp_path: Path, name: str, text: str, shared: bool):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / name).write_text(text)
    assert bool(databases.shared(tmp_path)) is shared


def compiled(app: Path) -> Path:
    """Compile as the row before this one does: two mix of 1.14 that compile at once may fail."""
    environ = {**os.environ, "MIX_ENV": "test"}
    subprocess.run(["mix", "compile"], cwd=app, env=environ, check=True, capture_output=True)
    return app


def run(app: Path, partitioning: Partitioning) -> tuple[Outcome, list[str]]:
    async def scenario() -> tuple[Outcome, list[str]]:
        stage = context(app)
        outcome = await partitions.run(stage, ROW, partitioning)
        assert isinstance(stage.listener, Recorder)
        return outcome, stage.listener.events

    return asyncio.run(scenario())


@needs_mix
def test_real_suite_in_partitions_of_which_one_is_rightly_empty(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert Tiny.one() == 1", "b": "assert true"})
    outcome, events = run(compiled(app), Partitioning(3))
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "2 tests in 3 partitions")
    assert "note test: 3 of 3 partitions" in events


@needs_mix
def test_real_failure_in_one_partition_fails_and_shows_only_that_one(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert true", "b": "assert Tiny.one() == 2"})
    outcome, _ = run(compiled(app), Partitioning(2))
    assert (outcome.verdict, outcome.reason) == (
        Verdict.FAILED,
        "partition 2: 1 of 1 tests failed",
    )
    assert "MIX_TEST_PARTITION=2 mix test --partitions 2" in outcome.output
    assert "partition 1 of 2" not in outcome.output


@needs_mix
def test_real_single_partition_is_not_held_to_be_the_whole(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert true", "b": "assert true", "c": "assert true"})
    outcome, _ = run(compiled(app), Partitioning(2, single=1))
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "2 tests")


@needs_mix
def test_real_suite_whose_tests_are_all_excluded_is_unknown(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert true"})
    (app / "test/test_helper.exs").write_text("ExUnit.start(exclude: [:test])\n")
    outcome, _ = run(compiled(app), Partitioning(1))
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, "no test ran (1 excluded)")


@needs_mix
def test_real_test_files_elsewhere_are_those_that_mix_names(tmp_path: Path):
    app = tiny(tmp_path / "app", {}, project='test_paths: ["specs"], test_pattern: "*_spec.exs"')
    (app / "specs").mkdir()
    (app / "specs/test_helper.exs").write_text("ExUnit.start()\n")
    (app / "specs/a_spec.exs").write_text(
        'defmodule ASpec do\n  use ExUnit.Case\n  test "a", do: assert true\nend\n'
    )
    outcome, _ = run(compiled(app), Partitioning(2))
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, "1 tests in 2 partitions")


def test_application_without_tests_is_unknown(tmp_path: Path):
    (tmp_path / "mix.exs").write_text("")
    outcome, events = run(tmp_path, Partitioning(6))
    assert outcome.verdict is Verdict.UNKNOWN
    assert events == []


@needs_mix
def test_shared_database_makes_partitions_take_turns(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "Process.sleep(50)", "b": "Process.sleep(50)"})
    (app / "config").mkdir()
    (app / "config/.env.test").write_text("DATABASE_URL=postgres://127.0.0.1/tiny_test\n")
    outcome, _ = run(compiled(app), Partitioning(2))
    assert outcome.verdict is Verdict.PASSED
    assert outcome.reason.endswith(
        "one by one: config/.env.test names one database for all partitions"
    )
