"""What ExUnit itself says of a run, through a formatter that the application knows nothing of."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.checks import suite_evidence
from pipeline.checks.suite_evidence import Evidence, Failure
from pipeline.checks.tools.exunit import Tally

from .stages import needs_mix, tiny

HELPER = """
defmodule Tiny.Own do
  use GenServer
  def init(options), do: {:ok, options}
  def handle_cast({:suite_finished, _}, state), do: (IO.puts("own formatter"); {:noreply, state})
  def handle_cast(_event, state), do: {:noreply, state}
end
ExUnit.start(formatters: [ExUnit.CLIFormatter, Tiny.Own], exclude: [:slow])
"""
ODD = r"""
defmodule Tiny.OddTest do
  use ExUnit.Case
  @tag :slow
  test "left out", do: assert false
  @tag :skip
  test "skipped", do: assert false
  describe "tab\tand %20 and é" do
    test "fails", do: assert Tiny.one() == 2
  end
end
defmodule Tiny.NeverSetUpTest do
  use ExUnit.Case
  setup_all do: raise "no"
  test "invalid", do: assert true
end
"""


@needs_mix
def test_real_run_tells_files_counts_times_and_failures_beside_the_own_formatters(tmp_path: Path):
    app = tiny(tmp_path / "app", {"a": "assert true", "slow_one": "Process.sleep(300)"})
    (app / "test/test_helper.exs").write_text(HELPER)
    (app / "test/odd é_test.exs").write_text(ODD)
    (app / "test/empty_test.exs").write_text("defmodule Tiny.Nothing do\nend\n")
    directory = tmp_path / "evidence"
    directory.mkdir()
    argv = suite_evidence.command(("mix", "test"), app, directory)
    ended = subprocess.run(argv, cwd=app, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "1 failure, 1 excluded, 1 invalid, 1 skipped" in ended.stdout
    assert "own formatter" in ended.stdout
    found = suite_evidence.read(directory)
    assert found is not None
    names = {"a", "slow_one", "odd é", "empty"}
    assert {f"test/{name}_test.exs" for name in names} <= found.loaded
    odd = "test/odd é_test.exs"
    assert found.ran == {"test/a_test.exs": 1, "test/slow_one_test.exs": 1, odd: 2}
    assert found.failures == (
        Failure(odd, 9, "test tab\tand %20 and é fails"),
        Failure(odd, 15, "test invalid"),
    )
    assert found.total == Tally(4, 2, 1)
    assert max(found.seconds, key=lambda file: found.seconds[file]) == "test/slow_one_test.exs"


def test_evidence_without_its_end_is_none():
    lines = ["loaded\ttest/a_test.exs", "passed\ttest/a_test.exs\t1"]
    assert suite_evidence.parse(lines) is None
    whole = suite_evidence.parse([*lines, "end"])
    assert whole is not None
    assert whole.ran == {"test/a_test.exs": 1}


def test_run_that_left_nothing_is_none(tmp_path: Path):
    assert suite_evidence.read(tmp_path) is None


@pytest.mark.parametrize(
    ("path", "text", "formatters"),
    [
        ("test/test_helper.exs", "ExUnit.start()", ("ExUnit.CLIFormatter",)),
        ("test/test_helper.exs", "ExUnit.start(formatters: [A.B, C])", ("A.B", "C")),
        ("test/test_helper.exs", "# formatters: [Old]\nExUnit.start()", ("ExUnit.CLIFormatter",)),
        ("test/test_helper.exs", "ExUnit.start(formatters: mine())", None),
        ("test/test_helper.exs", "formatters: [A | if(ci, do: [B], else: [])]", None),
        ("config/test.exs", "config :ex_unit, formatters: [JUnit]", ("JUnit",)),
        ("config/test.exs", "config :logger, formatters: [X]", ("ExUnit.CLIFormatter",)),
    ],
)
def test_own_formatters_are_kept_or_nothing_is_injected(
    tmp_path: Path, path: str, text: str, formatters: tuple[str, ...] | None
):
    (tmp_path / path).parent.mkdir()
    (tmp_path / path).write_text(text)
    assert suite_evidence.configured_formatters(tmp_path) == formatters


NESTED = """
defmodule Tiny.NestedTest do
  use ExUnit.Case
  test "runs a suite of its own" do
    defmodule Inner do
      use ExUnit.Case
      test "one", do: assert true
      test "two", do: assert true
      test "three", do: assert true
    end
    ExUnit.run()
    END
  end
end
"""


def ran(app: Path, directory: Path) -> tuple[subprocess.CompletedProcess[str], Evidence | None]:
    directory.mkdir()
    argv = suite_evidence.command(("mix", "test"), app, directory)
    ended = subprocess.run(argv, cwd=app, capture_output=True, text=True, check=False)
    return ended, suite_evidence.read(directory)


@needs_mix
@pytest.mark.parametrize(
    "helper", ["ExUnit.start()", "ExUnit.start(formatters: Tiny.formatters())"]
)
def test_real_suite_within_a_test_is_not_taken_for_ours(tmp_path: Path, helper: str):
    """Also where formatters are computed, so that ours cannot be put beside them."""
    app = tiny(tmp_path / "app", {"a": "assert true"})
    (app / "lib/tiny.ex").write_text(
        "defmodule Tiny do\n  def formatters, do: [ExUnit.CLIFormatter]\nend\n"
    )
    (app / "test/test_helper.exs").write_text(f"{helper}\n")
    (app / "test/nested_test.exs").write_text(NESTED.replace("END", "assert true"))
    whole, evidence = ran(app, tmp_path / "whole")
    assert whole.returncode == 0, whole.stdout
    assert evidence is not None
    assert (evidence.suites, evidence.total.failed) == (1, 0)
    (app / "test/nested_test.exs").write_text(NESTED.replace("END", "System.halt(0)"))
    halted, evidence = ran(app, tmp_path / "halted")
    assert halted.returncode == 0
    assert "tests, 0 failures" in halted.stdout
    assert evidence is None


@needs_mix
def test_real_umbrella_tells_how_many_suites_ended(tmp_path: Path):
    root = tmp_path / "root"
    for name in ("one", "two"):
        tiny(root / "apps" / name, {"a": "assert true"})
        path = root / f"apps/{name}/mix.exs"
        path.write_text(path.read_text().replace("Tiny", name.title()).replace(":tiny", f":{name}"))
    (root / "mix.exs").write_text(
        'defmodule R do\n  use Mix.Project\n  def project, do: [apps_path: "apps", deps: []]\nend\n'
    )
    ended, evidence = ran(root, tmp_path / "evidence")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert evidence is not None
    assert evidence.suites == 2


@needs_mix
def test_nothing_is_put_into_a_mix_that_is_a_wrapper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "mix").write_text('#!/bin/sh\nexec docker exec app mix "$@"\n')
    (tools / "mix").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    argv = ("mix", "test")
    assert suite_evidence.command(argv, tiny(tmp_path / "app", {}), tmp_path) == argv
