"""What the next run knows of this one: times by file, and what failed."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import suite_records, whole
from pipeline.checks.suite_evidence import Evidence, Failure
from pipeline.checks.suite_records import Seen, Suite
from pipeline.errors import UsageProblem

A, B, C = "test/a_test.exs", "test/b_test.exs", "test/c_test.exs"
IN_A, IN_B = Failure(A, 3, "test one"), Failure(B, 9, "test two")


def evidence(*files: str, failures: tuple[Failure, ...] = ()) -> Evidence:
    return Evidence(frozenset(files), dict.fromkeys(files, 2.0), failures=failures)


def test_failures_of_all_partitions_are_on_record_together():
    parts = [
        Seen((A,), evidence(A, failures=(IN_A,)), green=False),
        Seen((B, C), evidence(B, C, failures=(IN_B,)), green=False),
    ]
    assert suite_records.after(Suite(), parts).failures == (IN_A, IN_B)


def test_file_that_ran_again_answers_for_itself_and_the_others_stay():
    suite = Suite({}, (IN_A, IN_B))
    assert suite_records.after(suite, [Seen((B,), evidence(B), green=True)]).failures == (IN_A,)


def test_without_evidence_a_red_part_has_failed_as_a_whole():
    suite = suite_records.after(Suite(), [Seen((A, B), None, green=False)])
    assert suite.failures == (Failure(A), Failure(B))
    suite = suite_records.after(Suite(), [Seen((A,), evidence(A), green=False)])
    assert suite.failures == (Failure(A),), "red for another reason than a failed test"


def test_times_are_the_mean_of_now_and_before():
    suite = suite_records.after(Suite({A: 4.0, C: 1.0}), [Seen((A, B), evidence(A, B), green=True)])
    assert suite.seconds == {A: 3.0, B: 2.0, C: 1.0}


def test_record_is_kept_by_mix_env_in_the_git_directory(tmp_path: Path):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    assert suite_records.load(tmp_path) is None
    suite_records.save(tmp_path, {"test": Suite({A: 1.0}, (IN_A,))})
    suite_records.save(tmp_path, {"ce_test": Suite()})
    assert suite_records.load(tmp_path) == {"test": Suite({A: 1.0}, (IN_A,)), "ce_test": Suite()}
    assert list(tmp_path.iterdir()) == [tmp_path / ".git"]


@given(st.dictionaries(st.text(), st.dictionaries(st.text(), st.floats(0, 1e6))))
def test_times_file_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, known: dict[str, dict[str, float]]
):
    path = tmp_path_factory.mktemp("times") / "times.json"
    found = suite_records.times({env: Suite(seconds) for env, seconds in known.items()})
    whole.write(path, suite_records.as_json(found))
    assert suite_records.read_times(path).seconds == known


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2, "seconds": {}}', '{"seconds": {"test": {"a": -1}}}']
)
def test_bad_times_file_is_named(tmp_path: Path, text: str):
    path = tmp_path / "times.json"
    path.write_text(text)
    with pytest.raises(UsageProblem, match=r"times\.json"):
        suite_records.read_times(path)
