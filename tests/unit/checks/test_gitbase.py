"""What `mix credo diff` would compare with, in real repositories."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.checks import gitbase
from pipeline.checks.verdicts import Judgement, Verdict


def git(place: Path, *words: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *words], cwd=place, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (place := tmp_path / "repository").mkdir()
    git(place, "init")
    (place / "a.ex").write_text("a")
    git(place, "add", ".")
    git(place, "commit", "-m", "one")
    git(place, "branch", "base")
    return place


def ask(place: Path, base: str = "base", **more: str) -> Judgement | None:
    return gitbase.comparable(base, place, {**os.environ, **more})


def test_branch_with_changes_is_comparable(repository: Path):
    (repository / "a.ex").write_text("b")
    assert ask(repository) is None
    git(repository, "commit", "-am", "two")
    assert ask(repository) is None


def test_new_file_is_a_difference(repository: Path):
    (repository / "b.ex").write_text("b")
    assert ask(repository) is None


def test_base_itself_is_skipped_because_nothing_differs(repository: Path):
    judgement = ask(repository)
    assert judgement == Judgement(Verdict.SKIPPED, "nothing differs from base")


def test_missing_base_is_unknown_with_the_remedy(repository: Path):
    judgement = ask(repository, "origin/main")
    assert judgement is not None
    assert judgement.verdict is Verdict.UNKNOWN
    assert "git fetch" in judgement.reason


def test_shallow_clone_is_unknown(repository: Path, tmp_path: Path):
    git(repository, "commit", "--allow-empty", "-m", "two")
    git(tmp_path, "clone", "--depth", "1", f"file://{repository}", "shallow")
    judgement = ask(tmp_path / "shallow", "HEAD")
    assert judgement is not None
    assert judgement.verdict is Verdict.UNKNOWN
    assert "fetch-depth: 0" in judgement.reason


def test_no_repository_is_unknown(tmp_path: Path):
    judgement = ask(tmp_path)
    assert judgement is not None
    assert judgement.verdict is Verdict.UNKNOWN


def test_variables_of_a_hook_do_not_lead_elsewhere(repository: Path, tmp_path: Path):
    (repository / "a.ex").write_text("b")
    assert ask(repository, GIT_DIR=str(tmp_path / "nowhere")) is None


def test_missing_git_is_unknown(repository: Path):
    judgement = gitbase.comparable("base", repository, {"PATH": "/nowhere"})
    assert judgement is not None
    assert judgement.reason == "git is not installed, so there is no base"
