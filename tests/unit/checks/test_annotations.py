"""Annotations: the right place, nothing that escapes its line, never too many."""

import io
import re
import urllib.parse
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import annotations, listeners
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Outcome, Verdict

ROWS = {check.name: check for check in CHECKS}
RECORDED = Path(__file__).parent / "recorded"


def lines(check: str, verdict: Verdict, output: str, reason: str = "why") -> list[str]:
    outcome = Outcome(check, verdict, reason, 1.0, 1, output)
    return annotations.lines(ROWS[check], outcome, Path("/work/repo/app"), Path("/work/repo"))


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text("utf-8")


def test_paths_are_relative_to_the_repository_not_the_application():
    said = lines("compile", Verdict.FAILED, recorded("mix-compile-syntax-1.14"))
    assert said == [
        "::error file=app/lib/broken.ex,line=3,col=1,title=compile::"
        'unexpected reserved word: end. The "(" at line 2 is missing terminator ")"'
    ]


def test_elixir_1_18_names_unformatted_files_by_their_whole_path():
    said = lines("format", Verdict.FAILED, recorded("mix-format-1.18"))
    assert [line.partition(",title")[0] for line in said] == [
        "::error file=app/lib/t.ex",
        "::error file=app/lib/u.ex",
    ]


def test_stack_trace_below_a_syntax_error_of_elixir_1_18_is_no_finding():
    said = lines("format", Verdict.FAILED, recorded("mix-format-syntax-1.18"))
    assert said == [
        "::error file=app/lib/t.ex,line=3,col=1,title=format::unexpected reserved word: end"
    ]


def test_npm_paths_go_through_the_package():
    said = lines("typecheck", Verdict.FAILED, recorded("tsc-5.9-pretty"))
    assert said[0].startswith(
        "::error file=app/assets/js/broken.ts,line=1,col=10,title=typecheck::"
    )


def test_warnings_are_errors_where_nothing_else_failed_the_check():
    only = lines("compile", Verdict.FAILED, recorded("mix-compile-warnings-1.14"))
    assert [line.split(" ")[0] for line in only] == ["::error"] * 3
    both = lines("compile", Verdict.FAILED, recorded("mix-compile-error-1.14"))
    assert [line.split(" ")[0] for line in both] == ["::error", "::warning", "::warning"]


def test_ten_at_most_and_the_rest_counted():
    output = "".join(f"[W] ↗ lib/a.ex:{n} bad\n" for n in range(1, 35))
    said = lines("credo", Verdict.FAILED, output)
    assert len(said) == 11
    assert said[-1] == "credo: 24 more in its output above"


def test_check_without_readable_finding_is_annotated_with_its_reason():
    said = lines("compile", Verdict.FAILED, "no idea", "exit 7")
    assert said == ["::error title=compile%3A failed::exit 7"]


def test_unknown_is_an_error_of_its_own_and_green_says_nothing():
    said = lines("credo", Verdict.UNKNOWN, "[W] ↗ lib/a.ex:1 bad\n", "no base")
    assert said == ["::error title=credo%3A unknown::no base"]
    for verdict in (Verdict.PASSED, Verdict.REUSED, Verdict.SKIPPED):
        assert lines("credo", verdict, "[W] ↗ lib/a.ex:1 bad\n") == []


@given(st.text())
def test_message_and_property_never_leave_their_place_and_come_back_whole(text: str):
    message, value = annotations.data(text), annotations.value(text)
    assert not re.search(r"[\r\n]", message + value)
    assert not re.search(r"[:,]", value)
    undone = re.compile("%(25|0D|0A|3A|2C)")
    for escaped in (message, value):
        assert undone.sub(lambda found: urllib.parse.unquote(found[0]), escaped) == text


def test_annotations_stand_outside_of_the_stopped_commands():
    raw = io.StringIO()
    environ = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_WORKSPACE": "/work/repo"}
    app = Path("/work/repo/app")
    outcome = Outcome("credo", Verdict.FAILED, "x", 1.0, 4, "::error::fake\n[W] ↗ lib/a.ex:1 bad\n")
    with listeners.listening(raw, environ, json=False, app=app) as listener:
        listener.finished(ROWS["credo"], outcome)
    stopped = re.search(r"::stop-commands::(\w+)\n", raw.getvalue())
    assert stopped is not None
    after = raw.getvalue().partition(f"::{stopped[1]}::\n")[2]
    assert after == "::endgroup::\n::error file=app/lib/a.ex,line=1,title=credo::bad\n"
