"""The parts that CI jobs leave become one verdict, or none if they are not of one suite."""

import asyncio
import json
import os
import subprocess
from pathlib import Path

import msgspec
import pytest

from pipeline.checks import coverage, gathering, partitions, parts, table
from pipeline.checks.gathering import Gathering
from pipeline.checks.partitions import Partitioning
from pipeline.checks.parts import Kept
from pipeline.checks.suite_part import Manner
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.errors import UsageProblem

from .stages import context, needs_mix, tiny

ROW = table.testing("test", compiled_by="compile")


def kept(number: int, *files: str, **changes: object) -> Kept:
    known = Kept(
        env="test",
        number=number,
        count=2,
        files=files,
        verdict=Verdict.PASSED,
        reason="",
        ran=len(files),
        excluded=0,
        loaded=files,
        seconds={},
        failures=(),
        sources="now",
    )
    return msgspec.structs.replace(known, **changes)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], "no part of it is there"),
        ([kept(2, "b")], "missing: partition 1 of 2"),
        ([kept(1, "a"), kept(2, "b", count=3)], "parts of different splits: 2, 3 partitions"),
        ([kept(1, "a"), kept(2, "b"), kept(2, "b")], "the same partition twice"),
        (
            [kept(1, "a"), kept(2, "b", sources="before")],
            "stale: partition 2 has tested other sources",
        ),
        ([kept(1, "a"), kept(2, "b")], ""),
    ],
)
def test_what_is_not_one_suite_on_these_sources_is_refused(found: list[Kept], said: str):
    assert parts.hindrance(found, "now") == said


def test_coverage_that_is_missing_or_not_its_own_is_refused(tmp_path: Path):
    (tmp_path / "mix.exs").write_text("")
    (tmp_path / "test-2.coverdata").write_text("of another run")
    found = [kept(1, "a", coverage="x"), kept(2, "b", coverage="y"), kept(3)]
    said = "no coverage of its own from partition 1, 2"
    assert parts.bring_coverage(found, tmp_path, tmp_path) == said


def test_file_that_is_no_part_is_named(tmp_path: Path):
    (tmp_path / "test-1.json").write_text("{}")
    with pytest.raises(UsageProblem, match=r"test-1\.json is no part"):
        parts.read(tmp_path, "test")


def test_sources_are_content_and_name_but_not_what_is_built(tmp_path: Path):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.ex").write_text("one")
    before = parts.sources(tmp_path)
    (tmp_path / "_build").mkdir()
    (tmp_path / "_build/a.ex").write_text("x")
    (tmp_path / "README.md").write_text("x")
    assert parts.sources(tmp_path) == before
    (tmp_path / "lib/a.ex").rename(tmp_path / "lib/b.ex")
    assert parts.sources(tmp_path) != before


def run(app: Path, directory: Path, single: int = 0, limit: float = 0) -> Outcome:
    """Run one partition that leaves itself in `directory`, or gather them there."""
    job = Partitioning(2, single, manner=Manner(cover=True), keep=directory)
    gathered = Gathering(directory, cover=True, rule=coverage.Rule(limit))

    async def scenario() -> Outcome:
        stage = context(app)
        if single:
            return await partitions.run(stage, ROW, job)
        return await gathering.run(stage, ROW, gathered)

    return asyncio.run(scenario())


@needs_mix
def test_real_jobs_are_gathered_with_their_coverage_until_the_sources_change(tmp_path: Path):
    bodies = {"a": "assert Tiny.one() == 1", "b": "assert Tiny.two() == 2", "c": "assert true"}
    app = tiny(tmp_path / "app", bodies)
    (app / "lib/tiny.ex").write_text("defmodule Tiny do\n  def one, do: 1\n  def two, do: 2\nend\n")
    subprocess.run(["git", "init", "--quiet", app], check=True)
    environ = {**os.environ, "MIX_ENV": "test"}
    subprocess.run(["mix", "compile"], cwd=app, env=environ, check=True, capture_output=True)
    left = tmp_path / "parts"
    assert run(app, left, single=1).verdict is Verdict.PASSED
    outcome = run(app, left)
    assert (outcome.verdict, outcome.reason) == (
        Verdict.UNKNOWN,
        f"{left}: missing: partition 2 of 2",
    )
    assert run(app, left, single=2).verdict is Verdict.PASSED
    outcome = run(app, left, limit=100)
    said = "3 tests in 2 partitions, coverage 100 %"
    assert (outcome.verdict, outcome.reason) == (Verdict.PASSED, said)

    second = json.loads((left / "test-2.json").read_text())
    (left / "test-2.json").write_text(json.dumps(second | {"files": [], "loaded": []}))
    outcome = run(app, left)
    said = "the partitions hold 2 of 3 test files"
    assert (outcome.verdict, outcome.reason) == (Verdict.UNKNOWN, said)
    (left / "test-2.json").write_text(
        json.dumps(second | {"verdict": "failed", "reason": "1 of 1"})
    )
    outcome = run(app, left)
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "partition 2: 1 of 1")
    (app / "lib/tiny.ex").write_text("defmodule Tiny do\nend\n")
    assert "stale: partition 1, 2" in run(app, left).reason
