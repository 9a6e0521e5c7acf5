"""Setting up a checkout that was moved or copied, on a machine with settings of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import PROJECT

# Settings that people have for other work of theirs.
ODD = {
    "PIP_USER": "1",
    "PIP_REQUIRE_VIRTUALENV": "1",
    "PIP_TARGET": "/nonexistent",
    "PYTHONPATH": "/nonexistent",
    "LANG": "de_DE.UTF-8",
    "TZ": "Asia/Kolkata",
    "CLICOLOR_FORCE": "1",
}


def run(*words: str | Path, at: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words,
        cwd=at,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        umask=0o077,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set-up checkout without its git, in a directory with a space."""
    top = tmp_path_factory.mktemp("some where") / "first"
    made_here = shutil.ignore_patterns(".*", "node_modules", "_build", "benchmarks", "tests")
    shutil.copytree(PROJECT, top, ignore=made_here, symlinks=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where our uv is
    ended = run("bootstrap/venv.sh", "run", at=top, PATH=path, **ODD)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return top


def named(top: Path) -> str:
    """Return the project that the checkout's own Python imports."""
    code = "from pipeline.settings import PROJECT; print(PROJECT)"
    return run(top / ".venv/bin/python", "-Pc", code, at=Path("/")).stdout.strip()


def test_set_up_with_settings_for_other_work(checkout: Path):
    assert named(checkout) == str(checkout)
    ended = run(".venv/bin/inv", "--list", at=checkout)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert run("bootstrap/venv.sh", "run", at=checkout).stdout == ""  # nothing to do


def test_copied_checkout_says_whose_code_it_runs_until_it_is_set_up(checkout: Path):
    copy = checkout.with_name("copy")
    shutil.copytree(checkout, copy, symlinks=True)
    for program in ("inv", "fab"):
        ended = run(f".venv/bin/{program}", "--list", at=copy)
        assert ended.returncode == 2
        said = f"error: {copy} is run by the .venv of {checkout}; make setup, in {copy}\n"
        assert ended.stderr == said
    ended = run("bootstrap/venv.sh", "run", at=copy)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert (named(copy), named(checkout)) == (str(copy), str(checkout))
    assert run(".venv/bin/inv", "--list", at=copy).returncode == 0


def test_hook_of_a_moved_clone_sets_it_up_again(checkout: Path):
    copy = checkout.with_name("to be moved")
    shutil.copytree(checkout, copy, symlinks=True)
    moved = copy.rename(checkout.with_name("moved"))
    run("git", "init", "-q", at=moved)
    ended = run(moved / "bootstrap/hook.sh", at=moved)
    assert "Making .venv" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert named(moved) == str(moved)
