"""Tests that print log lines, as the real elixir.yml forbids them."""

import pytest

from pipeline.checks import quiet


@pytest.mark.parametrize(
    "line",
    [
        "14:03:11.123 [error] GenServer terminating",
        "14:03:11.123 [info]  Migrations already up",
        "14:03:11.123 request_id=F1 [warning] slow",
    ],
)
@pytest.mark.parametrize("before", ["", "....", "\x1b[32m.\x1b[0m..\x1b[31m"])
def test_line_of_logger_is_seen_also_behind_the_dots_of_exunit(line: str, before: str):
    assert quiet.log_lines(f"..\n{before}{line}\n...\n") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "....14:03:11.123 [warning] [libcluster:k8s] no nodes",  # the exception of elixir.yml
        "     14:03:11.123 [error] in the report of a failed test, caught by capture_log",
        "Finished in 14:03:11.123 seconds",
        "test [error] is shown (App.ErrorTest)",
    ],
)
def test_other_lines_are_not(line: str):
    assert quiet.log_lines(f"{line}\n") == []
