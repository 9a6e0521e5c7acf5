"""inv as its users call it: exit codes, one-line errors, and nothing left alive after a signal."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline.settings import PROJECT
from tests.unit.checks.stages import needs_mix

from .checks.stages import tiny
from .test_process import SLEEP, alive, beam_with_ports, wait_until

INV = Path(sys.executable).parent / "inv"
needs_proc = pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")


def environ(**more: str) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key != "QUSTO_APP_DIR"}
    return {**kept, "NO_COLOR": "1", **more}


def inv(
    *words: str, cwd: Path, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [INV, "-r", PROJECT, *words],
        cwd=cwd,
        env=env or environ(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("task", ["check", "check.format", "check.list", "test", "doctor", "build"])
def test_no_mix_exs_is_one_line_and_exit_two(tmp_path: Path, task: str):
    ended = inv(task, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"error: no mix.exs in {tmp_path} or above it; ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["check", "--only", "fromat"], "--only: there is no check 'fromat'; did you mean format?"),
        (["check", "--jobs", "many"], "--jobs=many is not a whole number of at least 1"),
        (["check", "--jobs", "0"], "--jobs=0 is not a whole number of at least 1"),
        (["check", "--format", "xml"], "--format=xml is not known; use text or json"),
        (["check", "--app", "/nowhere"], "--app names /nowhere, which holds no mix.exs; "),
        (["test", "--partition", "7"], "--partition 7: there are 6; see --partitions"),
    ],
)
def test_wrong_option_is_one_line_and_exit_two(tmp_path: Path, words: list[str], message: str):
    (tmp_path / "mix.exs").write_text("")
    ended = inv(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"error: {message}")
    assert ended.stderr.count("\n") == 1


def test_application_is_found_through_the_environment_and_beats_the_directory(tmp_path: Path):
    (app := tmp_path / "app").mkdir()
    (app / "mix.exs").write_text("")
    ended = inv("check.list", "--format", "json", cwd=tmp_path, env=environ(QUSTO_APP_DIR=str(app)))
    assert ended.returncode == 0
    assert {row["name"] for row in json.loads(ended.stdout)} >= {"compile", "format", "test"}


def test_listing_imports_neither_fabric_nor_rich_nor_msgspec(tmp_path: Path):
    heavy = "{'fabric', 'paramiko', 'rich', 'httpx', 'msgspec'}"
    script = f"import sys, tasks; print(sorted({heavy} & set(sys.modules)))"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"


def test_every_check_has_a_task_of_its_own(tmp_path: Path):
    listing = inv("--list", cwd=tmp_path).stdout
    for name in ("all (check)", "list", "format", "unused-deps", "npm-test", "tracker"):
        assert f"check.{name}" in listing


def test_missing_tools_are_reported_and_nothing_green_is_claimed(tmp_path: Path):
    (tmp_path / "mix.exs").write_text("")
    ended = inv("check", cwd=tmp_path, env=environ(PATH="/nowhere"))
    assert ended.returncode == 3
    assert "mix is not installed: install Elixir" in ended.stdout
    assert "UNKNOWN" in ended.stdout.splitlines()[-1]
    assert ended.stderr == ""


@needs_mix
def test_checks_see_mix_env_and_none_of_a_hooks_git_variables(tmp_path: Path):
    (tmp_path / "mix.exs").write_text("")
    (tmp_path / "elixir").write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    (tmp_path / "elixir").chmod(0o755)
    env = environ(
        PATH=f"{tmp_path}:{os.environ['PATH']}", MIX_ENV="dev", GIT_INDEX_FILE="i", GIT_DIR="d"
    )
    assert inv("check.unused-deps", cwd=tmp_path, env=env).returncode == 3
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert seen["MIX_ENV"] == "test"
    assert not {"GIT_INDEX_FILE", "GIT_DIR"} & set(seen)


@needs_mix
def test_green_and_red_run(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert Tiny.one() == 1"})
    (app / ".formatter.exs").write_text('[inputs: ["lib/**/*.ex"]]\n')
    ended = inv("check", "--format", "json", cwd=app)
    report = json.loads(ended.stdout)
    verdicts = {row["name"]: row["verdict"] for row in report["checks"]}
    assert (ended.returncode, report["verdict"]) == (0, "passed")
    assert {verdicts[name] for name in ("compile", "format", "unused-deps", "test")} == {"passed"}
    assert verdicts["lint"] == verdicts["credo"] == "skipped"

    (app / "lib/tiny.ex").write_text("defmodule Tiny do\n  def one(x),   do: 1\nend\n")
    ended = inv("check", cwd=app)
    assert ended.returncode == 1
    assert "The following files are not formatted" in ended.stdout
    last = ended.stdout.splitlines()[-1]
    assert last.startswith("FAILED in ")
    assert "2 failed (compile, format)" in last
    assert "Repeat one with `inv check.compile`; --fix runs `mix format`" in last


@needs_mix
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted_run_leaves_no_child_and_is_not_green(tmp_path: Path, number: signal.Signals):
    code, ports = beam_with_ports(SLEEP + 30 + number)
    app = tiny(tmp_path / "app", {"a": code})
    with subprocess.Popen(
        [INV, "-r", PROJECT, "check.test"],
        cwd=app,
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        wait_until(lambda: all(alive(*port) for port in ports))
        running.send_signal(number)
        output, _ = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert "unknown test" in output
    assert "interrupted" in output
    # ExUnit's answer to QUIT, which comes first for that reason.
    assert "the following have not completed" in output
    assert output.splitlines()[-1].startswith("INTERRUPTED in ")
    assert not any(alive(*port) for port in ports)
    assert not beams_below(app)


@needs_mix
@needs_proc
def test_killed_run_leaves_no_child(tmp_path: Path):
    code, ports = beam_with_ports(SLEEP + 61)
    app = tiny(tmp_path / "app", {"a": code})
    with subprocess.Popen(
        [INV, "-r", PROJECT, "check.test"], cwd=app, env=environ(), stdout=subprocess.DEVNULL
    ) as running:
        wait_until(lambda: all(alive(*port) for port in ports))
        running.kill()
    wait_until(lambda: not any(alive(*port) for port in ports))
    wait_until(lambda: not beams_below(app))


def beams_below(app: Path) -> list[str]:
    """Return the processes that work in `app`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if path.resolve().is_relative_to(app):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@needs_mix
def test_tests_of_another_mix_env_in_partitions(tmp_path: Path):
    body = 'assert Mix.env() == :ce_test and System.get_env("MIX_TEST_PARTITION") == "1"'
    app = tiny(tmp_path / "app", {"a": body})
    ended = inv("test", "--env", "ce_test", "--partitions", "2", "--partition", "1", cwd=app)
    # The project does not know ce_test, and --env does not hide that.
    assert ended.returncode == 3
    text = (app / "mix.exs").read_text()
    (app / "mix.exs").write_text(text.replace("deps: []", "deps: [], test_env: :ce_test"))
    ended = inv("test", "--env", "ce_test", "--partitions", "2", "--partition", "1", cwd=app)
    assert ended.returncode == 0, ended.stdout
    assert "1 tests" in ended.stdout
