"""What a run looks like to people and to programs."""

import io
import json
import re
import time
from pathlib import Path

import pytest
from rich.console import Console

from pipeline.checks import listeners, present, report
from pipeline.checks.board import Board
from pipeline.checks.check import Check
from pipeline.checks.listeners import Lines
from pipeline.checks.report import Report
from pipeline.checks.verdicts import Outcome, Verdict

FORMAT = Check(
    "format", "f", ("mix", "format", "--check"), (), mix_env="test", fix=("mix", "format")
)
CREDO = Check("credo", "c", ("mix", "credo"), ())
BAD = Outcome("format", Verdict.FAILED, "2 files", 1.25, 1, "lib/a.ex\n\x1b[31mred\x1b[0m\n")
GOOD = Outcome("credo", Verdict.PASSED, "", 0.5, 0, "fine\n")


def finished(*outcomes: Outcome, signal: int | None = None) -> Report:
    return Report(Path("/app"), [FORMAT, CREDO], outcomes, 2.0, signal)


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def screen(
    encoding: str = "utf-8", kind: type[io.TextIOWrapper] = io.TextIOWrapper
) -> tuple[io.TextIOWrapper, io.BytesIO]:
    raw = io.BytesIO()
    return kind(raw, encoding=encoding, errors="replace", write_through=True), raw


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (finished(GOOD), "PASSED in 2.0 s: 1 passed"),
        (
            finished(GOOD, BAD),
            "FAILED in 2.0 s: 1 passed, 1 failed (format). "
            "Repeat one with `inv check.format`; --fix runs `mix format`",
        ),
        (
            finished(Outcome("credo", Verdict.UNKNOWN, "no base")),
            "UNKNOWN in 2.0 s: 1 unknown (credo). Repeat one with `inv check.credo`",
        ),
        (finished(), "UNKNOWN in 2.0 s: nothing to run"),
        (
            finished(Outcome("credo", Verdict.UNKNOWN, "interrupted"), signal=2),
            "INTERRUPTED in 2.0 s: 1 unknown (credo)",
        ),
    ],
)
def test_closing_line_says_the_verdict_and_what_to_do(made: Report, line: str):
    assert report.closing_line(made) == line


def test_interrupted_run_has_the_exit_code_of_its_signal():
    assert finished(GOOD, signal=15).code == 143


def test_json_holds_every_check_with_command_and_output():
    content = json.loads("".join(report.as_json(finished(GOOD, BAD))))
    assert content["verdict"] == "failed"
    assert content["exit_code"] == 1
    assert content["checks"][1] == {
        "name": "format",
        "verdict": "failed",
        "reason": "2 files",
        "seconds": 1.25,
        "exit_code": 1,
        "command": "MIX_ENV=test mix format --check",
        "repeat": "(cd /app && MIX_ENV=test mix format --check)",
        "findings": [],
        "output": "lib/a.ex\n\x1b[31mred\x1b[0m\n",
    }


def test_table_falls_back_to_ascii_where_the_stream_cannot_do_better():
    stream, raw = screen("ascii")
    present.show(finished(GOOD, BAD), Console(file=stream, width=100))
    assert "|-------+---------+" in raw.getvalue().decode("ascii")
    stream, raw = screen("utf-8")
    present.show(finished(GOOD, BAD), Console(file=stream, width=100))
    assert "───" in raw.getvalue().decode()


def test_narrow_terminal_cuts_no_name_verdict_or_reason():
    stream = io.StringIO()
    present.show(finished(GOOD, BAD), Console(file=stream, width=20))
    for outcome in (GOOD, BAD):
        assert f"{outcome.verdict} {outcome.check} {outcome.reason}\n" in stream.getvalue()


def test_lines_show_the_output_of_what_did_not_pass_in_one_piece():
    stream, raw = screen()
    lines = Lines(stream, groups=False)
    for check, outcome in ((FORMAT, BAD), (CREDO, GOOD)):
        lines.started(check)
        lines.finished(check, outcome)
    text = raw.getvalue().decode()
    assert "failed  format in 1.2 s: 2 files\n" in text
    assert "lib/a.ex\nred\n" in text
    assert "passed  credo in 0.5 s\n" in text
    assert "fine" not in text


def test_github_folds_all_output_and_obeys_none_of_it():
    stream, raw = screen()
    lines = Lines(stream, groups=True)
    lines.finished(CREDO, Outcome("credo", Verdict.PASSED, output="::error::fake\n"))
    text = raw.getvalue().decode()
    group = re.search(r"::group::(.*)\n::stop-commands::(\w+)\n::error::fake\n::(\w+)::\n", text)
    assert group is not None
    assert group[2] == group[3]
    assert text.endswith("::endgroup::\n")


def test_long_silence_is_broken_by_what_still_runs(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    stream, raw = screen()
    lines = Lines(stream, groups=False)
    lines.started(CREDO)
    lines.beat()
    assert "still running" not in raw.getvalue().decode()
    now += listeners.SILENCE + 1
    lines.beat()
    lines.beat()
    assert raw.getvalue().decode().count("still running: credo (31 s)") == 1
    now += 10 * listeners.SILENCE
    lines.beat()
    assert "still running: credo (5 min)" in raw.getvalue().decode()


def test_board_shows_running_checks_and_keeps_output_for_the_end():
    stream, raw = screen(kind=Terminal)
    with Board(stream) as board:
        board.started(FORMAT)
        board.noted(FORMAT, "3 of 6 partitions")
        board.beat()
        assert "3 of 6 partitions" in raw.getvalue().decode()
        board.finished(FORMAT, BAD)
        assert "lib/a.ex" not in raw.getvalue().decode()
    assert "lib/a.ex" in raw.getvalue().decode()


@pytest.mark.parametrize(
    ("environ", "json_wanted", "terminal", "kind"),
    [
        ({}, False, True, Board),
        ({"CI": "true"}, False, True, Lines),
        ({}, False, False, Lines),
        ({}, True, True, listeners.Nobody),
    ],
)
def test_listener_fits_where_it_speaks(
    environ: dict[str, str], json_wanted: bool, terminal: bool, kind: type
):
    stream, _ = screen(kind=Terminal if terminal else io.TextIOWrapper)
    with listeners.listening(stream, environ, json=json_wanted, app=Path()) as listener:
        assert type(listener) is kind
