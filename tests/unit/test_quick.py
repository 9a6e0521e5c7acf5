"""The commit right after a green `inv check`: answered at a glance, and only when that is true."""

import marshal
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import hooks, mix_program
from pipeline.checks import worktree
from pipeline.settings import PROJECT

from .repositories import git, isolated, repository, stand_in, write

# Passes unless told to fail: by what is checked, or by something no key knows of.
FAKE_MIX = """#!/bin/sh
echo "$*" >> "$HOME/calls"
if [ "$1" = format ] && { [ -e "$HOME/flaky" ] || grep -rq BAD lib; }; then
  echo "** (Mix) mix format failed due to --check-formatted."
  printf 'The following files are not formatted:\\n\\n  * lib/a.ex\\n'
  exit 1
fi
[ "$1" != test ] || echo "1 test, 0 failures"
"""
GLANCE = "reused format, test: passed with these files before (skipped: credo)\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "home", {"calls": ""})
    stand_in(tmp_path / "home", FAKE_MIX)
    return tmp_path / "home"


@pytest.fixture
def app(tmp_path: Path, home: Path) -> Path:
    files = {"mix.exs": "", "lib/a.ex": "one", "test/a_test.exs": "", "README.md": ""}
    app = repository(tmp_path / "app", {**files, ".gitignore": "_build\n"})
    hooks.install(hooks.find(app, environ(home)), Path(sys.executable), PROJECT)
    write(app, {"lib/a.ex": "two"})
    assert inv_check(app, home) == 0
    git(app, "add", "--all")
    (home / "calls").write_text("")
    return app


def environ(home: Path, **more: str) -> dict[str, str]:
    path = f"{home}/bin:{os.environ['PATH']}"
    return isolated(home, PATH=path, MIX_HOME=str(home / "mix"), **more)


def inv_check(app: Path, home: Path, *words: str) -> int:
    return subprocess.run(
        [Path(sys.executable).parent / "inv", "-r", PROJECT, "check", *words],
        cwd=app,
        env=environ(home),
        capture_output=True,
        check=False,
        timeout=120,
    ).returncode


def hook(app: Path, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the hook as git does, without making the commit."""
    return subprocess.run(
        [app / ".git/hooks/pre-commit"],
        cwd=app,
        env=environ(home, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def ran(home: Path) -> bool:
    return bool((home / "calls").read_text())


def test_commit_after_a_green_check_runs_nothing(app: Path, home: Path):
    ended = git(app, "commit", "--message=next", env=environ(home))
    assert ended.stderr == GLANCE
    assert not ran(home)
    assert git(app, "show", "HEAD:lib/a.ex").stdout == "two"


def test_short_way_imports_nothing_that_is_slow(app: Path, home: Path):
    quick = str(PROJECT / "pipeline/quick.py")
    words = [sys.executable, "-S", "-X", "importtime", quick, "."]
    ended = subprocess.run(
        words, cwd=app, env=environ(home), capture_output=True, text=True, check=True
    )
    assert ended.stderr.endswith(GLANCE)
    imported = {line.rsplit("|", 1)[-1].strip() for line in ended.stderr.splitlines()}
    assert not imported & {
        "re",
        "pathlib",
        "typing",
        "subprocess",
        "hashlib",
        "invoke",
        "pipeline.checks.table",
    }


@pytest.mark.parametrize(
    "path", ["lib/a.ex", "lib/new.ex", "mix.exs", "test/a_test.exs", "README.md"]
)
def test_any_change_leads_the_long_way(app: Path, home: Path, path: str):
    write(app, {path: "BAD"})
    git(app, "add", "--all")
    ended = hook(app, home)
    assert GLANCE not in ended.stderr
    assert ended.returncode == (1 if path.startswith("lib") else 0)
    assert ran(home)


def test_other_tool_or_variable_leads_the_long_way(app: Path, home: Path):
    assert hook(app, home, MIX_TARGET="rpi").stderr != GLANCE
    assert ran(home)
    write(home, {"bin/mix": f"{FAKE_MIX}# another version\n"})
    assert hook(app, home).stderr != GLANCE


def test_failure_on_the_same_files_takes_the_note_away(app: Path, home: Path):
    (home / "flaky").touch()
    assert inv_check(app, home, "--all") == 1
    (home / "flaky").unlink()
    (home / "calls").write_text("")
    ended = hook(app, home)
    assert GLANCE not in ended.stderr
    assert ran(home)


def test_note_that_was_spoiled_leads_the_long_way(app: Path, home: Path):
    place = worktree.records(app)
    assert place is not None
    for content in (b"", b"[]", marshal.dumps([]), marshal.dumps({"state": "1"})):
        (place / "glance").write_bytes(content)
        ended = hook(app, home)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert "3 reused" in ended.stdout


def test_partially_staged_file_leads_the_long_way(app: Path, home: Path):
    git(app, "reset", "--quiet")
    write(app, {"lib/a.ex": "BAD"})
    git(app, "add", "--all")
    write(app, {"lib/a.ex": "two"})
    ended = hook(app, home)
    assert ended.returncode == 1
    assert ended.stderr == "note: not as in the commit: lib/a.ex; a copy of the commit is checked\n"


def test_scratch_file_that_git_was_told_to_overlook_costs_nothing(app: Path, home: Path):
    write(app, {"notes.txt": "", ".git/info/exclude": "notes.txt\n"})
    assert hook(app, home).stderr == GLANCE
    assert not ran(home)


def test_note_is_too_old_after_a_day(app: Path, home: Path):
    place = worktree.records(app)
    assert place is not None
    noted = marshal.loads((place / "glance").read_bytes())
    assert 86000 < noted["until"] - noted["since"] <= 86400
    for changed in ({"until": noted["since"] + 0.001}, {"since": noted["until"] - 1}):
        (place / "glance").write_bytes(marshal.dumps({**noted, **changed}))
        assert hook(app, home).stderr != GLANCE


def test_commit_of_nothing_is_not_claimed_to_be_checked(app: Path, home: Path):
    git(app, "reset", "--quiet", "--hard")
    ended = hook(app, home)
    assert ended.stdout == "nothing staged that a check of the hook looks at: nothing to do\n"
    assert not ran(home)


def test_long_way_uses_the_beam_that_was_begun(app: Path, home: Path):
    # Of a mix that is not Elixir's own no BEAM is begun.
    assert mix_program.is_elixirs_own(environ(home)["PATH"])
    elixir = home / "bin/elixir"
    counting = elixir.read_text().replace("#!/bin/sh\n", '#!/bin/sh\necho beam >> "$HOME/calls"\n')
    elixir.write_text(counting)
    write(app, {"lib/a.ex": "three"})
    git(app, "add", "--all")
    assert hook(app, home).returncode == 0
    calls = (home / "calls").read_text().splitlines()
    assert any(call.startswith("compile") for call in calls)
    assert calls.count("beam") <= 2
    assert calls[0] == "beam"
