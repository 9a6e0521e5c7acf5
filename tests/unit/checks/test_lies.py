"""Ways for green to lie that need a real program, or a text of their own; see docs/checks.md."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Verdict
from tests.unit.checks.stages import needs_mix, tiny

_WAITING = 'IO.puts("I am up"); Process.sleep(60_000)'


@needs_mix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_real_beam_that_a_stranger_interrupts_exits_zero_and_is_unknown(
    tmp_path: Path, number: signal.Signals
):
    app = tiny(tmp_path / "app", {})
    log = tmp_path / "log"
    with log.open("wb") as out:
        beam = subprocess.Popen(
            ("mix", "run", "-e", _WAITING),
            cwd=app,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + 60
        while "I am up" not in log.read_text() and time.monotonic() < until:
            time.sleep(0.05)
        # It execs from shell script to BEAM: the pid stays.
        os.kill(beam.pid, number)
        code = beam.wait(timeout=30)
    finally:
        if beam.poll() is None:
            os.killpg(beam.pid, signal.SIGKILL)
            beam.wait()
    assert code == 0
    judgement = mix.read(log.read_text(), code, {})
    assert judgement.verdict is Verdict.UNKNOWN
    assert number.name in judgement.reason
