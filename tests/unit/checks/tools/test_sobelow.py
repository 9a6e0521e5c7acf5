"""Sobelow: findings that its exit code keeps quiet about, and sources that it skips."""

import os
from pathlib import Path

import pytest

from pipeline.checks.tools import sobelow
from pipeline.checks.verdicts import Verdict
from tests.unit.checks.stages import needs_mix, tiny

from .test_recorded import recording

MIXED, _ = recording("sobelow-mixed")
LOW, _ = recording("sobelow-low-medium")


def test_findings_at_the_exit_setting_fail_whatever_the_exit_code():
    judgement = sobelow.read(MIXED, 0, {"conf": '[\n  exit: "high"\n]'})
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reason == "6 high-confidence"


@pytest.mark.parametrize("conf", ["", "[exit: false]", '[threshold: "high"]'])
def test_without_an_exit_setting_every_finding_that_it_prints_counts(conf: str):
    judgement = sobelow.read(LOW, 0, {"conf": conf})
    assert judgement.reason == "2 medium-confidence, 1 low-confidence"
    assert judgement.verdict is Verdict.FAILED


def test_what_was_not_looked_at_is_named_beside_the_findings():
    warning, _ = recording("sobelow-no-router")
    judgement = sobelow.read(
        warning.partition("\n\n")[0] + "\n" + MIXED, 1, {"unparsed": "lib/a.ex"}
    )
    assert judgement.verdict is Verdict.FAILED
    assert "router" in judgement.reason
    assert "lib/a.ex" in judgement.reason


def test_output_that_was_cut_is_no_pass():
    clean, _ = recording("sobelow-clean")
    cut = f"a\n[… 1,234 bytes of output left out …]\n{clean}"
    judgement = sobelow.read(cut, 0, {})
    assert judgement.verdict is Verdict.UNKNOWN
    assert "too much" in judgement.reason


def test_where_elixir_does_not_answer_nobody_knows_what_was_skipped(tmp_path: Path):
    clean, _ = recording("sobelow-clean")
    facts = sobelow.sources(tmp_path, {"PATH": str(tmp_path)})
    assert sobelow.read(clean, 0, facts).verdict is Verdict.UNKNOWN


@needs_mix
def test_real_elixir_names_the_sources_that_sobelow_skips(tmp_path: Path):
    app = tiny(tmp_path / "app", {})
    (app / "lib/broken one.ex").write_text("defmodule B do\n  def b(, do: 1\n")
    (app / "lib/mix/tasks").mkdir(parents=True)
    (app / "lib/mix/tasks/broken.ex").write_text("defmodule (\n")  # sobelow looks at no task
    (app / ".sobelow-conf").write_text("[exit: true]")
    facts = sobelow.sources(app, os.environ)
    assert facts == {"conf": "[exit: true]", "unparsed": "lib/broken one.ex", "parsed": "yes"}
    clean, _ = recording("sobelow-clean")
    assert sobelow.read(clean, 0, facts).verdict is Verdict.UNKNOWN
