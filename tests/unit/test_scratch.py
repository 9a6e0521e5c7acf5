"""Temporary directories end with their run, however that ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pipeline.settings import PROJECT

HOLD = """
import time
from pipeline import scratch
with scratch.directory("evidence") as directory:
    (directory / "file").write_text("x")
    print(directory, flush=True)
    time.sleep(SECONDS)
"""


def start(tmp: Path, seconds: float) -> "tuple[subprocess.Popen[str], Path]":
    env = {**os.environ, "TMPDIR": str(tmp), "PYTHONPATH": str(PROJECT)}
    code = HOLD.replace("SECONDS", str(seconds))
    held = subprocess.Popen(
        [sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True
    )
    assert held.stdout
    return held, Path(held.stdout.readline().strip())


def age(directory: Path) -> None:
    old = time.time() - 3600
    os.utime(directory.parent, (old, old))


def test_run_that_ends_leaves_nothing(tmp_path: Path):
    held, directory = start(tmp_path, 0)
    assert directory.name == "evidence"
    assert held.wait(30) == 0
    assert list(tmp_path.iterdir()) == []


def test_next_run_removes_what_a_killed_one_left_and_nothing_of_one_that_lives(tmp_path: Path):
    killed, left = start(tmp_path, 60)
    killed.send_signal(signal.SIGKILL)
    killed.wait(30)
    assert (left / "file").exists()
    living, kept = start(tmp_path, 60)
    try:
        age(left)
        age(kept)
        (tmp_path / "qusto-run-mine").symlink_to(PROJECT)  # not a directory of ours
        assert start(tmp_path, 0)[0].wait(30) == 0
        assert not left.parent.exists()
        assert (kept / "file").exists()
    finally:
        living.kill()
        living.wait(30)
