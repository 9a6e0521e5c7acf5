"""Credo's JSON, which tells more issues than its screen, and less of what it left out."""

import json
from pathlib import Path

import pytest

from pipeline.checks.tools import credo
from pipeline.checks.verdicts import Verdict

from .test_recorded import recording

ISSUE = {"category": "warning", "filename": "lib/a.ex", "line_no": 3, "column": 5, "message": "no"}


def printed(issues: list[object], above: str = "") -> str:
    return f"{above}{json.dumps({'issues': issues}, indent=2)}\n"


def test_json_without_an_issue_is_a_pass_by_itself():
    """Also with exit code 0 it ends with JSON: a Credo that is ended before has printed none."""
    assert credo.read(printed([]), 0, {}).verdict is Verdict.PASSED
    assert credo.read('{"issues": [', 0, {}).verdict is Verdict.UNKNOWN


def test_json_is_no_pass_if_the_configuration_names_no_file_that_is_there():
    judgement = credo.read(printed([]), 0, {"files": "none"})
    assert judgement.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "name", ["credo-parse-timeout", "credo-undefined-check", "credo-unparsable"]
)
def test_what_credo_left_out_is_unknown_beside_clean_json_and_named_beside_issues(name: str):
    words, _, _ = recording(name)[0].partition("Checking ")
    judgement = credo.read(printed([], words), 0, {})
    assert judgement.verdict is Verdict.UNKNOWN
    bad = credo.read(printed([ISSUE], words), 16, {})
    assert bad.verdict is Verdict.FAILED
    assert bad.reason == f"1 warning; {judgement.reason}"


def test_json_of_a_comparison_counts_what_is_new():
    diff = {"diff": {"new": [ISSUE], "fixed": [{**ISSUE, "line_no": 8}], "old": [ISSUE, ISSUE]}}
    output = json.dumps(diff)  # Credo prints it in one line
    (only,) = credo.find(output)
    assert (only.file, only.line, only.column) == ("lib/a.ex", 3, 5)
    assert credo.read(output, 16, {}).reason == "1 warning"
    assert "[W] lib/a.ex:3:5 no" in credo.show(output)
    assert "1 new issue\n" in credo.show(output)


def test_kept_issues_of_a_comparison_in_text_are_none():
    text = recording("credo-diff-findings")[0]
    kept = text.replace("+ ┃", "~ ┃").replace("added 1 new warning", "added no issues")
    assert credo.find(kept) == []


def test_issue_without_a_line_has_none():
    (only,) = credo.find(printed([{**ISSUE, "line_no": None, "column": None}]))
    assert (only.line, only.column) == (0, 0)


@pytest.mark.parametrize(
    ("written", "files"),
    [
        ('%{configs: [%{files: %{included: ["lib/", "src/"]}}]}', ""),
        ('%{configs: [%{files: %{included: ["src/"], excluded: []}}]}', "none"),
        ('%{configs: [%{files: %{included: ["{src,lib}/**/*.ex"]}}]}', ""),
        ("%{configs: [%{files: %{included: paths()}}]}", ""),
        ("", ""),
    ],
)
def test_configuration_tells_whether_there_is_a_file(tmp_path: Path, written: str, files: str):
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/a.ex").write_text("")
    if written:
        (tmp_path / ".credo.exs").write_text(written)
    assert credo.files(tmp_path, {}) == {"files": files}
