"""Every file of tests/recorded: what the real tool printed, and what we make of it.

The expectations are those of the first line of each file (command, versions, exit code), of
tests/recorded/README.md, and of the tool's own words. A run with colours means the same as one
without, so it needs an entry of its own only where the two runs differ.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.checks.check import Check
from pipeline.checks.readers import plain
from pipeline.checks.table import CHECKS
from pipeline.checks.tools import credo, mix, mix_audit, sobelow

RECORDED = Path(__file__).parents[3] / "recorded"
ROWS = {check.name: check for check in CHECKS}
TOOL_OF = {
    "audit": ROWS["deps-audit"],
    "compile": ROWS["compile"],
    "coveralls": ROWS["test"],
    "credo": ROWS["credo"],
    "deps": ROWS["unused-deps"],
    "dialyzer": ROWS["dialyzer"],
    "format": ROWS["format"],
    # A release's eval ends like a mix task: by returning, or with an exception.
    "release": Check("release", "eval of a release", ("bin/plausible",), (), read=mix.read),
    "sobelow": ROWS["sobelow"],
    "test": ROWS["test"],
}


@dataclass(frozen=True)
class Expected:
    """`places` are those of the findings, in any order; "" is a finding without a place."""

    verdict: str
    reason: str = ""
    places: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()


def passed(reason: str = "", *places: str, **facts: str) -> Expected:
    return Expected("passed", reason, places, tuple(facts.items()))


def failed(reason: str, *places: str, **facts: str) -> Expected:
    return Expected("failed", reason, places, tuple(facts.items()))


def unknown(reason: str, *places: str, **facts: str) -> Expected:
    return Expected("unknown", reason, places, tuple(facts.items()))


def at(file: str, *lines: str | int) -> tuple[str, ...]:
    return tuple(f"{file}:{line}" for line in lines)


LOCK = ("/app/mix.lock",)
MESSY = at(
    "lib/plausible/messy.ex",
    *("1:11", "4:9", "10:3", "11:7", "12:5", "15:7", "15:27", "17:7", "21:11", "30:8", "38:5"),
    *("44:19", "45:22", "48:20", "49:25", "51:16", "53:5", "54:5"),
)
IMPORTANT = tuple(place for place in MESSY if not place.endswith((":4:9", ":48:20", ":49:25")))
ALL_KINDS = (
    "1 consistency issue, 5 warnings, 4 refactoring opportunities, 7 code readability issues, "
    "1 software design suggestion"
)
ONE = "lib/plausible/one.ex"
DIA = at("lib/plausible/dia.ex", 4, 8, 8, 12)
UNUSED_FILTER = '{"lib/plausible/none.ex", :no_return}'
CONTROLLERS = "lib/plausible_web/controllers"
HIGH = at(f"{CONTROLLERS}/vuln_controller.ex", 5, 6, 8, 9, 10, 12)
MEDIUM = at(f"{CONTROLLERS}/medium_controller.ex", 6, 11)
LOW = ("lib/plausible/low.ex:3",)
FIVE = at(f"{CONTROLLERS}/vuln_controller.ex", 5, 6, 10, 11, 13)
MIXED = "6 high-confidence, 2 medium-confidence, 1 low-confidence"
WARNED = at("lib/w.ex", 3, 4, 5, 6)
BAD_TEST = at("test/plausible/bad_test.exs", 6, 10, 14, 18, 22, 27, 31)
NOT_FETCHED = unknown("dependencies are not fetched or not as locked")
SYNTAX = failed("it cannot be parsed: lib/w.ex:3: unexpected reserved word", "lib/w.ex:3:1")
TEN = passed("10 tests")
NO_ROUTER = unknown("cannot find the router")
NOT_COMPLETE = "its scan is complete"

EXPECTED = {
    # mix_audit: exit codes by chance, so the words decide.
    "audit-clean": passed(advisories="5"),
    "audit-clean-json": passed(advisories="5"),
    "audit-first-download": passed(advisories="5"),
    "audit-ignored-advisory": failed("3 vulnerabilities: plug 1.0.0", *LOCK * 3),
    "audit-no-lock": NOT_FETCHED,
    "audit-offline-cached": failed("4 vulnerabilities: plug 1.0.0, coherence 0.3.0", *LOCK * 4),
    "audit-offline-cached-no-vulnerability": unknown("Could not resolve host", advisories="5"),
    "audit-offline-no-database": unknown("Could not resolve host"),
    "audit-vulnerabilities": failed("4 vulnerabilities: plug 1.0.0, coherence 0.3.0", *LOCK * 4),
    "audit-vulnerabilities-json": failed("4 vulnerabilities: plug 1.0.0, coh", *LOCK * 4),
    # mix compile
    "compile-dep-missing": NOT_FETCHED,
    "compile-derive-error": failed("could not load module Nope.Encoder", "lib/d.ex:4"),
    "compile-ecto-query-error": failed("unbound variable `x` in query", "lib/q.ex:4"),
    "compile-error": failed("undefined function y/0", *at("lib/w.ex", 2, 2, 2)),
    "compile-lock-mismatch": NOT_FETCHED,
    "compile-missing-controller": failed("1 warning", "lib/plausible_web/router.ex:10"),
    "compile-mix-exs-raises": unknown("mix.exs does not load: ** (RuntimeError) boom"),
    "compile-mix-exs-syntax-error": unknown("mix.exs does not load: ** (Synt", "mix.exs:129:3"),
    "compile-syntax-error": failed("unexpected reserved word: end", "lib/w.ex:3:1"),
    "compile-token-missing": failed("missing terminator: end", "lib/w.ex:6:1"),
    "compile-up-to-date": passed(),
    "compile-warnings": failed("it compiles with 4 warnings", *WARNED),
    "compile-warnings-many": failed(
        "it compiles with 10 warnings", *at("lib/w.ex", 5, 6, 7, 8, 11, 12, 13, 13, 14, 15)
    ),
    # Without --warnings-as-errors nobody asked for more; our row has it.
    "compile-warnings-no-errors-flag": passed("", *WARNED),
    "compile-warnings-stored": failed("it compiles with 4 warnings", *WARNED),
    "compile-warnings-stored-without-all-warnings": failed("it compiles with warnings"),
    # ExCoveralls, at the end of a test run
    "coveralls-above-minimum": TEN,
    "coveralls-below-minimum": failed("10 tests passed, but: FAILED: Expected minimum coverage"),
    "coveralls-broken-config": unknown("10 tests passed, but then: ** (RuntimeError) Failed to"),
    "coveralls-json": TEN,
    "coveralls-test-cover": TEN,
    "coveralls-test-failures": failed("7 of 17 tests failed", *BAD_TEST),
    "coveralls-total": TEN,
    # Credo
    "credo-broken-config": unknown("Execution halted during"),
    "credo-check-raises": unknown("the check MyCheck raised: ** (RuntimeError) boom in a check"),
    "credo-clean": passed(),
    "credo-config-raises": unknown('%RuntimeError{message: "broken on purpose"}'),
    "credo-consistency": failed("1 consistency issue", f"{ONE}:3:18"),
    "credo-design": failed("1 software design suggestion", f"{ONE}:3:3"),
    "credo-diff-clean": passed(),
    "credo-diff-findings": failed("1 new warning", f"{ONE}:3:17"),
    "credo-diff-findings-strict": failed("1 new warning", f"{ONE}:3:17"),
    "credo-diff-no-base": unknown("given value is not a Git ref: nowhere"),
    "credo-issues": failed(ALL_KINDS, *MESSY),
    "credo-issues-flycheck": failed("consistency, design, readability, refactor, wa", *MESSY),
    "credo-issues-json": failed("5 warnings, 4 refactoring opportunities, 7 code", *MESSY),
    "credo-issues-mute-exit-status": failed(f"{ALL_KINDS}, and yet it exits 0", *MESSY),
    "credo-issues-not-strict": failed("4 code readability issues", *IMPORTANT),
    "credo-issues-oneline": failed("consistency, design, readability, refactor, war", *MESSY),
    "credo-missing-plugin": unknown("`Credo.NoPlugin` is not available"),
    "credo-no-files": unknown("no files"),
    "credo-not-installed": NOT_FETCHED,
    "credo-parse-timeout": unknown("15 files not parsed in time: lib/plausible/application.ex"),
    "credo-parse-timeout-color": unknown("19 files not parsed in time: lib/plausible/applicati"),
    "credo-readability": failed("2 code readability issues", f"{ONE}:1:11", f"{ONE}:2:7"),
    "credo-refactor": failed("1 refactoring opportunity", f"{ONE}:4:8"),
    "credo-undefined-check": unknown("does not exist was ignored: Credo.Check.Nope"),
    "credo-unparsable": unknown("1 file not parsed: test/plausible/site_test.exs"),
    "credo-warning": failed("1 warning", f"{ONE}:3:17"),
    # mix deps.unlock
    "deps-unlock-clean": passed(),
    "deps-unlock-unused": failed("2 unused dependencies: aa, ab", "mix.lock", "mix.lock"),
    # Dialyzer
    "dialyzer-bad-flag": unknown("Unknown dialyzer warning option: nonsense_flag"),
    "dialyzer-broken-ignore-file": unknown("** (TokenMissingError) nofile:2:1"),
    "dialyzer-clean": passed(),
    "dialyzer-dep-beam-missing": passed(),
    "dialyzer-empty-beam": unknown("Could not get Core Erlang code for"),
    "dialyzer-no-beams-no-compile": unknown("No .beam files to analyze"),
    "dialyzer-no-build-no-compile": passed(),
    "dialyzer-plt-app-missing": passed("plt_add_apps names what is not there: nope_app"),
    "dialyzer-plt-build": passed(),
    "dialyzer-plt-build-interrupted": unknown("killed by SIGINT"),
    "dialyzer-plt-check-only": unknown('lacks "done (passed successfully)"'),
    "dialyzer-plt-corrupt": unknown("** (Mix) Could not open"),
    "dialyzer-some-ignored-one-filter-unused": failed(
        f"3 warnings; 1 unused filter: {UNUSED_FILTER}", ""
    ),
    "dialyzer-unused-filter-not-listed": passed(),
    "dialyzer-unused-filters": failed(f"1 unused filter: {UNUSED_FILTER}", ""),
    "dialyzer-warnings": failed("4 warnings", *DIA),
    "dialyzer-warnings-all-ignored": passed(),
    "dialyzer-warnings-format-dialyzer": failed("4 warnings", *DIA),
    "dialyzer-warnings-format-github": failed("4 warnings", *DIA),
    "dialyzer-warnings-format-raw": failed("4 warnings", *DIA),
    "dialyzer-warnings-format-short": failed("4 warnings", *DIA),
    "dialyzer-warnings-ignore-exit-status": failed("4 warnings, and yet it exits 0", *DIA),
    "dialyzer-warnings-quiet": failed("4 warnings", *DIA),
    # mix format
    "format-broken-config": unknown("** (TokenMissingError) .formatter.exs:2:1"),
    "format-clean": passed(),
    "format-import-deps-missing": unknown("** (Mix) Unknown dependency :nope"),
    "format-plugin-missing": unknown("** (Mix) Formatter plugin Nope.Formatter cannot be found"),
    "format-syntax-error": SYNTAX,
    "format-syntax-error-and-unformatted": SYNTAX,
    "format-unformatted": failed("2 files are not formatted", "lib/f.ex", "lib/g.ex"),
    # Releases: without a finding to read, the first exception is the reason.
    "release-createdb": passed(),
    "release-createdb-again": passed(),
    "release-eval-raises": unknown("** (RuntimeError) boom"),
    "release-eval-undefined": unknown("** (UndefinedFunctionError) function Plausible.Release.no"),
    "release-migrate-fails-again": unknown("** (Postgrex.Error) ERROR 42P07 (duplicate_table)"),
    "release-migrate-fails-half-way": unknown("** (Postgrex.Error) ERROR 22012"),
    "release-migrate-none": passed(),
    "release-migrate-several": passed(),
    "release-pending-database-down": unknown("** (DBConnection.ConnectionError)"),
    "release-pending-no-database": unknown("** (DBConnection.ConnectionError)"),
    "release-pending-no-environment": unknown("environment variable DATABASE_URL is missing"),
    "release-pending-none": passed(),
    "release-pending-one-after-half-way": passed(),
    "release-pending-several": passed(),
    "release-pending-two": passed(),
    "release-pending-wrong-password": unknown("** (DBConnection.ConnectionError)"),
    "release-rollback": passed(),
    # Sobelow
    "sobelow-below-exit-threshold": passed(
        "2 medium-confidence, 1 low-confidence, below high", *MEDIUM, *LOW, conf='[exit: "high"]'
    ),
    "sobelow-below-report-threshold": passed(conf='[exit: "low", threshold: "high"]'),
    "sobelow-broken-conf": unknown("** (MatchError) no match of right hand side value"),
    "sobelow-clean": passed(),
    "sobelow-compact-clean": unknown('format: "compact"', conf='[\n  format: "compact"\n]'),
    "sobelow-compact-high": failed("6 findings", *HIGH),
    "sobelow-compact-mixed": failed("9 findings", *HIGH, *MEDIUM, *LOW),
    "sobelow-conf-nonsense": unknown(NOT_COMPLETE),
    "sobelow-exit-bare": failed("7 high-confidence, 2 m", "", *HIGH, *MEDIUM, *LOW),
    "sobelow-exit-false": failed("6 high-confidence", *HIGH, conf="[exit: false]"),
    "sobelow-exit-unset": failed("6 high-confidence", *HIGH),
    "sobelow-flycheck-mixed": failed("9 findings", *HIGH, *MEDIUM, *LOW),
    "sobelow-high": failed("6 high-confidence", *HIGH, conf='[exit: "low"]'),
    "sobelow-high-verbose": failed("6 high-confidence", *HIGH),
    "sobelow-json-clean": passed(),
    "sobelow-json-high": failed("6 high-confidence", *HIGH),
    "sobelow-json-mixed": failed(MIXED, *HIGH, *MEDIUM, *LOW),
    "sobelow-json-skipped-some": failed("1 high", f"{CONTROLLERS}/more_controller.ex:4"),
    "sobelow-low-medium": failed("2 medium-confidence, 1 low-confidence", *MEDIUM, *LOW),
    "sobelow-mark-skip-all": failed("6 high-confidence", *HIGH),
    "sobelow-mixed": failed(MIXED, *HIGH, *MEDIUM, *LOW),
    "sobelow-no-conf": failed("7 high-confidence", "", *HIGH),
    "sobelow-no-config-flag": failed("7 high-confidence", "", *HIGH),
    "sobelow-no-phoenix": NO_ROUTER,
    "sobelow-no-phoenix-umbrella": unknown("no Phoenix application"),
    "sobelow-no-router": NO_ROUTER,
    "sobelow-out-file": failed("it wrote to sobelow.out", conf='[\n  out: "sobelow.out"\n]'),
    "sobelow-quiet-clean": unknown('format: "quiet"', conf='[\n  format: "quiet"\n]'),
    "sobelow-quiet-high": failed("6 findings"),
    "sobelow-router-not-found": failed("1 high-confidence", ""),
    "sobelow-sarif-clean": passed(),
    "sobelow-sarif-high": failed("6 findings", *HIGH),
    "sobelow-sarif-mixed": failed("9 findings", *HIGH, *MEDIUM, *LOW),
    "sobelow-skip-attribute": failed("5 high-confidence", *FIVE),
    "sobelow-skip-comment": failed("5 high-confidence", *FIVE),
    "sobelow-skipped-all": passed(),
    "sobelow-skipped-some": failed("1 high", f"{CONTROLLERS}/more_controller.ex:4"),
    "sobelow-skips-file-skip-false": failed("6 high-confidence", *HIGH),
    # It says nothing of the file that it left out: the facts do.
    "sobelow-unparsable": unknown("skips what it cannot parse: lib/bad.ex", unparsed="lib/bad.ex"),
    # ExUnit. These runs carry no formatter of ours, so the words are all there is.
    "test-all-excluded": unknown("no test ran (10 excluded)"),
    "test-all-excluded-no-failure": unknown("no test ran (10 excluded)"),
    "test-bad-migration": failed("before any test ran: ** (Postgrex.Error) ERROR 42601"),
    "test-compile-error": failed("undefined function y/0", "test/plausible/bad_test.exs:4"),
    "test-database-down": unknown("connection refused"),
    "test-database-password": unknown("** (Mix) The database for Plausible.Repo couldn't be"),
    "test-doctest-and-on-exit": failed(
        "4 of 14 tests failed", *at("test/plausible/doc_test.exs", 3, 5, 10, 10)
    ),
    "test-failed-again": failed("1 of 1 tests failed", "test/plausible/sites_1_test.exs:6"),
    "test-failed-fixed": passed("1 tests"),
    "test-failed-none-left": unknown("mix found no tests to run"),
    "test-failures": failed("7 of 17 tests failed", *BAD_TEST),
    "test-halt-0": unknown("does not say how many tests"),
    "test-halt-1": failed("exit 1 before ExUnit came to the end of the suite"),
    "test-line-not-there": passed("1 tests"),
    "test-max-failures": failed("1 of 1 tests failed", "test/plausible/sites_1_test.exs:6"),
    "test-none": unknown("mix found no tests to run"),
    "test-partition": passed("6 tests"),
    "test-passes": TEN,
    "test-path-not-there": unknown('Paths given to "mix test" did not match any directory/file'),
    "test-setup-all-fails": failed("2 of 12 tests failed", "test/plausible/bad_test.exs:4"),
    "test-skipped-and-excluded": TEN,
    "test-slowest": TEN,
    "test-stop-0": unknown("does not say how many tests"),
    "test-syntax-error": failed("unexpected reserved word", "test/plausible/bad_test.exs:5:3"),
    "test-trace": TEN,
    "test-warning-in-test-file": passed("11 tests"),
    "test-warnings-as-errors": failed("compile with warnings", "test/plausible/bad_test.exs:4"),
}


def recording(name: str) -> tuple[str, int]:
    """Return what the tool printed, and its exit code."""
    head, _, output = (RECORDED / f"{name}.txt").read_text("utf-8").partition("\n")
    code = re.search(r"\| exit (\d+)$", head)
    assert code, head
    return output, int(code[1])


def expected(name: str) -> Expected:
    return EXPECTED.get(name) or EXPECTED[name.removesuffix("-color")]


NAMES = sorted(path.stem for path in RECORDED.glob("*.txt"))


def test_no_recording_is_left_out_and_no_expectation_is_about_nothing():
    assert len(NAMES) == 213
    assert set(EXPECTED) <= set(NAMES)
    for name in NAMES:
        assert expected(name)


@pytest.mark.parametrize("name", NAMES)
def test_recorded_output_has_the_verdict_the_count_and_the_places_it_implies(name: str):
    output, code = recording(name)
    row, wanted = TOOL_OF[name.split("-")[0]], expected(name)
    judgement = row.read(output, code, dict(wanted.facts))
    assert judgement.verdict == wanted.verdict, judgement
    assert wanted.reason in judgement.reason
    if not wanted.reason:
        assert not judgement.reason
    found = row.find(plain(output))
    places = [":".join(str(part) for part in (f.file, f.line, f.column) if part) for f in found]
    assert sorted(places) == sorted(wanted.places)
    assert all(finding.message for finding in found)


@pytest.mark.parametrize("name", ["credo-issues-json", "credo-issues-oneline", "credo-issues"])
def test_credo_says_the_same_in_every_format(name: str):
    wanted = {(f.line, f.message) for f in credo.find(recording("credo-issues-flycheck")[0])}
    assert {(f.line, f.message) for f in credo.find(recording(name)[0])} == wanted


@pytest.mark.parametrize("name", ["audit-vulnerabilities", "audit-vulnerabilities-json"])
def test_vulnerability_names_package_severity_and_what_to_update_to(name: str):
    *_, last = mix_audit.find(recording(name)[0])
    assert last.message == (
        "coherence 0.3.0: Permissive parameters and privilege escalation "
        "(moderate, https://github.com/advisories/GHSA-mrq8-53r4-3j5m); "
        "vulnerable: < 0.5.2; patched: 0.5.2"
    )


def test_message_with_a_blank_line_is_whole():
    *_, last = mix.find_compilation(recording("compile-warnings")[0])
    assert last.message.endswith("is undefined or private. Did you mean: * create/1") or (
        last.message.endswith("Did you mean: * get/1")
    )


@pytest.mark.parametrize(
    ("show", "json", "human"),
    [
        (mix_audit.show, "audit-vulnerabilities-json", "audit-vulnerabilities"),
        (mix_audit.show, "audit-clean-json", "audit-clean"),
    ],
)
def test_json_of_mix_audit_is_shown_in_its_human_form(show, json: str, human: str):
    assert show(recording(json)[0]) == recording(human)[0]


def test_json_of_credo_and_sobelow_is_shown_in_lines():
    shown = credo.show(recording("credo-issues-json")[0]).splitlines()
    assert shown[0] == (
        "[C] lib/plausible/messy.ex:45:22 There are spaces around operators most of the time, "
        "but not here. (Credo.Check.Consistency.SpaceAroundOperators)"
    )
    assert shown[-1] == "18 issues"
    shown = sobelow.show(recording("sobelow-json-mixed")[0]).splitlines()
    assert shown[0] == (
        f"{CONTROLLERS}/vuln_controller.ex:5: Traversal.SendFile: Directory Traversal in "
        "`send_file` (high confidence)"
    )
    assert shown[-1] == "9 findings"


@pytest.mark.parametrize("name", ["credo-issues", "sobelow-mixed", "audit-vulnerabilities"])
def test_output_without_json_is_shown_as_it_is(name: str):
    output, _ = recording(name)
    assert TOOL_OF[name.split("-")[0]].show(output) == output


CLOSING = {
    "audit": ("No vulnerabilities found", '"pass":true'),
    "credo": ("Analysis took",),
    "dialyzer": ("done (passed successfully)",),
    "sobelow": ("... SCAN COMPLETE", '"total_findings"', '"version": "2.1.0"'),
    "test": ("10 tests, 0", "11 tests, 0", "6 tests, 0", "12 tests, 0", "2 tests, 0", "1 test, 0"),
}
GREEN = [n for n in NAMES if expected(n).verdict == "passed" and n.split("-")[0] in CLOSING]


@pytest.mark.parametrize("name", GREEN)
def test_tool_that_ends_with_0_before_its_closing_words_does_not_pass(name: str):
    """A BEAM exits with 0 if a stranger ends it, and on QUIT it says nothing."""
    output, _ = recording(name)
    tool = name.split("-")[0]
    text = plain(output)
    cut = text[: min(at for at in map(text.find, CLOSING[tool]) if at >= 0)]
    facts = {"advisories": "5", **dict(expected(name).facts)}
    assert TOOL_OF[tool].read(cut, 0, facts).verdict == "unknown"
