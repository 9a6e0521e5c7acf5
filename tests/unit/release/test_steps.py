"""What a run shows of its steps outside of a terminal."""

import io
import time

import pytest
from rich.console import Console

from pipeline.release import steps
from pipeline.release.steps import Steps


def test_a_long_step_says_that_it_still_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(steps, "SILENCE", 0.05)
    out = io.StringIO()
    say = Steps(lambda: Console(file=out), terminal=False)
    with say.step("activate"):
        limit = time.monotonic() + 30
        while "so far" not in out.getvalue() and time.monotonic() < limit:
            time.sleep(0.01)
    lines = out.getvalue().splitlines()
    assert "activate" in lines[0]
    assert "so far" in lines[0]
    assert lines[-1].split()[:2] == ["ok", "activate"]


def test_a_short_step_is_one_line():
    out = io.StringIO()
    with Steps(lambda: Console(file=out), terminal=False).step("lock") as step:
        step.note = "web1"
    assert out.getvalue().count("\n") == 1
