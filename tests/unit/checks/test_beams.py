"""Mix tasks that take turns in one BEAM end as they would alone, and none speaks for another."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline import process
from pipeline.checks import suite_evidence
from pipeline.checks.beams import Beams
from pipeline.checks.running import judge
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Verdict
from pipeline.process import Command, EndedEarly, Exited, Result, Stop, TimedOut
from tests.unit.checks.stages import needs_mix, tiny

pytestmark = needs_mix

# Each way for a task to come to an end, as an alias of the project.
_ENDS = """aliases: [
  pid: fn _ -> IO.puts("pid " <> System.pid()) end,
  both: fn _ -> IO.write(:stderr, "to stderr"); IO.write("to stdout, no newline") end,
  mix_error: fn _ -> Mix.raise("no good") end,
  mix_error_7: fn _ -> Mix.raise("no good", exit_status: 7) end,
  raises: fn _ -> raise "no good at all" end,
  throws: fn _ -> throw(:a_ball) end,
  shutdown_3: fn _ -> exit({:shutdown, 3}) end,
  halt_4: fn _ -> System.halt(4) end,
  at_exit_5: fn _ -> System.at_exit(fn _ -> exit({:shutdown, 5}) end) end,
  moves: fn _ -> File.mkdir_p!("elsewhere"); File.cd!("elsewhere") end,
  starts: fn _ -> Application.ensure_all_started(:ssl) end,
  where: fn _ -> IO.puts(File.cwd!()) end,
  halt_0: fn _ -> System.halt(0) end,
  kills: fn [name] -> System.cmd("kill", ["-s", name, System.pid()]); Process.sleep(9_000) end,
  sleeps: fn _ -> Process.sleep(60_000) end
]"""


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("beams") / "app", {}, project=_ENDS)


def command(app: Path, *words: str, timeout: float = 60.0) -> Command:
    environ = process.environment(os.environ, {"MIX_ENV": "test"})
    return Command(("mix", *words), app, environ, timeout)


def in_turn(*commands: Command) -> list[Result]:
    """Run them one after the other in the BEAMs of one run."""

    async def scenario() -> list[Result]:
        shared = Beams(len(commands))
        try:
            return [await shared.run("row", one, Stop()) for one in commands]
        finally:
            await shared.close()

    return asyncio.run(scenario())


def alone(one: Command) -> Result:
    return asyncio.run(process.run(one, Stop()))


def pids(results: Sequence[Result]) -> list[str]:
    return [r.output.split()[1] for r in results if r.output.startswith("pid ")]


def test_passing_tasks_share_a_beam_and_their_outputs_are_told_apart(app: Path):
    ran = in_turn(command(app, "pid"), command(app, "both"), command(app, "pid"))
    assert [result.ended for result in ran] == [Exited(0)] * 3
    assert len(set(pids(ran))) == 1
    assert sorted(ran[1].output) == sorted("to stderrto stdout, no newline")
    assert ran[2].output == f"pid {pids(ran)[0]}\n"


def test_last_task_leaves_no_beam(app: Path):
    (ran,) = in_turn(command(app, "pid"))
    assert not Path(f"/proc/{pids([ran])[0]}").exists()


@pytest.mark.parametrize(
    "task",
    ["mix_error", "mix_error_7", "raises", "throws", "shutdown_3", "halt_4", "at_exit_5"],
)
def test_failing_task_ends_as_if_it_were_alone_and_hides_nothing_of_the_next(app: Path, task: str):
    before, failing, after = in_turn(command(app, "pid"), command(app, task), command(app, "pid"))
    lonely = alone(command(app, task))
    assert isinstance(lonely.ended, Exited)
    assert lonely.ended.code
    assert failing.ended == lonely.ended
    # Traces name the callers, which differ; the complaint itself does not.
    assert failing.output.splitlines()[:1] == lonely.output.splitlines()[:1]
    assert after.ended == Exited(0)
    assert len(set(pids([before, after]))) == 2


@pytest.mark.parametrize("task", ["moves", "starts"])
def test_task_that_leaves_something_behind_is_the_last_of_its_beam(app: Path, task: str):
    ran = in_turn(command(app, "pid"), command(app, task), command(app, "where"))
    assert [result.ended for result in ran] == [Exited(0)] * 3
    assert ran[2].output == f"{app}\n"


@pytest.mark.parametrize("words", [("halt_0",), ("kills", "QUIT"), ("kills", "TERM")])
def test_exit_code_0_without_the_word_of_the_task_is_no_pass(app: Path, words: tuple[str, ...]):
    (ran,) = in_turn(command(app, *words))
    assert ran.ended == EndedEarly()
    row = next(check for check in CHECKS if check.name == "unused-deps")
    judgement = judge(row, ran, {})
    assert judgement.verdict is Verdict.UNKNOWN
    assert "before it came to its end" in judgement.reason


def test_time_out_ends_one_task_and_the_next_has_a_beam(app: Path):
    slow, after = in_turn(command(app, "sleeps", timeout=3.0), command(app, "pid"))
    assert slow.ended == TimedOut(3.0)
    assert after.ended == Exited(0)


def test_beam_that_died_while_it_waited_is_not_asked(app: Path):
    async def scenario() -> list[Result]:
        shared = Beams(2)
        try:
            first = await shared.run("row", command(app, "pid"), Stop())
            pid = int(pids([first])[0])
            os.kill(pid, signal.SIGKILL)
            until = time.monotonic() + 30
            while Path(f"/proc/{pid}").exists():
                assert time.monotonic() < until
                await asyncio.sleep(0.02)
            return [first, await shared.run("row", command(app, "pid"), Stop())]
        finally:
            await shared.close()

    ran = asyncio.run(scenario())
    assert [result.ended for result in ran] == [Exited(0)] * 2


def test_warm_beam_is_kept_for_the_row_that_is_expected_first(app: Path):
    async def scenario() -> list[Result]:
        shared = Beams(4)
        try:
            first = await shared.run("compile", command(app, "pid"), Stop())
            shared.expect("test")
            shared.expect("format")
            behind = await shared.run("format", command(app, "pid"), Stop())
            return [first, behind, await shared.run("test", command(app, "pid"), Stop())]
        finally:
            await shared.close()

    warm, fresh, again = pids(asyncio.run(scenario()))
    assert again == warm
    assert fresh != warm


def test_another_environment_gets_another_beam(app: Path):
    other = command(app, "pid")
    other = Command(other.argv, other.cwd, {**other.env, "MIX_ENV": "dev"}, 60.0)
    ran = in_turn(command(app, "pid"), other, command(app, "pid"))
    first, second, third = pids(ran)
    assert first == third
    assert first != second


_STATES = {
    "fine": ("lib/tiny.ex", "defmodule Tiny do\n  def one, do: 1\nend\n"),
    "unformatted": ("lib/tiny.ex", "defmodule Tiny do\n  def one,   do: 1\nend\n"),
    "warning": ("lib/tiny.ex", "defmodule Tiny do\n  def one(a), do: 1\nend\n"),
    "syntax": ("lib/tiny.ex", "defmodule Tiny do\n  def one, do: (\nend\n"),
    "red": ("test/a_test.exs", 'defmodule A do\n  use ExUnit.Case\n  test "a", do: flunk()\nend\n'),
}


@pytest.mark.parametrize("state", _STATES)
def test_real_rows_have_the_verdicts_of_separate_beams(tmp_path: Path, state: str):
    app = tiny(tmp_path / "app", {"b": "assert Tiny.one() == 1"})
    (app / ".formatter.exs").write_text('[inputs: ["lib/*.ex"]]\n')
    name, text = _STATES[state]
    (app / name).write_text(text)
    rows = [row for row in CHECKS if row.shares_beam and row.mix_env == "test"]
    assert {row.name for row in rows} == {"compile", "format", "unused-deps", "test"}
    commands = [command(app, *row.argv[1:]) for row in rows]
    together = [judge(row, ran, {}) for row, ran in zip(rows, in_turn(*commands), strict=True)]
    apart = [judge(row, alone(one), {}) for row, one in zip(rows, commands, strict=True)]
    assert together == apart
    bad = {
        row.name
        for row, said in zip(rows, apart, strict=True)
        if said.verdict is not Verdict.PASSED
    }
    assert (
        bad
        == {
            "fine": set(),
            "unformatted": {"format"},
            "warning": {"compile", "test"},
            "syntax": {"compile", "format", "test"},
            "red": {"test"},
        }[state]
    )


def test_evidence_comes_from_the_kept_formatter_and_from_none_that_is_spoiled(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert true"})
    cache = tmp_path / "cache"
    environ = process.environment(os.environ, {"MIX_ENV": "test", "XDG_CACHE_HOME": str(cache)})
    kept: list[bytes] = []
    for spoiled in (None, None, b"", b"\x83h\x02"):
        if spoiled is not None:
            next((cache / "qusto-pipeline").iterdir()).write_bytes(spoiled)
        directory = Path(tempfile.mkdtemp(dir=tmp_path))
        argv = suite_evidence.command(("mix", "test"), app, directory)
        (ran,) = in_turn(Command(argv, app, environ, 60.0))
        assert ran.ended == Exited(0), ran.output
        found = suite_evidence.read(directory)
        assert found is not None
        assert found.ran == {"test/a_test.exs": 1}
        (file,) = (cache / "qusto-pipeline").iterdir()
        kept.append(file.read_bytes())
    assert kept[0] == kept[1]
    assert min(map(len, kept)) > 1000
