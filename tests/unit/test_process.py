"""pipeline.process and pipeline.descendants: what a child leaves behind, and how it ended."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import marker, output, process
from pipeline.process import Command, Exited, Interrupted, NotStarted, Result, Signalled, Stop

needs_elixir = pytest.mark.needs("elixir")
needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="only with /proc can a child that changed its group be found"
)

SLEEP = os.getpid() * 100
"""Seconds that only this test process sleeps: two may run at the same time."""

# A port child in its own session, one that even left the BEAM's tree, and a BEAM that waits.
BEAM_WITH_PORTS = """
Port.open({:spawn, "sleep FIRST"}, [])
Port.open({:spawn, "setsid -f sleep SECOND"}, [])
Process.sleep(:infinity)
"""


def run(*argv: str, cwd: Path | None = None, timeout: float = 60.0) -> Result:
    command = Command(argv, cwd or Path.cwd(), process.environment(os.environ, {}), timeout)
    return asyncio.run(process.run(command, Stop()))


def run_and_interrupt(
    *argv: str, when: Callable[[], bool], times: int = 1, cwd: Path | None = None
) -> Result:
    """Run the program and ask it to stop, `times` times, as soon as `when` holds."""

    async def scenario() -> Result:
        stop = Stop()
        command = Command(argv, cwd or Path.cwd(), process.environment(os.environ, {}), 60.0)
        running = asyncio.create_task(process.run(command, stop))
        await asyncio.to_thread(wait_until, when)
        for _ in range(times):
            stop.ask(signal.SIGINT)
        return await running

    return asyncio.run(scenario())


def wait_until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.02)


def beam_with_ports(first: int) -> tuple[str, list[tuple[str, str]]]:
    """Return such a BEAM's code, and the command lines of its ports."""
    code = BEAM_WITH_PORTS.replace("FIRST", f"{first}").replace("SECOND", f"{first + 1}")
    return code, [("sleep", f"{first}"), ("sleep", f"{first + 1}")]


def alive(*words: str) -> bool:
    """Say whether a process with exactly this command line is there."""
    wanted = "\0".join(words).encode() + b"\0"
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == wanted:
                return True
        except OSError:
            continue
    return False


def test_exit_code_and_both_streams_in_the_order_of_writing():
    result = run("sh", "-c", "echo one; echo two >&2; echo three; exit 3")
    assert result.ended == Exited(3)
    assert result.output == "one\ntwo\nthree\n"


def test_child_has_no_input_to_wait_for():
    assert run("cat").ended == Exited(0)


def test_child_leads_a_session_of_its_own():
    result = run(sys.executable, "-c", "import os; print(os.getsid(0), os.getpid())")
    session, pid = result.output.split()
    assert session == pid
    assert int(session) != os.getsid(0)


def test_git_local_variables_never_reach_a_child():
    told = subprocess.run(
        ["git", "rev-parse", "--local-env-vars"], capture_output=True, text=True, check=True
    ).stdout.split()
    base = dict.fromkeys(told, "x") | {"HOME": "/root"}
    assert process.environment(base, {"MIX_ENV": "test"}) == {"HOME": "/root", "MIX_ENV": "test"}


def test_missing_program_and_missing_directory_are_told_apart(tmp_path: Path):
    assert run("no-such-program").ended == NotStarted("no-such-program is not installed")
    gone = tmp_path / "gone"
    assert run("true", cwd=gone).ended == NotStarted(f"the directory {gone} does not exist")


def test_program_without_execute_permission_is_not_started(tmp_path: Path):
    (script := tmp_path / "script").write_text("#!/bin/sh\n")
    ended = run(str(script)).ended
    assert ended == NotStarted(f"{script} cannot be started: Permission denied")


def test_death_by_a_signal_of_others_is_no_exit():
    assert run("sh", "-c", "kill -KILL $$").ended == Signalled(9)


def test_time_out_ends_the_child_and_says_so():
    assert run("sleep", f"{SLEEP + 3}", timeout=0.2).ended == process.TimedOut(0.2)
    assert not alive("sleep", f"{SLEEP + 3}")


def test_interrupted_child_that_exits_zero_is_interrupted(tmp_path: Path):
    # As a BEAM does on QUIT, INT and TERM.
    ready = tmp_path / "ready"
    script = f"trap 'exit 0' QUIT TERM; : > {ready}; while :; do sleep 0.05; done"
    assert run_and_interrupt("sh", "-c", script, when=ready.exists).ended == Interrupted()


