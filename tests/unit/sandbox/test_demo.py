"""The demo, played whole with the miniature release: what a newcomer without Elixir sees."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import settings

INV = Path(sys.executable).with_name("inv")


@pytest.mark.skipif(not Path("/proc/uptime").exists(), reason="the sandbox host needs Linux")
def test_the_demo_tells_the_whole_story_and_leaves_nothing(tmp_path: Path):
    # A PATH without mix, and so without Elixir.
    programs = tmp_path / "bin"
    programs.mkdir()
    for directory in ("/usr/bin", "/bin", "/usr/sbin"):
        for program in Path(directory).iterdir():
            link = programs / program.name
            if program.name not in ("mix", "elixir") and not link.exists():
                link.symlink_to(program)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environ = {**os.environ, "PATH": str(programs), "TMPDIR": str(temporary)}
    ended = subprocess.run(
        [str(INV), "demo"],
        cwd=settings.PROJECT,
        env=environ,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = ended.stdout
    assert "Elixir is not installed here: a miniature release" in said
    story = [
        "GET /api/system: version 1.0.0 serves",
        "(exit 10, as it should be)",
        "GET /api/system: version 1.0.0 serves",
        "GET /api/system: version 3.0.0 serves",
        "GET /api/system: version 1.0.0 serves",
        "rolled-back",
        "The sandbox is gone",
    ]
    at = 0
    for sentence in story:
        at = said.index(sentence, at) + 1
    assert "Traceback" not in said + ended.stderr
    assert "Warning" not in ended.stderr
    assert list(temporary.iterdir()) == []
    assert shutil.which("mix", path=str(programs)) is None
