"""Coverage merged once over all parts, or refused."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.checks import coverage
from pipeline.checks.coverage import Rule
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown

from .stages import needs_mix, tiny

RECORDED = Path(__file__).parent / "recorded"
IMPORTED = "Importing cover results: cover/qusto-1.coverdata\n"
MIX_114 = (
    f"{IMPORTED}\nPercentage | Module\n-----------|-----\n    50.00% | T\n    50.00% | Total\n"
)
MIX_119 = f"{IMPORTED}\n| Percentage | Module |\n|------------|--------|\n|     50.00% | Total  |\n"
BELOW_90 = "\nCoverage test failed, threshold not met:\n\n    Coverage:   50.00%\n"


def app(root: Path, test_coverage: str = "") -> Path:
    (root / "mix.exs").write_text(f"def project do\n  [{test_coverage}]\nend\n")
    return root


def recorded(name: str) -> tuple[str, int]:
    text, _, code = (RECORDED / name).read_text().rpartition("rc=")
    return text, int(code)


@pytest.mark.parametrize("output", [MIX_114, MIX_119])
@pytest.mark.parametrize(
    ("limit", "judgement"),
    [
        (None, Judgement(Verdict.PASSED, "coverage 50 %")),
        (0, Judgement(Verdict.PASSED, "coverage 50 %")),
        (50, Judgement(Verdict.PASSED, "coverage 50 %")),
        (50.5, failed("coverage 50 % is below 50.5 %")),
    ],
)
def test_limit_is_that_of_the_settings_not_the_90_of_mix(
    tmp_path: Path, output: str, limit: float | None, judgement: Judgement
):
    said = coverage.judge(output + BELOW_90, 3, 1, Rule(limit), app(tmp_path), excoveralls=False)
    assert said == judgement


def test_limit_that_the_application_sets_holds_where_the_settings_have_none(tmp_path: Path):
    own = app(tmp_path, "test_coverage: [summary: [threshold: 60]]")
    said = coverage.judge(MIX_114 + BELOW_90, 3, 1, Rule(), own, excoveralls=False)
    assert said == failed("coverage 50 % is below the limit of the application")


@pytest.mark.parametrize(
    ("output", "code", "reason"),
    [
        (MIX_114, 0, "coverage: 1 of 2 parts were merged"),
        (IMPORTED, 0, "coverage: exit 0 and no total"),
        (MIX_114.replace("\n", f"\n{IMPORTED.replace('1', '2')}", 1), 1, "coverage: exit 1"),
    ],
)
def test_merge_that_is_not_whole_is_unknown(tmp_path: Path, output: str, code: int, reason: str):
    said = coverage.judge(output, code, 2, Rule(0), app(tmp_path), excoveralls=False)
    assert said == unknown(reason)


@pytest.mark.parametrize(
    ("name", "limit", "verdict"),
    [
        ("excoveralls-0.18-merged.txt", None, Verdict.PASSED),
        ("excoveralls-0.18-merged.txt", 100, Verdict.PASSED),
        ("excoveralls-0.18-merged-below-limit.txt", None, Verdict.FAILED),
        ("excoveralls-0.18-merged-below-limit.txt", 99, Verdict.PASSED),
    ],
)
def test_recorded_excoveralls_merges(
    tmp_path: Path, name: str, limit: float | None, verdict: Verdict
):
    output, code = recorded(name)
    said = coverage.judge(output, code, 2, Rule(limit), app(tmp_path), excoveralls=True)
    assert said.verdict is verdict


def test_recorded_part_that_excoveralls_holds_to_the_limit_of_the_whole_is_fine():
    output, code = recorded("excoveralls-0.18-part-below-limit.txt")
    assert coverage.part_is_fine(output, code, 0)
    assert not coverage.part_is_fine(output, code, 1)
    assert not coverage.part_is_fine(output.replace("Coverage data exported.", ""), code, 0)


def test_recorded_absence_of_the_tool_is_told_from_a_failure():
    output, code = recorded("excoveralls-absent-1.14.txt")
    assert code == 1
    said = "ExCoveralls, which should measure coverage, is no dependency here"
    assert coverage.absent_tool(output) == said
    assert coverage.absent_tool(recorded("excoveralls-0.18-merged.txt")[0]) == ""


@pytest.mark.parametrize(
    ("settings", "excoveralls"),
    [
        ("", False),
        ("test_coverage: [tool: ExCoveralls]", True),
        ("# test_coverage: [tool: ExCoveralls]", False),
        ('test_coverage: [output: "tmp/cov"]', False),
    ],
)
def test_tool_and_directory_are_read_from_mix_exs(tmp_path: Path, settings: str, excoveralls: bool):
    place = app(tmp_path, f"\n  {settings}\n")
    assert coverage.by_excoveralls(place) is excoveralls
    assert coverage.directory(place) == place / ("tmp/cov" if "tmp" in settings else "cover")
    assert coverage.merging(place, "test/a_test.exs")[1] == (
        "coveralls" if excoveralls else "test.coverage"
    )


def test_missing_empty_and_old_exports_are_lacking(tmp_path: Path):
    for number, text in ((1, "x"), (2, ""), (3, "x")):
        (tmp_path / f"qusto-{number}.coverdata").write_text(text)
    os.utime(tmp_path / "qusto-3.coverdata", (1000, 1000))
    assert coverage.lacking(tmp_path, (1,), 2000) == ""
    said = "no coverage of this run from partition 2, 3, 4"
    assert coverage.lacking(tmp_path, (1, 2, 3, 4), 2000) == said


@needs_mix
def test_real_merge_of_nothing_exits_zero_and_is_unknown(tmp_path: Path):
    place = tiny(tmp_path / "app", {"a": "assert true"})
    ended = subprocess.run(
        coverage.merging(place, "test/a_test.exs"),
        cwd=place,
        env={**os.environ, "MIX_ENV": "test"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0
    said = coverage.judge(ended.stdout, 0, 1, Rule(0), place, excoveralls=False)
    assert said == unknown("coverage: exit 0 and no total")
