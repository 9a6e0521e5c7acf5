"""The rule for the verdict and the exit code of a run."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.verdicts import Verdict, exit_code, overall

anything = st.lists(st.sampled_from(Verdict))


@given(anything)
def test_zero_only_if_something_passed_and_nothing_failed_or_is_unknown(verdicts: list[Verdict]):
    green = {Verdict.PASSED, Verdict.REUSED} & set(verdicts)
    bad = {Verdict.FAILED, Verdict.UNKNOWN} & set(verdicts)
    assert (exit_code(verdicts) == 0) == (bool(green) and not bad)


@given(anything)
def test_one_exactly_if_something_failed(verdicts: list[Verdict]):
    assert (exit_code(verdicts) == 1) == (Verdict.FAILED in verdicts)


@given(anything)
def test_everything_else_is_three(verdicts: list[Verdict]):
    assert exit_code(verdicts) in (0, 1, 3)


def test_run_in_which_all_was_skipped_is_unknown():
    assert overall([Verdict.SKIPPED, Verdict.SKIPPED]) is Verdict.UNKNOWN
    assert overall([]) is Verdict.UNKNOWN
