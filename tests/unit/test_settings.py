"""The real environment beats .env, and .env never reaches child programs."""

import os
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.errors import UsageProblem


def test_the_real_environment_beats_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / ".env").write_text("A=file\nB='two words'\nexport C=3\nD\n")
    monkeypatch.setenv("A", "real")
    found = settings.environment(tmp_path)
    assert (found["A"], found["B"], found["C"]) == ("real", "two words", "3")
    assert "D" not in found


def test_dotenv_does_not_leak_into_os_environ(tmp_path: Path):
    (tmp_path / ".env").write_text("STAGING_DEPLOY_SSH_KEY=secret\n")
    settings.environment(tmp_path)
    assert "STAGING_DEPLOY_SSH_KEY" not in os.environ


def test_an_unknown_setting_names_the_nearest(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[tool.qusto]\npartition = 3\n")
    with pytest.raises(UsageProblem, match="did you mean `partitions`"):
        settings.load(tmp_path)


def test_the_projects_own_settings_are_valid():
    assert settings.load().partitions == 6
