"""Findings read from what the tools really print: recorded/README.md says how it was recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import findings, npm_findings
from pipeline.checks.findings import Finding, Severity, placed
from pipeline.checks.readers import plain
from pipeline.checks.table import CHECKS

RECORDED = Path(__file__).parent / "recorded"
Finder = Callable[[str], list[Finding]]
UNUSED = (
    'variable "unused" is unused (if the variable is not meant to be used, '
    "prefix it with an underscore)"
)


def found(name: str, find: Finder) -> list[tuple[str, int, int, str, str]]:
    text = plain((RECORDED / f"{name}.txt").read_text("utf-8"))
    return [(f.file, f.line, f.column, f.severity.value, f.message) for f in find(text)]


@pytest.mark.parametrize(
    ("name", "find", "count", "first"),
    [
        (
            "mix-compile-warnings-1.14",
            findings.compilation,
            3,
            ("lib/broken.ex", 3, 0, "warning", UNUSED),
        ),
        (
            "mix-compile-syntax-1.14",
            findings.compilation,
            1,
            (
                "lib/broken.ex",
                3,
                1,
                "error",
                'unexpected reserved word: end. The "(" at line 2 is missing terminator ")"',
            ),
        ),
        (
            "written-mix-compile-1.18",
            findings.compilation,
            4,
            ("lib/broken.ex", 3, 5, "warning", UNUSED),
        ),
        (
            "mix-format-1.14",
            findings.formatting,
            1,
            ("lib/broken.ex", 0, 0, "error", "not formatted: mix format"),
        ),
        (
            "written-credo-1.7-default",
            findings.credo,
            3,
            ("lib/plausible/broken.ex", 1, 11, "warning", "Modules should have a @moduledoc tag."),
        ),
        (
            "written-credo-1.7-oneline",
            findings.credo,
            2,
            ("lib/plausible/broken.ex", 1, 11, "warning", "Modules should have a @moduledoc tag."),
        ),
        (
            "written-dialyxir-1.4",
            findings.dialyzer,
            2,
            (
                "lib/plausible/broken.ex",
                144,
                0,
                "error",
                "no_return: Function start/2 has no local return.",
            ),
        ),
        (
            "written-dialyxir-1.4-short",
            findings.dialyzer,
            2,
            (
                "lib/plausible/broken.ex",
                144,
                0,
                "error",
                "no_return: Function start/2 has no local return.",
            ),
        ),
        (
            "written-sobelow-0.14",
            findings.sobelow,
            2,
            (
                "lib/plausible_web/page_controller.ex",
                12,
                0,
                "error",
                "Traversal.SendFile: Directory Traversal in `send_file` (high confidence)",
            ),
        ),
        (
            "exunit-1.14",
            findings.exunit,
            3,
            (
                "test/broken_test.exs",
                15,
                0,
                "error",
                "test exits (Plausible.BrokenTest): ** (exit) :gone",
            ),
        ),
        (
            "eslint-9-stylish",
            npm_findings.eslint,
            4,
            (
                "/tmp/rep/q/assets/js/broken.ts",
                3,
                5,
                "error",
                "'unused' is never reassigned. Use 'const' instead (prefer-const)",
            ),
        ),
        (
            "tsc-5.9-pretty",
            npm_findings.tsc,
            3,
            (
                "js/broken.ts",
                1,
                10,
                "error",
                "TS2305: Module '\"./util/date\"' has no exported member 'b'.",
            ),
        ),
        (
            "prettier-3.10",
            npm_findings.prettier,
            2,
            ("js/broken.test.ts", 0, 0, "error", "not formatted: prettier --write"),
        ),
        (
            "jest-29",
            npm_findings.jest,
            2,
            (
                "js/broken.test.ts",
                2,
                17,
                "error",
                "adds: expect(received).toBe(expected) // Object.is equality",
            ),
        ),
    ],
)
def test_every_finding_of_a_tool_is_read_with_its_place(
    name: str, find: Finder, count: int, first: tuple[str, int, int, str, str]
):
    read = found(name, find)
    assert len(read) == count
    assert read[0] == first


def test_tsc_says_the_same_pretty_or_plain():
    plain_ = found("tsc-5.9-plain", npm_findings.tsc)
    assert plain_ == found("tsc-5.9-pretty", npm_findings.tsc)


def test_error_that_stops_the_compiler_comes_after_its_warnings():
    kinds = [kind for *_, kind, _ in found("mix-compile-error-1.14", findings.compilation)]
    assert kinds == ["warning", "warning", "error"]


def test_one_warning_in_two_places_is_two_findings():
    lines = [line for _, line, *_ in found("written-mix-compile-1.18", findings.compilation)]
    assert lines == [3, 4, 9, 7]


def test_message_that_credo_folds_is_one_again():
    message = found("written-credo-1.7-default", findings.credo)[1][4]
    assert message.endswith("should end in a question mark. It is a long message that credo folds.")


def test_vulnerable_package_is_found_in_mix_lock():
    (only,) = found("written-mix-audit-2.1", findings.deps_audit)
    assert only[0] == "mix.lock"
    assert only[4].startswith("plug 1.3.1: Arbitrary Code Execution")


def test_prettier_syntax_error_has_its_place():
    text = "[error] js/a.ts: SyntaxError: ';' expected. (3:7)\n[error]   1 | let\n"
    assert npm_findings.prettier(text) == [
        Finding("js/a.ts", 3, 7, Severity.ERROR, "SyntaxError: ';' expected.")
    ]


def test_files_become_relative_to_the_application_and_repeats_go():
    def at(file: str) -> Finding:
        return Finding(file, 1, 2, Severity.ERROR, "x")

    app = Path("/srv/app")
    same = [at("js/a.ts"), at("/srv/app/assets/js/a.ts"), at("/elsewhere/b.ts"), at("")]
    assert [f.file for f in placed(same, app, "assets")] == [
        "assets/js/a.ts",
        "/elsewhere/b.ts",
        "",
    ]


@given(st.text())
def test_no_output_whatever_makes_a_finder_raise(output: str):
    for check in CHECKS:
        assert all(found.line >= 0 for found in check.find(output))


def test_every_check_that_names_places_has_a_finder():
    silent = {check.name for check in CHECKS if check.find is findings.nothing}
    assert silent == {"unused-deps", "types", "tracker"}
