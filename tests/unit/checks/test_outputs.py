"""JUnit file, step summary and the line that repeats a check."""

import subprocess
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import junit, repeat, summary
from pipeline.checks.check import Check
from pipeline.checks.report import Report
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.errors import UsageProblem

ROWS = {check.name: check for check in CHECKS}
OUTCOMES = (
    Outcome(
        "compile",
        Verdict.FAILED,
        "it does not compile",
        1.5,
        1,
        "** (CompileError) lib/a.ex:2: no\n",
    ),
    Outcome("credo", Verdict.UNKNOWN, "no | base", 0.5, 0, "```\x1b[31m\x00\n"),
    Outcome("format", Verdict.PASSED, "", 0.25, 0, "fine"),
    Outcome("lint", Verdict.SKIPPED, "npm is missing"),
)


def run(*outcomes: Outcome, app: Path = Path("/app")) -> Report:
    return Report(app, [ROWS[outcome.check] for outcome in outcomes], outcomes, 2.0)


def test_junit_has_one_case_per_check_and_its_counts_are_right():
    suites = ET.fromstring(junit.document(run(*OUTCOMES)))
    suite = suites[0]
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
    }
    kinds = [[child.tag for child in case] for case in suite]
    assert kinds == [
        ["failure", "system-out"],
        ["error", "system-out"],
        ["system-out"],
        ["skipped"],
    ]
    failure = suite[0].find("failure")
    assert failure is not None
    assert failure.text == (
        "lib/a.ex:2: error: no\n"
        "repeat: (cd /app && MIX_ENV=test mix compile --warnings-as-errors --all-warnings)"
    )


@given(st.text(), st.text())
def test_junit_is_well_formed_whatever_a_tool_prints(reason: str, output: str):
    outcome = Outcome("compile", Verdict.FAILED, reason, 1.0, 1, output)
    case = ET.fromstring(junit.document(run(outcome)))[0][0]
    assert case.get("name") == "compile"


def test_junit_file_that_cannot_be_written_is_a_usage_problem(tmp_path: Path):
    junit.write(run(*OUTCOMES), tmp_path / "new/dir/out.xml")
    assert (tmp_path / "new/dir/out.xml").read_text().startswith("<?xml")
    with pytest.raises(UsageProblem, match="--junit"):
        junit.write(run(*OUTCOMES), tmp_path)


def test_summary_has_verdicts_folded_output_and_the_way_to_repeat():
    page = summary.page(run(*OUTCOMES))
    assert "| ❌ | compile | failed | 1.5 s | it does not compile |" in page
    assert "no \\| base" in page
    assert "- `lib/a.ex:2` no" in page
    assert "(cd /app && MIX_ENV=test mix compile" in page
    assert page.count("<details>") == 2
    # A fence within the output does not end ours.
    assert "````\n```\x00\n````" in page


def test_summary_stays_below_what_github_takes_and_keeps_the_end(tmp_path: Path):
    long = [replace(outcome, output="ä" * 900_000 + "END") for outcome in OUTCOMES[:2]]
    path = tmp_path / "summary.md"
    path.write_text("what the step said before\n")
    summary.append(run(*long), path)
    assert path.stat().st_size <= summary.LIMIT
    text = path.read_text("utf-8")
    assert text.startswith("what the step said before\n### inv check")
    assert text.count("END\n```") == 2
    summary.append(run(*long), path)
    assert path.stat().st_size <= summary.LIMIT


def test_line_to_repeat_is_quoted_for_a_shell():
    check = Check("x", "x", ("sh", "-c", "echo $0 'a b'; exit 7"), (), mix_env="a b")
    assert repeat.line(check, Path("/with space")) == (
        "(cd '/with space' && MIX_ENV='a b' sh -c 'echo $0 '\"'\"'a b'\"'\"'; exit 7')"
    )


@pytest.mark.needs("mix")
def test_line_to_repeat_gives_the_same_failure_from_anywhere(tmp_path: Path):
    app = tmp_path / "an app; with $signs"
    (app / "lib").mkdir(parents=True)
    (app / "mix.exs").write_text(
        "defmodule T.MixProject do\n  use Mix.Project\n"
        '  def project, do: [app: :t, version: "0.1.0"]\nend\n'
    )
    (app / ".formatter.exs").write_text('[inputs: ["lib/*.ex"]]\n')
    (app / "lib/t.ex").write_text("defmodule T   do\nend\n")
    line = repeat.line(ROWS["format"], app)
    ended = subprocess.run(("sh", "-c", line), cwd="/", capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "lib/t.ex\n" in ended.stderr
    (app / "lib/t.ex").write_text("defmodule T do\nend\n")
    again = subprocess.run(("sh", "-c", line), cwd="/", capture_output=True, check=False)
    assert again.returncode == 0