def test_after_a_stop_nothing_new_starts(tmp_path: Path):
    async def scenario() -> Result:
        stop = Stop()
        stop.ask(signal.SIGTERM)
        command = Command(("touch", str(tmp_path / "ran")), tmp_path, os.environ, 5.0)
        return await process.run(command, stop)

    assert asyncio.run(scenario()).ended == Interrupted()
    assert not (tmp_path / "ran").exists()


def test_second_signal_kills_what_ignores_the_polite_ones(tmp_path: Path):
    ready = tmp_path / "ready"
    script = f"trap '' QUIT TERM; : > {ready}; while :; do sleep 0.05; done"
    result = run_and_interrupt("sh", "-c", script, when=ready.exists, times=2)
    assert result.ended == Interrupted()
    assert result.seconds < sum(grace for _, grace in process.ENDING)


def test_child_left_behind_in_the_group_is_ended():
    result = run("sh", "-c", f"sleep {SLEEP + 4} & echo done")
    assert result.ended == Exited(0)
    assert result.output == "done\n"
    assert not alive("sleep", f"{SLEEP + 4}")


@needs_proc
def test_child_left_behind_in_another_session_is_ended():
    result = run("sh", "-c", f"setsid -f sleep {SLEEP + 5} >/dev/null 2>&1; echo done")
    assert result.ended == Exited(0)
    assert not alive("sleep", f"{SLEEP + 5}")


@needs_proc
def test_epmd_outlives_a_check_that_ended_by_itself(tmp_path: Path):
    epmd = tmp_path / "epmd"
    shutil.copy("/bin/sleep", epmd)
    try:
        # Not before it bears its name.
        script = 'setsid "$0" "$1" & until grep -qx epmd /proc/$!/comm; do sleep 0.01; done'
        assert run("sh", "-c", script, str(epmd), f"{SLEEP + 6}").ended == Exited(0)
        assert alive(str(epmd), f"{SLEEP + 6}")
    finally:
        for path in Path("/proc").glob("[0-9]*/exe"):
            try:
                if path.resolve() == epmd:
                    os.kill(int(path.parent.name), signal.SIGKILL)
            except OSError:
                continue


@needs_proc
@needs_elixir
def test_interrupted_beam_takes_its_port_children_along_and_does_not_crash(tmp_path: Path):
    code, ports = beam_with_ports(SLEEP + 11)
    result = run_and_interrupt(
        "elixir", "-e", code, when=lambda: all(alive(*port) for port in ports), cwd=tmp_path
    )
    assert result.ended == Interrupted()
    assert not any(alive(*port) for port in ports)
    assert not (tmp_path / "erl_crash.dump").exists()


@needs_proc
@needs_elixir
def test_killed_runner_leaves_no_beam_behind(tmp_path: Path):
    script = tmp_path / "runner.py"
    script.write_text(
        "import asyncio, os, pathlib, sys\n"
        "from pipeline import descendants, process\n"
        "command = process.Command(tuple(sys.argv[1:]), pathlib.Path.cwd(), os.environ, 300.0)\n"
        "with descendants.guarded():\n"
        "    asyncio.run(process.run(command, process.Stop()))\n"
    )
    code, ports = beam_with_ports(SLEEP + 21)
    with subprocess.Popen([sys.executable, script, "elixir", "-e", code], cwd=tmp_path) as runner:
        wait_until(lambda: all(alive(*port) for port in ports))
        runner.kill()
    wait_until(lambda: not any(alive(*port) for port in ports))
    wait_until(lambda: not alive_with(code))
    assert not (tmp_path / "erl_crash.dump").exists()


def alive_with(word: str) -> bool:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word.encode() in path.read_bytes():
                return True
        except OSError:
            continue
    return False


def test_long_output_keeps_its_ends_and_counts_what_is_left_out():
    size = output.HEAD + 8 * output.TAIL
    result = run("sh", "-c", f"echo first; head -c {size} /dev/zero | tr '\\0' x; echo; echo last")
    assert result.output.startswith("first\n")
    assert result.output.endswith("x\nlast\n")
    assert "bytes of output left out" in result.output
    assert len(result.output) < output.HEAD + 3 * output.TAIL


def test_short_output_is_whole_even_where_a_character_meets_the_bound():
    text = "x" * (output.HEAD - 1) + "é"
    result = run(sys.executable, "-c", f"print('x' * {output.HEAD - 1} + chr(233), end='')")
    assert result.output == text


def test_markers_differ_and_belong_to_one_run():
    first, second = marker.new_marker(), marker.new_marker()
    assert first != second
    assert first.startswith(marker.PREFIX)
    assert second.startswith(marker.PREFIX)
