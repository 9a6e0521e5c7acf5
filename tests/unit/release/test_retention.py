"""What a clean-up may remove."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import retention

days = st.integers(1, 28).map(lambda day: f"202611{day:02}_120000")


@given(st.sets(days), st.integers(1, 8), st.sets(days), st.sets(days))
def test_protected_and_the_newest_good_ones_always_stay(
    names: set[str], keep: int, protected: set[str], failed: set[str]
):
    gone = set(retention.doomed(names, keep=keep, protected=protected, failed=failed))
    good = sorted(names - failed)
    assert gone <= names
    assert not gone & protected
    assert not gone & set(good[-keep:])


@given(st.sets(days), st.integers(1, 8))
def test_no_more_than_keep_stay_unprotected(names: set[str], keep: int):
    gone = retention.doomed(names, keep=keep, protected=())
    assert len(names) - len(gone) == min(keep, len(names))
    assert gone == sorted(gone)


def test_failed_releases_do_not_push_out_good_ones():
    names = ["20261101_000000", "20261102_000000", "20261103_000000", "20261104_000000"]
    failed = names[2:]
    assert retention.doomed(names, keep=2, protected=(), failed=failed) == []


def test_what_is_no_release_is_never_touched():
    assert retention.doomed(["lost+found", "shared", "current"], keep=1, protected=()) == []
