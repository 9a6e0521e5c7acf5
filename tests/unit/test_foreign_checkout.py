"""A checkout that is not the user's own gets none of its configured programs run by `inv`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.settings import PROJECT
from tests.unit.repositories import git

INV = Path(sys.executable).with_name("inv")
STRANGER = 54321


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to another user")
def test_programs_of_its_git_configuration_do_not_run(tmp_path: Path):
    (app := tmp_path / "app").mkdir()
    (app / "mix.exs").write_text("defmodule A.MixProject do\nend\n")
    git(app, "init", "-q")
    ran = tmp_path / "ran"
    program = app / "program.sh"
    program.write_text(f'#!/bin/sh\necho "$0 $*" >>{ran}\nexit 1\n')
    program.chmod(0o755)
    git(app, "config", "filter.x.clean", str(program))
    (app / ".git/info/attributes").write_text("* filter=x\n")
    for key in ("core.fsmonitor", "diff.external", "core.pager", "core.sshCommand"):
        git(app, "config", key, str(program))
    ran.unlink(missing_ok=True)
    for path in (app, *app.rglob("*")):
        os.chown(path, STRANGER, STRANGER)
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "NO_COLOR": "1"}
    for words in (["check.list", "--why"], ["check", "--hook"], ["check", "--only=lint"]):
        subprocess.run([INV, "-r", PROJECT, *words], cwd=app, env=environ, capture_output=True)
    assert not ran.exists(), ran.read_text()
