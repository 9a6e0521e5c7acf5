"""Findings read from what the tools really print: recorded/README.md says how it was recorded."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import findings
from pipeline.checks.findings import Finding, Severity, placed
from pipeline.checks.readers import plain
from pipeline.checks.table import CHECKS
from pipeline.checks.tools import exunit, js_tests, mix, npm

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
            "written-mix-compile-1.18",
            mix.find_compilation,
            4,
            ("lib/broken.ex", 3, 5, "warning", UNUSED),
        ),
        (
            "exunit-1.14",
            exunit.find,
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
            npm.eslint,
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
            npm.tsc,
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
            npm.prettier,
            2,
            ("js/broken.test.ts", 0, 0, "error", "not formatted: prettier --write"),
        ),
        (
            "jest-29",
            js_tests.find,
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
    plain_ = found("tsc-5.9-plain", npm.tsc)
    assert plain_ == found("tsc-5.9-pretty", npm.tsc)


def test_error_that_stops_the_compiler_comes_after_its_warnings():
    kinds = [kind for *_, kind, _ in found("mix-compile-error-1.14", mix.find_compilation)]
    assert kinds == ["warning", "warning", "error"]


def test_one_warning_in_two_places_is_two_findings():
    lines = [line for _, line, *_ in found("written-mix-compile-1.18", mix.find_compilation)]
    assert lines == [3, 4, 9, 7]


def test_prettier_syntax_error_has_its_place():
    text = "[error] js/a.ts: SyntaxError: ';' expected. (3:7)\n[error]   1 | let\n"
    assert npm.prettier(text) == [
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
    assert silent == {"types", "tracker"}
