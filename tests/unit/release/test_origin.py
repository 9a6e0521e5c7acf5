"""What git says of a release's commit: only a remote branch that holds it makes it pushed."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.release import origin
from pipeline.release.manifest import Manifest


def git(where: Path, *words: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    ended = subprocess.run(
        ["git", *identity, "-C", str(where), *words], capture_output=True, text=True, check=True
    )
    return ended.stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(tmp_path, "clone", "-q", "remote.git", "clone")
    path = tmp_path / "clone"
    git(path, "commit", "-q", "--allow-empty", "-m", "one")
    git(path, "push", "-q", "origin", "HEAD:main")
    return path


def manifest(commit: str, *, dirty: bool = False) -> Manifest:
    texts = dict.fromkeys(("mix_env", "built_at", "elixir", "erts", "os", "arch", "libc"), "")
    return Manifest(
        app="plausible",
        version="1.0.0",
        commit=commit,
        dirty=dirty,
        branch="main",
        digest="",
        files=0,
        bytes=0,
        **texts,
    )


def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"]}


def test_a_commit_is_pushed_when_a_remote_branch_holds_it(clone: Path):
    one = git(clone, "rev-parse", "HEAD")
    git(clone, "commit", "-q", "--allow-empty", "-m", "two")
    two = git(clone, "rev-parse", "HEAD")
    assert origin.of_artifact(manifest(one), clone, environ()).pushed
    assert not origin.of_artifact(manifest(two), clone, environ()).pushed
    git(clone, "push", "-q", "origin", "HEAD:main")
    assert origin.of_artifact(manifest(two), clone, environ()).pushed


@pytest.mark.parametrize("commit", ["", "f" * 40, "--all", "main"])
def test_what_git_does_not_know_as_pushed_is_not(tmp_path: Path, commit: str):
    assert not origin.of_artifact(manifest(commit), tmp_path, environ()).pushed


def test_without_git_nothing_is_pushed(clone: Path):
    commit = git(clone, "rev-parse", "HEAD")
    assert not origin.of_artifact(manifest(commit), clone, {"PATH": "/nonexistent"}).pushed


def test_ci_is_not_asked_about_uncommitted_changes(clone: Path):
    facts = origin.of_artifact(manifest("f" * 40, dirty=True), clone, environ())
    assert facts.ci.state == "missing"
    assert "uncommitted" in facts.ci.why
