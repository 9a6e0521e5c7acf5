"""Times of earlier runs: the median of the last five, and nothing that a bad file could break."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checks import durations
from pipeline.checks.check import Check
from pipeline.checks.verdicts import Outcome, Verdict

from ..repositories import repository


def row(name: str, estimate: float = 3.0) -> Check:
    return Check(name, name, (name,), (), estimate=estimate)


def took(seconds: float, verdict: Verdict = Verdict.PASSED) -> list[Outcome]:
    return [Outcome("lint", verdict, seconds=seconds)]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return repository(tmp_path / "top", {"apps/one/mix.exs": "", "mix.exs": ""})


def expected(app: Path) -> float:
    return durations.expected(app, [row("lint")])["lint"]


def test_a_row_that_never_ran_here_has_its_own_estimate(app: Path):
    assert durations.expected(app, [row("lint"), row("test", 60)]) == {"lint": 3.0, "test": 60.0}


def test_one_slow_run_does_not_change_what_is_expected(app: Path):
    for seconds in (1.0, 1.2, 40.0):
        durations.remember(app, took(seconds))
    assert expected(app) == 1.2


def test_after_three_of_five_runs_the_past_is_forgotten(app: Path):
    for seconds in (9.0, 9.0, 9.0, 9.0, 9.0, 1.0, 1.0, 1.0):
        durations.remember(app, took(seconds))
    assert expected(app) == 1.0


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.SKIPPED, Verdict.REUSED])
def test_what_did_not_run_to_its_end_says_nothing_about_its_time(app: Path, verdict: Verdict):
    durations.remember(app, took(0.1, verdict))
    assert expected(app) == 3.0


def test_two_applications_of_one_repository_do_not_share_times(app: Path):
    durations.remember(app / "apps/one", took(50.0))
    assert expected(app) == 3.0
    assert expected(app / "apps/one") == 50.0


def test_outside_of_git_nothing_is_written(tmp_path: Path):
    durations.remember(tmp_path, took(1.0))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Path:
    app = repository(tmp_path_factory.mktemp("app"), {"mix.exs": ""})
    durations.remember(app, took(1.0))
    return app


@given(content=st.one_of(st.binary(max_size=60), st.just(b'{"\xff":[1]}')))
@settings(deadline=None)
def test_any_file_is_no_worse_than_none(long_lived: Path, content: bytes):
    app = long_lived
    (times,) = (app / ".git/qusto/times").iterdir()
    times.write_bytes(content)
    assert durations.expected(app, [row("other")])["other"] == 3.0
    durations.remember(app, took(7.0))
    assert expected(app) == 7.0
