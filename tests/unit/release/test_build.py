"""The commands of a build, for the parts that an application has."""

import sys
from pathlib import Path

import pytest

from pipeline.errors import BuildFailed, UsageProblem
from pipeline.release import build


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "mix.exs").write_text("defmodule X.MixProject do\nend\n")
    return tmp_path


def commands(app: Path, mix_env: str = "prod") -> list[str]:
    return [" ".join(step.argv) for step in build.plan(app, mix_env)]


def test_a_plain_application_is_compiled_and_released(app: Path):
    assert commands(app) == [
        "mix deps.get --only prod",
        "mix compile --force --warnings-as-errors",
        "mix release plausible --overwrite --quiet",
    ]


def test_another_release_of_the_application_is_built_by_its_name(app: Path):
    assert " ".join(build.plan(app, "prod", "other")[-1].argv).startswith("mix release other ")


def test_tracker_and_assets_come_before_the_release(app: Path):
    for package in ("tracker", "assets"):
        (app / package).mkdir()
        (app / package / "package.json").write_text("{}")
    (app / "tracker/package-lock.json").write_text("{}")
    (app / "mix.exs").write_text('aliases: ["assets.deploy": ["phx.digest"]]')
    (app / "lib/mix/tasks").mkdir(parents=True)
    (app / "lib/mix/tasks/download_country_database.ex").touch()
    assert commands(app, "ce") == [
        "mix deps.get --only ce",
        "npm ci --prefix ./tracker",
        "npm install --prefix ./assets",
        "npm run deploy --prefix ./tracker",
        "mix compile --force --warnings-as-errors",
        "mix assets.deploy",
        "mix download_country_database",
        "mix release plausible --overwrite --quiet",
    ]


def test_a_missing_tool_is_named(app: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(app))
    with pytest.raises(UsageProblem, match="mix is not installed"):
        build.build(app, {}, mix_env="prod", dist=app / "dist", out=sys.stdout)
    assert not (app / "dist").exists()


def test_a_failing_command_is_named_with_its_code(app: Path, monkeypatch: pytest.MonkeyPatch):
    mix = app / "bin/mix"
    mix.parent.mkdir()
    mix.write_text('#!/bin/sh\n[ "$1" != compile ] || exit 7\n')
    mix.chmod(0o755)
    monkeypatch.setenv("PATH", f"{mix.parent}:/usr/bin:/bin")
    path = {"PATH": f"{mix.parent}:/usr/bin:/bin"}
    with pytest.raises(BuildFailed, match=r"`mix compile .*` exited 7"):
        build.build(app, path, mix_env="prod", dist=app / "dist", out=sys.stdout)
