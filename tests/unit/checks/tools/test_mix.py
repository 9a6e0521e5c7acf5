"""mix tasks: what is a failure of the code, and what is mix's own trouble."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.checks.readers import plain
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Verdict
from tests.unit.checks.stages import needs_mix, tiny

RAISES = """** (RuntimeError) boom
    mix.exs:5: Plausible.MixProject.project/0
    (mix 1.14.0) lib/mix/project.ex:838: Mix.Project.get_project_config/1
"""  # Elixir 1.14.0, as in tests/recorded/compile-mix-exs-raises.txt

RECORDED = Path(__file__).parents[1] / "recorded"
FORMAT_118 = (RECORDED / "mix-format-1.18.txt").read_text("utf-8")
SYNTAX_118 = (RECORDED / "mix-format-syntax-1.18.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Unchecked dependencies for environment test:\n* credo", "mix deps.get"),
        ("Could not find Hex, which is needed to build dependency :credo", "mix local.hex"),
        ('** (Mix) The task "credo" could not be found', "does not exist"),
        (RAISES, "mix.exs does not load: ** (RuntimeError) boom"),
        ("** (Mix) anything else", "** (Mix) anything else"),
    ],
)
@pytest.mark.parametrize("read", [mix.read, mix.compilation, mix.formatting, mix.unused_deps])
def test_trouble_of_mix_itself_is_unknown_in_every_row(read, output: str, reason: str):
    judgement = read(output, 1, {})
    assert judgement.verdict is Verdict.UNKNOWN
    assert reason in judgement.reason


def test_beam_that_somebody_else_terminated_is_unknown_though_it_exits_zero():
    output = "...\n\n10:00:00.000 [notice] SIGTERM received - shutting down\n\n"
    assert mix.read(output, 0, {}).verdict is Verdict.UNKNOWN


def test_files_are_named_by_later_elixirs_above_their_differences():
    found = mix.find_formatting(plain(FORMAT_118))
    assert [Path(finding.file).name for finding in found] == ["t.ex", "u.ex"]
    assert mix.formatting(FORMAT_118, 1, {}).reason == "2 files are not formatted"


def test_later_syntax_error_is_one_finding_at_its_place():
    (only,) = mix.find_formatting(plain(SYNTAX_118))
    assert (only.file, only.line, only.column) == ("lib/t.ex", 3, 1)
    assert only.message == "unexpected reserved word: end"
    judgement = mix.formatting(SYNTAX_118, 1, {})
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reason.startswith("it cannot be parsed: lib/t.ex:3: unexpected reserved word")


def test_exception_without_a_trace_of_its_file_has_no_line():
    (only,) = mix.find_compilation("== Compilation error in file lib/a.ex ==\n** (KeyError) no\n\n")
    assert (only.file, only.line, only.message) == ("lib/a.ex", 0, "no")


def test_warning_without_a_place_takes_none_from_the_next_one():
    text = "warning: of mix itself\n\nwarning: unused\n  lib/a.ex:3: A.b/0\n"
    assert [(f.file, f.line) for f in mix.find_compilation(text)] == [("", 0), ("lib/a.ex", 3)]


def test_inputs_that_match_no_file_are_unknown_though_mix_exits_zero():
    assert mix.formatting("", 0, {"inputs": "none"}).verdict is Verdict.UNKNOWN
    for known in ("some", ""):
        assert mix.formatting("", 0, {"inputs": known}).verdict is Verdict.PASSED


@pytest.mark.parametrize(
    ("written", "inputs"),
    [
        ('[inputs: ["{mix,.formatter}.exs", "nowhere/**/*.ex"]]', "some"),
        ('[inputs: ["lib/**/*.{ex,exs}"]]', "some"),
        ('[inputs: ["src/**/*.{ex,exs}"]]', "none"),
        ('[\n  # inputs: ["lib/*.ex"],\n  inputs: ["nowhere/*.ex"]\n]', "none"),
        ("[inputs: ~w(lib/*.ex)]", "some"),
        ("[inputs: ~w(nowhere/*.ex)]", "none"),
    ],
)
def test_written_inputs_are_matched_as_mix_does(tmp_path: Path, written: str, inputs: str):
    app = tiny(tmp_path / "app", {})
    (app / ".formatter.exs").write_text(written)
    assert mix.format_inputs(app, {"PATH": ""}) == {"inputs": inputs}


@needs_mix
@pytest.mark.parametrize(
    ("written", "inputs"),
    [
        ('[inputs: Enum.map(["lib"], &(&1 <> "/*.ex"))]', "some"),
        ('[inputs: Enum.map(["none"], &(&1 <> "/*.ex"))]', "none"),
        ('[subdirectories: ["lib"], inputs: ["none/*.ex"]]', "some"),
        ('[subdirectories: ["test"], inputs: ["none/*.ex"]]', "none"),
    ],
)
def test_real_mix_is_asked_for_computed_inputs(tmp_path: Path, written: str, inputs: str):
    app = tiny(tmp_path / "app", {})
    (app / ".formatter.exs").write_text(written)
    (app / "lib/.formatter.exs").write_text('[inputs: ["*.ex"]]')
    assert mix.format_inputs(app, os.environ) == {"inputs": inputs}


@needs_mix
def test_real_format_exits_zero_though_its_inputs_match_no_file(tmp_path: Path):
    app = tiny(tmp_path / "app", {})
    (app / ".formatter.exs").write_text('[inputs: ["nowhere/*.ex"]]')
    (app / "lib/tiny.ex").write_text("defmodule   Tiny do\nend\n")
    ended = real(app, "format", "--check-formatted")
    assert ended.returncode == 0
    facts = mix.format_inputs(app, os.environ)
    assert mix.formatting(ended.stdout, 0, facts).verdict is Verdict.UNKNOWN


@needs_mix
def test_real_warning_of_the_erlang_compiler_fails_at_its_place_also_the_second_time(
    tmp_path: Path,
):
    app = tiny(tmp_path / "app", {})
    (app / "src").mkdir()
    (app / "src/odd.erl").write_text("-module(odd).\n-export([a/0]).\na() -> X = 1, ok.\n")
    for _ in range(2):
        ended = real(app, "compile", "--warnings-as-errors", "--all-warnings")
        assert ended.returncode == 0
        judgement = mix.compilation(ended.stdout, 0, {})
        assert judgement.verdict is Verdict.FAILED, ended.stdout
        (only,) = mix.find_compilation(ended.stdout)
        assert only.file.endswith("src/odd.erl")
        assert only.line == 3


@needs_mix
def test_real_error_of_the_erlang_compiler_fails_at_its_place(tmp_path: Path):
    app = tiny(tmp_path / "app", {})
    (app / "src").mkdir()
    (app / "src/odd.erl").write_text("-module(odd).\n-export([a/0]).\na() -> b(.\n")
    ended = real(app, "compile", "--warnings-as-errors", "--all-warnings")
    judgement = mix.compilation(ended.stdout, ended.returncode, {})
    assert judgement.verdict is Verdict.FAILED, ended.stdout
    assert "odd.erl:3: syntax error before" in judgement.reason


def real(app: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("mix", *words),
        cwd=app,
        env={**os.environ, "MIX_ENV": "test"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
