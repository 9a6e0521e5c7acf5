"""A BEAM begun before anybody asks: used by the first row that fits, else gone without a trace."""

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline import ahead, descendants, process
from pipeline.ahead import Started
from pipeline.checks.beams import Beams
from pipeline.process import Command, EndedEarly, Exited, Result, Stop, TimedOut
from pipeline.settings import PROJECT
from tests.unit.checks.stages import needs_mix, tiny

from .repositories import isolated, stand_in, write

STATUS = b"1 M. N... 100644 100644 100644 1 2 lib/a.ex\0"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path / "home", {})
    stand_in(tmp_path / "home", '#!/bin/sh\necho "mix $*" "$MIX_ENV" "$PWD"\n')
    monkeypatch.setenv("PATH", f"{tmp_path}/home/bin:{os.environ['PATH']}")
    return tmp_path / "home"


def command(app: Path, environ: dict[str, str], *words: str, timeout: float = 60.0) -> Command:
    return Command(("mix", *words), app, environ, timeout)


def in_turn(begun: Started | None, *commands: Command) -> list[Result]:
    async def scenario() -> list[Result]:
        beams = Beams(len(commands), begun)
        try:
            return [await beams.run("row", one, Stop()) for one in commands]
        finally:
            await beams.close()

    return asyncio.run(scenario())


def pipes() -> set[str]:
    """Return the pipes that are open here; what other tests left behind may go at any time."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(entry.readlink()))
    return {name for name in found if name.startswith("pipe:")}


@pytest.mark.parametrize(
    ("status", "begun"),
    [
        (STATUS, True),
        (b"? lib/page.html.heex\0", True),
        (b"1 M. N... 100644 100644 100644 1 2 assets/app.ts\0? README.md\0", False),
        (b"", False),
    ],
)
def test_beam_is_begun_only_for_elixir_files(home: Path, status: bytes, begun: bool):
    found = ahead.begin(str(home), status, isolated(home, PATH=os.environ["PATH"]))
    assert bool(found) == begun
    if found:
        found.release()


def test_without_elixir_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    before = pipes()
    assert ahead.begin(str(tmp_path), STATUS, {"PATH": str(tmp_path)}) is None
    assert pipes() <= before


def test_nobody_took_it_and_nothing_is_left(home: Path):
    before = pipes()
    here = Path.cwd()
    begun = Started(str(home), isolated(home, PATH=os.environ["PATH"]))
    begun.release()
    begun.release()
    gone_by = time.monotonic() + 5  # erl_child_setup ends once it sees that its BEAM is gone
    while descendants.living(begun.marker, begun.pid):
        assert time.monotonic() < gone_by
        time.sleep(0.01)
    assert pipes() <= before
    assert Path.cwd() == here


def test_first_row_that_fits_has_it_and_nobody_after(home: Path, tmp_path: Path):
    environ = isolated(home, PATH=os.environ["PATH"])
    ours = process.environment(environ, {"MIX_ENV": "test"})
    begun = Started(str(home), environ)
    assert not begun.take(str(tmp_path), ours)
    assert not begun.take(str(home), {**ours, "MIX_TEST_PARTITION": "2"})
    ran = in_turn(begun, command(home, ours, "format"), command(home, ours, "compile"))
    assert [result.ended for result in ran] == [Exited(0), Exited(0)]
    assert ran[0].output == f"mix format test {home}\n"
    assert not begun.take(str(home), ours)
    assert not descendants.living(begun.marker, begun.pid)


@needs_mix
@pytest.mark.parametrize(
    ("task", "ended"),
    [
        (("run", "-e", 'IO.puts("fine")'), Exited(0)),
        (("run", "-e", "exit({:shutdown, 3})"), Exited(3)),
        (("run", "-e", "System.halt(0)"), EndedEarly()),
        (("run", "-e", "Process.sleep(60_000)"), TimedOut(3.0)),
    ],
)
def test_task_ends_in_it_as_in_any_other(tmp_path: Path, task: tuple[str, ...], ended: object):
    app = tiny(tmp_path / "app", {})
    environ = process.environment(os.environ, {"MIX_ENV": "test"})
    timeout = 3.0 if isinstance(ended, TimedOut) else 60.0
    one = command(app, environ, *task, timeout=timeout)
    begun = Started(str(app), os.environ)
    ours, theirs = in_turn(begun, one)[0], in_turn(None, one)[0]
    assert ours.ended == theirs.ended == ended
    assert ("fine" in ours.output) == (ended == Exited(0))
    assert not descendants.living(begun.marker, begun.pid)


@needs_mix
def test_it_ends_by_itself_when_we_are_killed(tmp_path: Path):
    app = tiny(tmp_path / "app", {})
    script = (
        "import os, sys\nfrom pipeline.ahead import Started\n"
        "begun = Started(sys.argv[1], os.environ)\n"
        "print(begun.pid, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script, app],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == -9
    pid = int(ended.stdout)
    patience = time.monotonic() + 60
    while Path(f"/proc/{pid}").exists() and time.monotonic() < patience:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
