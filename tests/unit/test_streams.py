"""What becomes of a run whose output nobody can take: its verdict stays its exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import PROJECT

from .repositories import isolated, repository, stand_in

FAKE_MIX = """#!/bin/sh
[ -e "$HOME/bad" ] || exit 0
echo "** (Mix) Unused dependencies in mix.lock file:"
echo "  * :a"
exit 1
"""
BROKEN = [">&-", ">/dev/full", "2>&-", "2>/dev/full", ">/dev/full 2>&1", ">&- 2>&- <&-", "| true"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    stand_in(tmp_path / "home", FAKE_MIX)
    return tmp_path / "home"


def shell(home: Path, app: Path, line: str) -> "subprocess.CompletedProcess[str]":
    path = f"{home}/bin:{Path(sys.executable).parent}:/usr/bin:/bin"
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line],
        cwd=app,
        env=isolated(home, PATH=path, MIX_HOME=str(home / "mix")),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_output_ends_a_run_quietly_with_the_code_of_its_verdict(
    tmp_path: Path, home: Path, broken: str
):
    app = repository(tmp_path / "app", {"mix.exs": ""})
    check = f"inv -r {PROJECT} check --only unused-deps"
    for options in ("", "--format json"):
        ended = shell(home, app, f"{check} --all {options} {broken}")
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stdout + ended.stderr
    (home / "bad").touch()
    ended = shell(home, app, f"{check} --all {broken}")
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_full_disk_behind_standard_output_is_said_once(tmp_path: Path, home: Path):
    app = repository(tmp_path / "app", {"mix.exs": ""})
    for task in ("check.list", "--list", "doctor"):
        ended = shell(home, app, f"inv -r {PROJECT} {task} >/dev/full")
        assert ended.stderr == (
            "note: standard output cannot be written: No space left on device\n"
        ), ended.stderr


def test_reader_that_leaves_after_the_first_line_spoils_nothing(tmp_path: Path, home: Path):
    app = repository(tmp_path / "app", {"mix.exs": ""})
    check = f"inv -r {PROJECT} check --only unused-deps"
    ended = shell(home, app, f"{check} | head -1")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("start   unused-deps")
    assert "reused" in shell(home, app, check).stdout  # the first run came to its end
