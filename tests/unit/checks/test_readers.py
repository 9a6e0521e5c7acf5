"""Each way in which a tool's exit code 0 lies, and what its output really means.

The texts follow what the tools printed on toy projects, as research/checks.md has it, with the
versions named there; they were written down, not recorded byte by byte. What mix does for real
is tested beside this file and in test_process.py.
"""

import pytest

from pipeline.checks import readers
from pipeline.checks.readers import Tally
from pipeline.checks.verdicts import Verdict

NO_FACTS: dict[str, str] = {}

OFFLINE = """fatal: unable to access 'https://github.com/mirego/elixir-security-advisories.git/': \
Could not resolve host: github.com
No vulnerabilities found.
"""  # mix_audit 2.1.5, recorded

SOBELOW = """##############################################
#          Running Sobelow - v0.14.1         #
##############################################

Traversal.SendFile: Directory Traversal in `send_file` - High Confidence
File: lib/app_web/page_controller.ex
Line: 4

-----------------------------------------------

Config.CSRF: Missing CSRF Protections - Low Confidence
File: lib/app_web/router.ex

-----------------------------------------------

... SCAN COMPLETE ...
"""

CONF_WITHOUT_EXIT = '[\n  verbose: true,\n  threshold: "low",\n  ignore: []\n]\n'


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "passed"), (1, "failed"), (126, "unknown"), (127, "unknown"), (137, "unknown")],
)
def test_shells_own_exit_codes_are_unknown(code: int, verdict: str):
    assert readers.by_exit_code("", code, NO_FACTS).verdict == verdict


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Unchecked dependencies for environment test:\n* credo", "mix deps.get"),
        ("Could not find Hex, which is needed to build dependency :credo", "mix local.hex"),
        ('** (Mix) The task "credo" could not be found', "does not exist"),
    ],
)
def test_mix_that_did_not_get_to_its_task_is_unknown(output: str, reason: str):
    judgement = readers.mix(output, 1, NO_FACTS)
    assert judgement.verdict is Verdict.UNKNOWN
    assert reason in judgement.reason


def test_beam_that_somebody_else_terminated_is_unknown_though_it_exits_zero():
    output = "...\n\n10:00:00.000 [notice] SIGTERM received - shutting down\n\n"
    assert readers.mix(output, 0, NO_FACTS).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("output", "verdict", "reason"),
    [
        ("Compilation failed due to warnings while using the --warn", "failed", "warnings"),
        ("== Compilation error in file lib/a.ex ==", "failed", "it does not compile"),
        ("** (Mix) anything else", "failed", "exit 1"),
        ("Unchecked dependencies for environment test:", "unknown", "not fetched"),
    ],
)
def test_compilation_says_why(output: str, verdict: str, reason: str):
    judgement = readers.compilation(output, 1, NO_FACTS)
    assert judgement.verdict == verdict
    assert reason in judgement.reason


def test_formatting_counts_the_files():
    output = (
        "** (Mix) mix format failed\nThe following files are not formatted:\n\n  * a.ex\n  * b.ex\n"
    )
    assert readers.formatting(output, 1, NO_FACTS).reason == "2 files are not formatted"
    assert readers.formatting("** (SyntaxError) lib/a.ex:1", 1, NO_FACTS).reason == "exit 1"


def test_jest_without_tests_is_unknown():
    output = "No tests found, exiting with code 0\nRun with `--passWithNoTests`"
    assert readers.npm(output, 0, NO_FACTS).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("code", "verdict", "reason"),
    [
        (0, "passed", ""),
        (4, "failed", "readability"),
        (24, "failed", "refactoring, warnings"),
        (31, "failed", "consistency, design, readability, refactoring, warnings"),
        (128, "unknown", "exit 128"),
    ],
)
def test_credo_exit_code_is_a_sum_of_categories_below_128(code: int, verdict: str, reason: str):
    judgement = readers.credo("", code, NO_FACTS)
    assert judgement.verdict == verdict
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("output", "code", "verdict"),
    [
        ("done (passed successfully)", 0, "passed"),
        ("Total errors: 3", 2, "failed"),
        ("Error: Could not open PLT", 1, "unknown"),
        ("Unused filters:\n{...}", 1, "failed"),
    ],
)
def test_dialyzer_fails_on_two_and_is_unknown_on_one(output: str, code: int, verdict: str):
    assert readers.dialyzer(output, code, NO_FACTS).verdict == verdict


