"""Problems become one text and one exit code, in one place."""

import pytest
from invoke.exceptions import Exit

from pipeline.errors import (
    ExitCode,
    Locked,
    Problem,
    RollbackFailed,
    RolledBack,
    Unreachable,
    UsageProblem,
    speaking,
)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Problem, 1),
        (UsageProblem, 2),
        (RolledBack, 10),
        (RollbackFailed, 11),
        (Locked, 12),
        (Unreachable, 13),
    ],
)
def test_each_problem_ends_in_its_documented_code(kind: type[Problem], code: int):
    @speaking
    def task() -> None:
        raise kind("what happened")

    with pytest.raises(Exit) as caught:
        task()
    assert caught.value.code == code
    assert caught.value.message == "error: what happened"


def test_a_usage_problem_is_one_line():
    problem = UsageProblem("hosts.toml [staging]: `hosts` is empty", remedy='hosts = ["a"]')
    assert len(str(problem).splitlines()) == 1


def test_message_then_remedy_then_detail():
    problem = Problem("it failed", remedy="do this", detail="log line\n")
    assert str(problem).splitlines() == ["it failed", "  → do this", "log line"]


def test_a_defect_of_ours_is_not_hidden():
    @speaking
    def task() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        task()


def test_the_codes_are_those_of_the_contract():
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "CHECK_FAILED": 1,
        "USAGE": 2,
        "UNKNOWN": 3,
        "ROLLED_BACK": 10,
        "ROLLBACK_FAILED": 11,
        "LOCKED": 12,
        "UNREACHABLE": 13,
    }


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (OSError(28, "No space left on device", "/tmp/x"), "No space left on device: '/tmp/x'"),
        (OSError(24, "Too many open files"), "Too many open files"),
        (FileNotFoundError(2, "No such file or directory", "git"), "No such file or directory"),
        (RuntimeError("can't start new thread"), "no more threads"),
        (MemoryError(), "out of memory"),
    ],
)
def test_what_this_machine_fails_in_is_one_line_and_unknown(raised: Exception, said: str):
    @speaking
    def task() -> None:
        raise raised

    with pytest.raises(Exit) as caught:
        task()
    assert caught.value.code == 3
    message = str(caught.value.message)
    assert message.startswith("error: this machine")
    assert said in message
    assert len(message.splitlines()) <= 2
