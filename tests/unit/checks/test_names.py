"""Names of files as other people have them: not UTF-8, with line ends, quotes, leading dashes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import hooks
from pipeline.settings import PROJECT

from ..repositories import git, isolated, repository, stand_in, write

FAKE_MIX = """#!/bin/sh
[ "$1" != format ] || ! grep -rq BAD lib || {
  printf '** (Mix) mix format failed\nThe following files are not formatted:\n\n  * lib/a.ex\n'
  exit 1
}
[ "$1" != test ] || echo "1 test, 0 failures"
"""
ODD = [b"caf\xe9.ex", b"two\nlines.ex", b"-dash.ex", b'it\'s "quoted".ex', b"tab\t.ex", b"\xff\xfe"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    stand_in(tmp_path / "home", FAKE_MIX)
    return tmp_path / "home"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = repository(tmp_path / "app", {"mix.exs": "", "lib/a.ex": "", "test/a_test.exs": ""})
    for name in ODD:
        (app / "lib" / os.fsdecode(name)).write_text("one")
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--message=odd")
    return app


def environ(home: Path, **more: str) -> dict[str, str]:
    path = f"{home}/bin:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return isolated(home, PATH=path, MIX_HOME=str(home / "mix"), **more)


def inv(app: Path, home: Path, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        ["inv", "-r", str(PROJECT), *words],
        cwd=app,
        env=environ(home, **more),
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=120,
    )
    assert "Traceback" not in ended.stdout + ended.stderr, ended.stderr
    return ended


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_every_report_bears_any_name(app: Path, home: Path, tmp_path: Path, locale: str):
    only = ("--only", "format,compile,test")
    git(app, "config", "core.quotePath", "false")
    ended = inv(app, home, "check", *only, "--junit", str(tmp_path / "junit.xml"), LC_ALL=locale)
    assert ended.returncode == 0, ended.stdout
    assert "3 reused" in inv(app, home, "check", *only, LC_ALL=locale).stdout
    (app / "lib" / os.fsdecode(ODD[0])).write_text("two")
    rows = json.loads(inv(app, home, "check.list", "--why", "--format=json", LC_ALL=locale).stdout)
    why = {row["name"]: row["why"] for row in rows}
    assert why["format"] == r"run: changed: lib/caf\xe9.ex"
    assert json.loads(inv(app, home, "check", *only, "--format=json").stdout)["exit_code"] == 0
    inv(app, home, "doctor", LC_ALL=locale)


def test_commit_of_any_name_is_checked(app: Path, home: Path):
    hooks.install(hooks.find(app, environ(home)), Path(sys.executable), PROJECT)
    for number, name in enumerate(ODD):
        (app / "lib" / os.fsdecode(name)).write_text(f"two, and not staged {number}")
    write(app, {"lib/a.ex": "good"})
    git(app, "add", "lib/a.ex")
    ended = git(app, "commit", "--message=next", env=environ(home), ok=False)
    assert ended.returncode == 0, ended.stderr
    assert r"not as in the commit: lib/-dash.ex, lib/caf\xe9.ex, " in ended.stderr
    git(app, "add", "--all")
    ended = git(app, "commit", "--message=next", env=environ(home), ok=False)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr


def test_application_whose_own_directory_has_such_a_name(tmp_path: Path, home: Path):
    files = {"mix.exs": "", "lib/a.ex": "", "test/a_test.exs": ""}
    app = repository(tmp_path / os.fsdecode(b"caf\xe9 \n it's"), files)
    (home / "bad").touch()
    for words in (("check", "--only=format"), ("check.list", "--why"), ("test",)):
        for form in ("text", "json"):
            inv(app, home, *words, f"--format={form}", f"--app={app}")


def test_test_files_that_a_sparse_checkout_lacks_are_named(app: Path, home: Path):
    write(app, {"test/far/b_test.exs": "", "test/far/c_test.exs": ""})
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--message=far")
    git(app, "sparse-checkout", "set", "--no-cone", "/*", "!/test/far/")
    assert not (app / "test/far").exists()
    said = " ".join(inv(app, home, "check", "--only=test").stdout.split())
    assert (
        "not in this sparse checkout, so not run: test/far/b_test.exs, test/far/c_test.exs" in said
    )
    git(app, "sparse-checkout", "set", "--no-cone", "/*", "!/test/")
    ended = inv(app, home, "test")
    assert ended.returncode == 3
    assert "no test file is in this sparse checkout: test/a_test.exs" in ended.stdout


def test_line_that_repeats_a_check_works_from_anywhere(app: Path, home: Path, tmp_path: Path):
    write(app, {"lib/a.ex": "BAD"})
    said = inv(app.parent, home, "check", "--only=format", "--app=app").stdout
    line = said.partition("Repeat one with `")[2].partition("`")[0]
    assert line.endswith(f"check.format --app {app}")
    ended = subprocess.run(
        ["sh", "-c", line], cwd="/", env=environ(home), capture_output=True, text=True, check=False
    )
    assert (ended.returncode, "1 failed (format)" in ended.stdout) == (1, True), ended.stderr
