"""Which rows a run has, in which form."""

from pathlib import Path

import pytest

from pipeline.checks import plan
from pipeline.checks.plan import Options, Planned
from pipeline.checks.verdicts import Verdict
from pipeline.errors import UsageProblem
from pipeline.settings import Settings


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "mix.exs").write_text("[{:credo}, {:dialyxir}]")
    for name in ("mix", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def rows(
    app: Path, options: Options, settings: Settings | None = None, **environ: str
) -> dict[str, Planned]:
    known = {"PATH": str(app), "MIX_HOME": str(app / "none"), **environ}
    found = plan.plan(app, options, settings or Settings(), known)
    return {row.check.name: row for row in found}


def test_plain_run_has_the_local_rows_in_table_order(app: Path):
    found = list(rows(app, Options()))
    assert found[0] == "compile"
    assert "compile-ce" not in found
    assert "compile-ce" in rows(app, Options(ci=True))


def test_only_brings_along_what_the_named_rows_need(app: Path):
    assert set(rows(app, Options(only=("dialyzer",)))) == {"compile", "dialyzer"}
    assert set(rows(app, Options(only=("credo",)))) == {"credo"}


def test_row_left_out_is_skipped_by_name_and_holds_nobody_up(app: Path):
    found = rows(app, Options(skip=("compile",)))
    settled = found["compile"].settled
    assert settled is not None
    assert (settled.verdict, settled.reason) == (Verdict.SKIPPED, "left out by --skip")
    assert found["dialyzer"].check.needs == ()


def test_setting_leaves_rows_out_unless_they_are_asked_for_by_name(app: Path):
    settings = Settings(skip=("credo",))
    assert rows(app, Options(), settings)["credo"].settled is not None
    assert rows(app, Options(only=("credo",)), settings)["credo"].settled is None


@pytest.mark.parametrize(
    ("options", "settings", "place"),
    [
        (Options(only=("fromat",)), Settings(), "--only"),
        (Options(skip=("fromat",)), Settings(), "--skip"),
        (Options(), Settings(skip=("fromat",)), "[tool.qusto] skip"),
        (Options(), Settings(require=("fromat",)), "[tool.qusto] require"),
        (Options(), Settings(timeouts={"fromat": 1.0}), "[tool.qusto.timeouts]"),
    ],
)
def test_unknown_name_is_a_usage_problem_that_names_the_nearest(
    app: Path, options: Options, settings: Settings, place: str
):
    with pytest.raises(UsageProblem) as raised:
        rows(app, options, settings)
    assert str(raised.value) == f"{place}: there is no check 'fromat'; did you mean format?"


def test_required_check_without_its_tool_is_unknown_on_a_laptop_too(app: Path):
    found = rows(app, Options(), Settings(require=("sobelow",)))
    sobelow, audit = found["sobelow"].settled, found["deps-audit"].settled
    assert sobelow is not None
    assert audit is not None
    assert sobelow.verdict is Verdict.UNKNOWN
    assert audit.verdict is Verdict.SKIPPED


def test_credo_is_strict_here_and_a_comparison_in_ci(app: Path):
    assert rows(app, Options())["credo"].check.argv == ("mix", "credo", "--strict")

    def base(options: Options, **environ: str) -> str:
        argv = rows(app, options, Settings(base="origin/trunk"), **environ)["credo"].check.argv
        assert argv[:-1] == ("mix", "credo", "diff", "--from-git-merge-base")
        return argv[-1]

    assert base(Options(ci=True)) == "origin/trunk"
    assert base(Options(ci=True), GITHUB_BASE_REF="develop") == "origin/develop"
    assert base(Options(base="v1"), GITHUB_BASE_REF="develop") == "v1"


def test_time_out_comes_from_the_settings(app: Path):
    found = rows(app, Options(), Settings(timeouts={"format": 7.0}))
    assert found["format"].check.timeout == 7.0


def test_jobs_come_from_the_option_then_the_setting_then_the_cores():
    assert plan.jobs(Options(jobs=3), Settings(jobs=5)) == 3
    assert plan.jobs(Options(), Settings(jobs=5)) == 5
    assert plan.jobs(Options(), Settings()) >= 1


def test_words_for_mix_test_are_part_of_its_command(tmp_path: Path):
    settings = Settings(test_args=("--include", "slow"))
    rows = {row.check.name: row.check for row in plan.plan(tmp_path, Options(), settings, {})}
    assert rows["test"].argv == ("mix", "test", "--include", "slow")
