"""ExUnit's counts in all versions, and who is believed: its events before its words."""

import pytest

from pipeline.checks.tools import exunit
from pipeline.checks.tools.exunit import Tally


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("94 tests, 0 failures\n", Tally(94, 0, 0)),
        ("1 test, 1 failure\n", Tally(1, 1, 0)),
        ("3 doctests, 2 properties, 94 tests, 1 failure\n", Tally(99, 1, 0)),
        ("10 tests, 1 failure, 3 excluded, 1 invalid, 2 skipped\n", Tally(5, 2, 3)),
        ("94 tests, 0 failures (2 excluded)\n", Tally(94, 0, 2)),
        ("\x1b[32m94 tests, 0 failures\x1b[0m\n", Tally(94, 0, 0)),
        ("Result: 93 passed, 1 failed\n", Tally(94, 1, 0)),
        ("Result: 6 passed\n", Tally(6, 0, 0)),
        ("no summary at all\n", None),
        ("1 test, 0 failures\n2 tests, 0 failures\n", None),
    ],
)
def test_exunit_summaries_of_all_versions(output: str, expected: Tally | None):
    assert exunit.tally(output) == expected


@pytest.mark.parametrize(
    ("output", "code", "files", "verdict"),
    [
        ("94 tests, 0 failures", 0, "22", "passed"),
        ("94 tests, 2 failures", 2, "22", "failed"),
        ("94 tests, 2 failures", 0, "22", "failed"),
        ("There are no tests to run", 0, "3", "unknown"),
        ("There are no tests to run", 0, "0", "passed"),
        ("", 0, "3", "unknown"),
        ("** (DBConnection.ConnectionError) tcp connect: connection refused", 1, "3", "unknown"),
        ("94 tests, 0 failures", 1, "22", "failed"),
    ],
)
def test_run_that_cannot_carry_our_formatter_passes_only_with_a_count(
    output: str, code: int, files: str, verdict: str
):
    assert exunit.read(output, code, {"files": files}).verdict == verdict


ENDED = {"suites": "1", "ran": "5", "failed": "0", "excluded": "0", "files": "3"}


@pytest.mark.parametrize(
    ("output", "code", "facts", "verdict", "reason"),
    [
        ("3 tests, 0 failures", 0, {"suites": "0"}, "unknown", "exit 0 before ExUnit came to"),
        ("nothing that looks like a count", 0, {}, "passed", "5 tests"),
        ("3 tests, 1 failure", 0, {}, "passed", "5 tests"),
        ("SIGTERM received - shutting down", 0, {}, "passed", "5 tests"),
        ("5 tests, 0 failures", 0, {"failed": "2"}, "failed", "2 of 5 tests failed, and yet"),
        ("5 tests, 0 failures", 0, {"suites": "2"}, "unknown", "2 test suites ran"),
        ("5 tests, 0 failures", 0, {"ran": "0", "excluded": "4"}, "unknown", "4 excluded"),
        ("5 tests, 0 failures", 0, {"ran": "0", "partial": "1"}, "passed", "0 tests"),
    ],
)
def test_word_of_exunits_own_event_beats_what_is_printed(
    output: str, code: int, facts: dict[str, str], verdict: str, reason: str
):
    judgement = exunit.read(output, code, {**ENDED, **facts})
    assert (judgement.verdict, reason in judgement.reason) == (verdict, True), judgement
