"""Finding the application: --app, then QUSTO_APP_DIR, then the nearest mix.exs above."""

from pathlib import Path

import pytest

from pipeline import app
from pipeline.errors import UsageProblem


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "qusto"
    (root / "lib/deep").mkdir(parents=True)
    (root / "mix.exs").touch()
    return root


def test_the_nearest_mix_exs_above_is_found(project: Path):
    assert app.find(None, {}, project / "lib/deep") == project


def test_the_variable_beats_the_working_directory(project: Path, tmp_path: Path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "mix.exs").touch()
    assert app.find(None, {"QUSTO_APP_DIR": str(other)}, project) == other


def test_the_option_beats_the_variable_and_may_be_relative(project: Path, tmp_path: Path):
    assert app.find("qusto", {"QUSTO_APP_DIR": "/nowhere"}, tmp_path) == project


def test_a_named_directory_without_mix_exs_is_refused_by_its_source(tmp_path: Path):
    with pytest.raises(UsageProblem, match=r"QUSTO_APP_DIR names .* no mix.exs"):
        app.find(None, {"QUSTO_APP_DIR": str(tmp_path)}, tmp_path)


def test_no_mix_exs_says_what_to_do(tmp_path: Path):
    with pytest.raises(UsageProblem, match=r"no mix\.exs in .*--app DIR"):
        app.find(None, {}, tmp_path)
