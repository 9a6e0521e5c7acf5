"""Partitions: together the whole suite, each with a count of its own."""

import asyncio
import os
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipeline.checks import coverage, partitions, suite_records, table
from pipeline.checks.partitions import Partitioning
from pipeline.checks.scheduler import Runner
from pipeline.checks.suite_evidence import Evidence, Failure
from pipeline.checks.suite_part import Manner, Part
from pipeline.checks.suite_records import Suite
from pipeline.checks.tools.exunit import Tally
from pipeline.checks.verdicts import PASSED, Judgement, Outcome, Verdict, failed, unknown
from pipeline.process import Exited, Result

from .stages import Recorder, context, tiny

needs_mix = pytest.mark.needs("mix")
ROW = table.testing("test", compiled_by="compile")


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


def test_file_that_no_part_loaded_is_unknown_though_it_was_dealt_out():
    lax = replace(part(1, ("a", "b"), PASSED, 3), evidence=Evidence(frozenset({"a"})))
    strict = replace(lax, evidence=Evidence(frozenset({"a", "b"})))
    judgement = partitions.judge([lax], ["a", "b"], 1, whole=True)
    assert judgement == unknown("1 of 2 test files were never loaded: b")
    assert partitions.judge([strict], ["a", "b"], 1, whole=True).verdict is Verdict.PASSED


def test_single_partition_to_which_no_file_falls_is_right():
    empty = part(3, (), PASSED, None)
    said = Judgement(Verdict.PASSED, "no test files fall to it")
    assert partitions.judge([empty], ["a", "b"], 3, whole=False) == said


def compiled(app: Path) -> Path:
    """Compile as the row before this one does: two mix of 1.14 that compile at once may fail."""
    environ = {**os.environ, "MIX_ENV": "test"}
    subprocess.run(["mix", "compile"], cwd=app, env=environ, check=True, capture_output=True)
    return app


def run(
    app: Path, partitioning: Partitioning, runner: Runner | None = None
) -> tuple[Outcome, list[str]]:
    async def scenario() -> tuple[Outcome, list[str]]:
        stage = context(app)
        runs = runner or partial(partitions.run, partitioning=partitioning)
        outcome = await runs(stage, ROW)
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
def test_real_test_that_prints_a_count_and_halts_does_not_pass(tmp_path: Path):
    """Nested suites and tests of generators print such lines; exit code 0 is a BEAM's own."""
    halts = 'IO.puts("\\n3 tests, 0 failures"); System.halt(0)'
    app = tiny(tmp_path / "app", {"a": halts, "b": "assert true"})
    outcome, _ = run(compiled(app), Partitioning(2))
    assert "3 tests, 0 failures" in outcome.output
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.reason == "partition 1: exit 0 before ExUnit came to the end of the suite"


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


def repository(app: Path) -> Path:
    """Records lie in the git directory."""
    subprocess.run(["git", "init", "--quiet", app], check=True)
    return compiled(app)


@needs_mix
def test_real_suite_is_balanced_by_the_times_on_record_and_every_job_agrees(tmp_path: Path):
    bodies = dict.fromkeys("abc", 'IO.puts("in " <> System.get_env("MIX_TEST_PARTITION"))')
    app = compiled(tiny(tmp_path / "app", bodies))
    seconds = {"test": {f"test/{name}_test.exs": took for name, took in (("a", 1), ("c", 9))}}
    whole, _ = run(app, Partitioning(2, seconds=seconds))
    assert (whole.verdict, whole.reason) == (Verdict.PASSED, "3 tests in 2 partitions")
    assert "mix test test/c_test.exs\n" in whole.output
    assert "mix test test/a_test.exs test/b_test.exs\n" in whole.output
    single, _ = run(app, Partitioning(2, single=2, seconds=seconds))
    assert single.output.count("in 2") == 2


@needs_mix
def test_real_failures_of_all_partitions_run_again_and_only_they(tmp_path: Path):
    red = "assert Tiny.one() == 2"
    app = repository(tiny(tmp_path / "app", {"a": red, "b": red, "c": "assert true"}))
    outcome, _ = run(app, Partitioning(3))
    assert outcome.verdict is Verdict.FAILED
    suites = suite_records.load(app)
    assert suites is not None
    failures = (Failure("test/a_test.exs", 3, "test a"), Failure("test/b_test.exs", 3, "test b"))
    assert suites["test"].failures == failures
    # Lines move while people repair.
    for name, body in (("a", "assert true"), ("b", red)):
        path = app / f"test/{name}_test.exs"
        path.write_text("\n\n" + path.read_text().replace(red, body))
    once = partial(partitions.again, suites=suites)
    outcome, _ = run(app, Partitioning(1), once)
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "1 of 2 tests failed")
    suites = suite_records.load(app)
    assert suites is not None
    assert [failure.file for failure in suites["test"].failures] == ["test/b_test.exs"]


@needs_mix
def test_real_failed_test_that_is_gone_does_not_pass(tmp_path: Path):
    app = repository(tiny(tmp_path / "app", {"a": "assert true"}))
    suite = Suite({}, (Failure("test/a_test.exs", 3, "test a"), Failure("test/a_test.exs", 9, "x")))
    outcome, _ = run(app, Partitioning(1), partial(partitions.again, suites={"test": suite}))
    said = "not every test that failed ran again: test/a_test.exs"
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, said)


@needs_mix
def test_real_file_that_does_not_compile_fails_whole_and_is_on_record(tmp_path: Path):
    app = repository(tiny(tmp_path / "app", {"a": "assert true", "b": "assert ("}))
    outcome, _ = run(app, Partitioning(2))
    assert outcome.verdict is Verdict.FAILED
    suites = suite_records.load(app)
    assert suites is not None
    assert suites["test"].failures == (Failure("test/b_test.exs"),)


COVERED = Manner(cover=True)


@needs_mix
def test_real_coverage_is_that_of_all_partitions_and_of_nothing_older(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert Tiny.one() == 1", "b": "assert Tiny.two() == 2"})
    two = "def one, do: 1\n  def two, do: 2\n  def three, do: 3\n  def four, do: 4"
    (app / "lib/tiny.ex").write_text(f"defmodule Tiny do\n  {two}\nend\n")
    compiled(app)
    (app / "cover").mkdir()
    (app / "cover/old.coverdata").write_text("not of this run")
    asked = Partitioning(2, manner=COVERED, rule=coverage.Rule(50))
    outcome, _ = run(app, asked)
    said = "2 tests in 2 partitions, coverage 50 %"
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, said)
    assert sorted(path.name for path in (app / "cover").glob("*.coverdata")) == [
        "qusto-1.coverdata",
        "qusto-2.coverdata",
    ]
    outcome, _ = run(app, replace(asked, single=1, rule=coverage.Rule(100)))
    assert outcome.reason == "1 tests, coverage exported, inv test.gather merges"


@needs_mix
def test_real_tests_that_log_fail_with_the_line_where_quiet_is_asked_for(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": 'require Logger; Logger.error("out of paper")'})
    text = (app / "mix.exs").read_text()
    logger = "  def application, do: [extra_applications: [:logger]]\n\n  def project"
    (app / "mix.exs").write_text(text.replace("  def project", logger))
    compiled(app)
    outcome, _ = run(app, Partitioning(1, manner=Manner(quiet=True)))
    assert outcome.verdict is Verdict.FAILED
    assert outcome.reason.startswith("the tests print log lines (quiet_tests): ")
    assert outcome.reason.endswith("[error] out of paper")
    outcome, _ = run(app, Partitioning(1))
    assert outcome.verdict is Verdict.PASSED
