"""`inv check --fix` with the real mix: repairs files, stages nothing, then checks again."""

import subprocess
from pathlib import Path

import pytest

from pipeline.checks import fixing, prepared
from pipeline.checks.plan import Options
from pipeline.errors import UsageProblem
from tests.unit.checks.stages import needs_mix, tiny

CROOKED = "defmodule Tiny   do\n  def one,   do: 1\nend\n"
STRAIGHT = "defmodule Tiny do\n  def one, do: 1\nend\n"


def git(app: Path, *words: str) -> str:
    ended = subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words),
        cwd=app,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tiny(tmp_path / "app", {"one": "assert Tiny.one() == 1"})
    (app / ".formatter.exs").write_text('[inputs: ["lib/**/*.ex"]]\n')
    (app / ".gitignore").write_text("_build\n")
    git(app, "init", "-q")
    git(app, "add", "-A")
    git(app, "commit", "-qm", "x")
    return app


@needs_mix
def test_fix_repairs_names_the_files_and_stages_nothing(
    app: Path, capfd: pytest.CaptureFixture[str]
):
    (app / "lib/tiny.ex").write_text(CROOKED)
    git(app, "add", "lib/tiny.ex")
    code = prepared.check(Options(only=("format",), fix=True), app=str(app), format="text")
    out = capfd.readouterr().out
    assert code == 0
    assert "fix     format: mix format\nchanged lib/tiny.ex\n" in out
    assert (app / "lib/tiny.ex").read_text() == STRAIGHT
    assert git(app, "show", ":lib/tiny.ex") == CROOKED


@needs_mix
def test_what_no_program_can_repair_still_fails_afterwards(
    app: Path, capfd: pytest.CaptureFixture[str]
):
    (app / "lib/tiny.ex").write_text("defmodule Tiny do\n  def one(, do: 1\nend\n")
    code = prepared.check(Options(only=("format",), fix=True), app=str(app), format="text")
    out = capfd.readouterr().out
    assert code == 1
    assert "fix     format: mix format (not all of it: exit 1;" in out
    assert "fix     nothing changed\n" in out


@needs_mix
def test_green_files_are_left_alone(app: Path, capfd: pytest.CaptureFixture[str]):
    before = fixing.contents(app)
    assert prepared.check(Options(only=("format",), fix=True), app=str(app), format="text") == 0
    assert fixing.contents(app) == before
    assert "nothing changed" in capfd.readouterr().out


@pytest.mark.parametrize("options", [Options(ci=True, fix=True), Options(hook=True, fix=True)])
def test_fix_is_refused_where_nothing_may_be_touched(app: Path, options: Options):
    with pytest.raises(UsageProblem, match="--fix changes files"):
        prepared.check(options, app=str(app), format="text")


def test_base_that_is_a_typing_error_is_a_usage_problem_and_in_a_shallow_clone_unknown(
    app: Path, tmp_path: Path
):
    with pytest.raises(UsageProblem, match="no such commit"):
        prepared.prepare(Options(base="nope"), app=str(app))
    git(app, "commit", "-q", "--allow-empty", "-m", "y")
    git(tmp_path, "clone", "-q", "--depth", "1", app.as_uri(), "shallow")
    rows = prepared.prepare(Options(base="nope"), app=str(tmp_path / "shallow")).rows
    credo = next(row.check for row in rows if row.check.name == "credo")
    judgement = credo.preflight(tmp_path / "shallow", {"PATH": "/usr/bin"})
    assert judgement is not None
    assert (judgement.verdict, "shallow" in judgement.reason) == ("unknown", True)
