"""`inv test` and its kin, as they are typed."""

import json
import subprocess
from pathlib import Path

import pytest

from pipeline.checks import suite_records
from pipeline.checks.suite_evidence import Failure
from pipeline.checks.suite_records import Suite
from tests.unit.test_tasks import inv

from .stages import needs_mix, tiny


def repository(path: Path) -> Path:
    """Records lie in the git directory."""
    path.mkdir(exist_ok=True)
    (path / "mix.exs").touch()
    subprocess.run(["git", "init", "--quiet", path], check=True)
    return path


@needs_mix
def test_several_environments_have_a_verdict_each(tmp_path: Path):
    app = tiny(
        tmp_path / "app",
        {"a": "assert Mix.env() == :test", "b": "assert true"},
        project="twin: :ce_test",
    )
    repository(app)
    words = ("test", "--env", "test,ce_test", "--partitions", "2", "--format", "json")
    ended = inv(*words, cwd=app)
    assert ended.returncode == 1
    verdicts = {row["name"]: row["verdict"] for row in json.loads(ended.stdout)["checks"]}
    assert verdicts == {
        "compile:test": "passed",
        "test:test": "passed",
        "compile:ce_test": "passed",
        "test:ce_test": "failed",
    }
    suites = suite_records.load(app)
    assert suites is not None
    assert suites["test"].failures == ()
    assert suites["ce_test"].failures == (Failure("test/a_test.exs", 3, "test a"),)
    ended = inv("test", "--env", "test,ce_test", "--failed", cwd=app)
    assert ended.returncode == 1
    assert "no failed test is on record for MIX_ENV=test: nothing to run again" in ended.stdout
    assert "1 of 1 tests failed" in ended.stdout


@needs_mix
def test_environment_that_is_not_there_is_unknown_beside_a_green_one(tmp_path: Path):
    app = repository(tiny(tmp_path / "app", {"a": "assert true"}))
    ended = inv("test", "--env", "test,ce_test", cwd=app)
    assert ended.returncode == 3
    assert "the application has no MIX_ENV ce_test" in ended.stdout


@pytest.mark.parametrize(
    ("suites", "reason"),
    [
        ({}, "no run of the tests is on record for MIX_ENV=test"),
        ({"test": Suite()}, "no failed test is on record for MIX_ENV=test: nothing to run again"),
        (
            {"test": Suite({}, (Failure("test/gone_test.exs"),))},
            "no failed test is on record for MIX_ENV=test: nothing to run again",
        ),
    ],
)
def test_nothing_to_run_again_is_unknown(tmp_path: Path, suites: dict[str, Suite], reason: str):
    app = repository(tmp_path / "app")
    suite_records.save(app, suites)
    ended = inv("test", "--failed", cwd=app)
    assert ended.returncode == 3
    assert reason in ended.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["test", "--failed", "--cover"], "--failed runs in one piece: it goes with no --cover"),
        (
            ["test", "--failed", "--partition", "1"],
            "--failed runs in one piece: it goes with no --partition",
        ),
        (["test", "--env", ","], "--env=, is empty; give a value"),
        (["test", "--times", "mix.exs"], "times mix.exs: "),
        (["test", "--parts", "mix.exs"], "--parts 'mix.exs' is no directory"),
        (["test.gather", "--parts", "nowhere"], "--parts 'nowhere' is no directory"),
        (["test.times"], "no times are on record; inv test records them"),
        (["test.times", "--import", "nowhere"], "times nowhere: No such file"),
    ],
)
def test_wrong_option_is_one_line_and_exit_two(tmp_path: Path, words: list[str], message: str):
    ended = inv(*words, cwd=repository(tmp_path / "app"))
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {message}")
    assert ended.stderr.count("\n") == 1


def test_times_of_one_machine_become_those_of_another(tmp_path: Path):
    one, other = repository(tmp_path / "one"), repository(tmp_path / "other")
    suite_records.save(one, {"test": Suite({"test/a_test.exs": 1.5})})
    failures = (Failure("test/b_test.exs"),)
    suite_records.save(other, {"test": Suite({"test/b_test.exs": 2.0}, failures)})
    exported = tmp_path / "times.json"
    assert inv("test.times", "--export", str(exported), cwd=one).returncode == 0
    assert inv("test.times", "--import", str(exported), cwd=other).returncode == 0
    both = {"test/a_test.exs": 1.5, "test/b_test.exs": 2.0}
    assert suite_records.load(other) == {"test": Suite(both, failures)}
    shown = json.loads(inv("test.times", cwd=other).stdout)
    assert shown == {"seconds": {"test": both}, "version": 1}
