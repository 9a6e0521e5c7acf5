"""What `inv test --failed` says to mix, and what it asks of the answer."""

from pipeline.checks import rerun
from pipeline.checks.suite_evidence import Evidence, Failure

ONE, TWO = Failure("test/b_test.exs", 9, "test one: a"), Failure("test/a_test.exs", 3, "test two")
FILES = ("test/a_test.exs", "test/b_test.exs")


def test_tests_go_by_name_within_their_files():
    words = ("--only", "test:test one: a", "--only", "test:test two")
    assert rerun.arguments([ONE, TWO]) == (*FILES, *words)


def test_file_that_failed_as_a_whole_runs_as_a_whole():
    assert rerun.arguments([ONE, Failure("test/a_test.exs")]) == FILES


def test_more_names_than_a_command_line_should_hold_run_as_files():
    many = [Failure("test/a_test.exs", line, f"test {line}") for line in range(1000)]
    assert rerun.arguments(many) == ("test/a_test.exs",)


def test_pass_in_which_a_failed_test_did_not_run_is_a_shortfall():
    loaded = frozenset(FILES)
    full = Evidence(loaded, ran={"test/a_test.exs": 1, "test/b_test.exs": 2})
    assert rerun.shortfall([ONE, TWO], full) == ""
    less = Evidence(loaded, ran={"test/a_test.exs": 1})
    assert rerun.shortfall([ONE, TWO], less).endswith("test/b_test.exs")
    assert rerun.shortfall([ONE, TWO], None) == "ExUnit left no evidence of which tests ran"