def test_audit_that_could_not_fetch_its_advisories_is_unknown():
    judgement = readers.deps_audit(OFFLINE, 0, {"advisories": "119"})
    assert judgement.verdict is Verdict.UNKNOWN
    assert "Could not resolve host" in judgement.reason


@pytest.mark.parametrize("facts", [{}, {"advisories": "0"}])
def test_audit_without_any_advisory_is_unknown(facts: dict[str, str]):
    assert readers.deps_audit("No vulnerabilities found.\n", 0, facts).verdict is Verdict.UNKNOWN


def test_audit_that_says_nothing_is_unknown():
    assert readers.deps_audit("", 0, {"advisories": "119"}).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("read", "words"),
    [(readers.deps_audit, "No vulnerabilities found."), (readers.sobelow, "... SCAN COMPLETE ...")],
)
def test_pass_that_hangs_on_words_which_were_left_out_is_unknown(read, words: str):
    facts = {"advisories": "119", "conf": 'exit: "high"'}
    assert read(f"a\nb\n{words}\n", 0, facts).verdict is Verdict.PASSED
    cut = f"a\n[… 1,234 bytes of output left out …]\nb\n{words}\n"
    judgement = read(cut, 0, facts)
    assert judgement.verdict is Verdict.UNKNOWN
    assert "too much" in judgement.reason


def test_audit_with_advisories_passes_or_fails_as_it_says():
    facts = {"advisories": "119"}
    assert readers.deps_audit("No vulnerabilities found.", 0, facts).verdict is Verdict.PASSED
    assert readers.deps_audit("Vulnerabilities found!", 1, facts).verdict is Verdict.FAILED


def test_sobelow_findings_without_exit_setting_fail_though_it_exits_zero():
    judgement = readers.sobelow(SOBELOW, 0, {"conf": CONF_WITHOUT_EXIT})
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reason == "1 high-confidence, 1 low-confidence"


def test_sobelow_findings_below_the_exit_setting_pass_and_are_named():
    low = SOBELOW.replace("High Confidence", "Medium Confidence")
    judgement = readers.sobelow(low, 0, {"conf": '[\n  exit: "high",\n  threshold: "low"\n]'})
    assert judgement.verdict is Verdict.PASSED
    assert judgement.reason == "1 medium-confidence, 1 low-confidence, below high"


def test_sobelow_findings_at_the_exit_setting_fail_whatever_the_exit_code():
    judgement = readers.sobelow(SOBELOW, 0, {"conf": '[\n  exit: "high"\n]'})
    assert judgement.verdict is Verdict.FAILED


def test_sobelow_threshold_counts_where_there_is_no_exit_setting():
    low = SOBELOW.replace("High Confidence", "Low Confidence")
    assert readers.sobelow(low, 0, {"conf": '[\n  threshold: "high"\n]'}).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    "output",
    [
        "This does not appear to be a Phoenix application. If this is an Umbrella application,",
        "",
        "Sobelow - v0.14.1\n",
    ],
)
def test_sobelow_that_did_not_scan_is_unknown_though_it_exits_zero(output: str):
    assert readers.sobelow(output, 0, {"conf": ""}).verdict is Verdict.UNKNOWN


def test_sobelow_coloured_output_reads_the_same():
    coloured = SOBELOW.replace("Traversal.", "\x1b[31mTraversal.").replace(
        "ence\n", "ence\x1b[0m\n"
    )
    assert readers.sobelow(coloured, 0, {"conf": ""}).verdict is Verdict.FAILED


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
    assert readers.tally(output) == expected


@pytest.mark.parametrize(
    ("output", "code", "files", "verdict"),
    [
        ("94 tests, 0 failures", 0, "22", "passed"),
        ("94 tests, 2 failures", 2, "22", "failed"),
        ("94 tests, 2 failures", 0, "22", "failed"),
        ("There are no tests to run", 0, "3", "unknown"),
        ("There are no tests to run", 0, "0", "passed"),
        ("", 0, "3", "unknown"),
        ("== Compilation error in file test/a_test.exs ==", 1, "3", "failed"),
        ("** (DBConnection.ConnectionError) tcp connect: connection refused", 1, "3", "unknown"),
        ("94 tests, 0 failures", 1, "22", "failed"),
    ],
)
def test_exunit_passes_only_with_a_count(output: str, code: int, files: str, verdict: str):
    assert readers.exunit(output, code, {"files": files}).verdict == verdict
