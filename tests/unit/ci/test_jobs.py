"""Jobs of our workflows, run for real in a repository like that of Qusto: application and `ci`."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.settings import PROJECT
from tests.unit.repositories import git, isolated

pytestmark = pytest.mark.needs("mix", "npm")
ELIXIR = ("--workflow", "elixir.yml")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample app at the top, what git has of this project in ci, with a .venv of its own."""
    top = tmp_path_factory.mktemp("qusto") / "app"
    tracked = git(PROJECT, "ls-files", "-z", env={**os.environ}).stdout.split("\0")
    for name in filter(None, tracked):
        if name.startswith("examples/qusto/"):
            target = top / name.removeprefix("examples/qusto/")
        elif name.startswith(("tests/", "benchmarks/", "examples/", "docs/")):
            continue
        else:
            target = top / "ci" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(PROJECT / name, target)
    shutil.copytree(top / "ci/.github", top / ".github")
    # One partition instead of six: what is shown is the jobs, not the split.
    settings = top / "ci/pyproject.toml"
    settings.write_text(settings.read_text().replace("partitions = 6", "partitions = 1"))
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "all")
    return top


def replay(repository: Path, *words: str) -> subprocess.CompletedProcess[str]:
    inv = PROJECT / ".venv/bin/inv"
    kept = {key: os.environ[key] for key in ("HOME", "XDG_CACHE_HOME") if key in os.environ}
    environ = {**isolated(repository), **kept, "QUSTO_APP_DIR": str(repository)}
    return subprocess.run(
        [inv, "-r", PROJECT, "ci.run", *words],
        cwd=repository,
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_partitions_and_the_job_that_gathers_them(repository: Path):
    for mix_env in ("test", "ce_test"):
        matrix = f"mix_env={mix_env},mix_test_partition=1"
        ended = replay(repository, "build", *ELIXIR, "--matrix", matrix)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "service postgres (postgres:18) 127.0.0.1:5432" in ended.stdout
        assert "build of elixir.yml: 5 passed, 5 skipped" in ended.stdout
    parts = {path.name for path in (repository / "ci/parts").iterdir()}
    assert parts == {"test-1.json", "test-1.coverdata", "ce_test-1.json"}

    ended = replay(repository, "gather", *ELIXIR)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "coverage" in ended.stdout
    results = {path.name for path in (repository / "ci/results").iterdir()}
    assert results == {"test.xml", "ce_test.xml", "times.json"}

    # A partition of other sources, as after a push in between, is no part of this suite.
    changed = repository / "lib/plausible/json.ex"
    before = changed.read_text()
    changed.write_text(f"{before}\n# changed\n")
    ended = replay(repository, "gather", *ELIXIR)
    changed.write_text(before)
    assert ended.returncode == 1
    assert "failed" in ended.stdout
    # The second suite is judged all the same; the step after it has no such condition.
    assert "The suite under ce_test" in ended.stdout
    assert "skipped           Seconds by test file" in ended.stdout


def test_check_that_cannot_be_made_here_fails_its_job_as_on_github(repository: Path):
    ended = replay(repository, "static", *ELIXIR)
    assert ended.returncode == 1
    assert "unknown credo: mix.exs does not list :credo" in ended.stdout
    assert "failed" in ended.stdout.splitlines()[-4]
    assert (repository / "ci/results/static.xml").is_file()


def test_node_job(repository: Path):
    ended = replay(repository, "build", "--workflow", "node.yml")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "PASSED" in ended.stdout
    assert (repository / "ci/results/node.xml").is_file()
