"""Which rows `inv check --failed` runs again."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checks import prepared, red
from pipeline.checks.plan import Options
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.errors import UsageProblem


def repository(root: Path) -> Path:
    root.mkdir()
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "mix.exs").write_text("")
    return root


def outcome(name: str, verdict: Verdict) -> Outcome:
    return Outcome(name, verdict, "")


def test_what_was_not_green_stays_until_it_is(tmp_path: Path):
    app = repository(tmp_path / "app")
    assert red.names(app) is None
    red.remember(app, [outcome("format", Verdict.FAILED), outcome("test", Verdict.UNKNOWN)])
    red.remember(app, [outcome("format", Verdict.PASSED), outcome("credo", Verdict.PASSED)])
    assert red.names(app) == ["test"]
    red.remember(app, [outcome("test", Verdict.SKIPPED)])
    assert red.names(app) == ["test"]
    red.remember(app, [outcome("test", Verdict.REUSED)])
    assert red.names(app) == []


@settings(max_examples=20, deadline=None)
@given(runs=st.lists(st.dictionaries(st.sampled_from("abc"), st.sampled_from(Verdict))))
def test_last_word_of_each_row_counts(
    tmp_path_factory: pytest.TempPathFactory, runs: list[dict[str, Verdict]]
):
    app = repository(tmp_path_factory.mktemp("red") / "app")
    last: dict[str, Verdict] = {}
    for run in runs:
        red.remember(app, [outcome(name, verdict) for name, verdict in run.items()])
        last |= {n: v for n, v in run.items() if v is not Verdict.SKIPPED}
    expected = {n for n, v in last.items() if v in (Verdict.FAILED, Verdict.UNKNOWN)}
    assert set(red.names(app) or []) == expected


def test_failed_runs_those_and_what_they_need(tmp_path: Path):
    app = repository(tmp_path / "app")
    red.remember(app, [outcome("test", Verdict.FAILED), outcome("gone", Verdict.FAILED)])
    ready = prepared.prepare(Options(failed=True), app=str(app))
    assert [row.check.name for row in ready.rows] == ["compile", "test"]


def test_nothing_on_record_is_never_green(tmp_path: Path):
    app = repository(tmp_path / "app")
    with pytest.raises(UsageProblem, match="no failed check is on record"):
        prepared.prepare(Options(failed=True), app=str(app))


@pytest.mark.parametrize("other", [Options(only=("format",)), Options(hook=True)])
def test_failed_names_the_rows_by_itself(tmp_path: Path, other: Options):
    app = repository(tmp_path / "app")
    wanted = Options(failed=True, only=other.only, hook=other.hook)
    with pytest.raises(UsageProblem, match="--only or --hook"):
        prepared.prepare(wanted, app=str(app))
