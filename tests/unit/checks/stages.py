"""Stages on which the tests of this directory run checks: contexts, listeners, tiny projects."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipeline.checks.check import Check
from pipeline.checks.running import Context
from pipeline.checks.slots import Slots
from pipeline.checks.verdicts import Outcome
from pipeline.process import Stop

needs_mix = pytest.mark.needs("mix")

MIX_EXS = """
defmodule Tiny.MixProject do
  use Mix.Project

  def project do
    [app: :tiny, version: "0.0.1", elixir: "~> 1.14", deps: [] EXTRA]
  end
end
"""


@dataclass
class Recorder:
    """A listener that remembers the order of events."""

    events: list[str] = field(default_factory=list)

    def started(self, check: Check) -> None:
        self.events.append(f"start {check.name}")

    def noted(self, check: Check, note: str) -> None:
        self.events.append(f"note {check.name}: {note}")

    def finished(self, check: Check, outcome: Outcome) -> None:
        self.events.append(f"{outcome.verdict} {check.name}")

    def beat(self) -> None:
        self.events.append("beat")


def context(
    app: Path, environ: Mapping[str, str] | None = None, *, slots: int = 4, stop: Stop | None = None
) -> Context:
    """Return a context; only inside a running loop."""
    known = os.environ if environ is None else environ
    return Context(app, known, stop or Stop(), Slots(slots), Recorder())


def tiny(root: Path, tests: Mapping[str, str], *, project: str = "") -> Path:
    """Make a mix project whose test files have these bodies; `project` extends project/0."""
    (root / "lib").mkdir(parents=True)
    (root / "lib/tiny.ex").write_text("defmodule Tiny do\n  def one, do: 1\nend\n")
    (root / "mix.exs").write_text(MIX_EXS.replace(" EXTRA", f", {project}" if project else ""))
    (root / "test").mkdir()
    (root / "test/test_helper.exs").write_text("ExUnit.start()\n")
    for name, body in tests.items():
        module = name.title().replace("_", "").replace("/", "")
        path = root / f"test/{name}_test.exs"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(
            f"defmodule Tiny.{module}Test do\n  use ExUnit.Case, async: true\n"
            f'  test "{name}" do\n    {body}\n  end\nend\n'
        )
    return root
