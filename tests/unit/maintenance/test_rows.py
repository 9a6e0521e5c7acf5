"""Duties side by side: what cannot be looked at is unknown, never fine."""

import pytest

from pipeline.errors import ExitCode, Problem
from pipeline.maintenance import rows
from pipeline.maintenance.rows import Duty, Found, Period, State


def duty(what: str, found: Found | Problem) -> Duty:
    def look() -> Found:
        if isinstance(found, Problem):
            raise found
        return found

    return Duty(Period.WEEKLY, what, f"show {what}", look)


OK, DUE = Found(State.OK, "fine"), Found(State.DUE, "old")
OFFLINE = Problem("nobody answers", detail="much more of it")


def test_rows_keep_their_order_and_a_problem_is_unknown():
    found = rows.look([duty("a", OK), duty("b", OFFLINE), duty("c", DUE)])
    assert [(row.what, row.state, row.evidence) for row in found] == [
        ("a", State.OK, "fine"),
        ("b", State.UNKNOWN, "nobody answers"),
        ("c", State.DUE, "old"),
    ]
    assert found[1].command == "show b"


def test_defect_of_ours_is_not_taken_for_a_network():
    def broken() -> Found:
        raise ValueError

    with pytest.raises(ValueError):
        rows.look([Duty(Period.WEEKLY, "x", "", broken)])


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([OK, OK], ExitCode.DONE),
        ([OK, OFFLINE], ExitCode.UNKNOWN),
        ([DUE, OFFLINE], ExitCode.CHECK_FAILED),
        ([DUE], ExitCode.CHECK_FAILED),
    ],
)
def test_exit_code_is_that_of_the_worst_that_is_known(found: list[Found | Problem], code: ExitCode):
    assert rows.exit_code(rows.look([duty("x", one) for one in found])) == code
