"""Names of releases are times of the server's clock, always growing."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.release import naming

times = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31)).map(
    lambda time: time.strftime("%Y%m%d_%H%M%S")
)


@given(times, st.lists(times))
def test_following_name_is_greater_than_every_existing_one(clock: str, existing: list[str]):
    name = naming.following(clock, existing)
    assert naming.is_name(name)
    assert all(name > other for other in existing)


@given(times)
def test_following_name_is_the_clock_where_nothing_exists(clock: str):
    assert naming.following(clock, []) == clock


@given(times, st.lists(times))
def test_following_name_was_never_used(clock: str, existing: list[str]):
    used = {naming.following(clock, existing)}
    used.add(naming.following(clock, existing, used))
    name = naming.following(clock, existing, used)
    assert name not in used
    assert all(name > other for other in existing)


def test_names_follow_the_clock_again_once_a_future_one_is_only_in_the_history():
    future = "21000101_000000"
    assert naming.following("20261123_120000", [future]) == "21000101_000001"
    assert naming.following("20261123_120000", [], {future}) == "20261123_120000"


def test_that_names_run_ahead_of_the_clock_is_said():
    note = naming.ahead_note("21000101_000001", "20261123_120000")
    assert "named in the future" in note
    assert naming.ahead_note("20261123_120001", "20261123_120000") == ""


def test_no_name_comes_after_the_last_one():
    with pytest.raises(UsageProblem, match="no name comes after the release 99991231_235959"):
        naming.following("20261123_120000", ["99991231_235959"])


def test_clock_set_back_does_not_make_the_newest_release_look_old():
    assert naming.following("20260101_000000", ["20261231_235959"]) == "20270101_000000"


@given(st.text())
def test_what_is_not_a_name_never_passes(text: str):
    assert naming.is_name(text) == (
        len(text) == 15
        and text.isascii()
        and text[8] == "_"
        and text.replace("_", "").isdigit()
        and len(text.replace("_", "")) == 14
        and _is_time(text)
    )


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y%m%d_%H%M%S")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("text", ["../../etc", "20261323_000000", "current", "", "2026_11"])
def test_option_that_is_no_name_is_refused(text: str):
    with pytest.raises(UsageProblem, match="--to="):
        naming.checked(text, "--to")


def test_name_of_a_backup_directory_is_understood():
    assert naming.checked("release_20261123_120000", "--to") == "20261123_120000"
