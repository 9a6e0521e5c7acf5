"""A missing tool is told from a check that does not apply, and both from a check that can run."""

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipeline import npm
from pipeline.checks import presence
from pipeline.checks.check import Check
from pipeline.checks.presence import Missing, NotApplicable
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Verdict

from .stages import needs_mix

ROWS = {check.name: check for check in CHECKS}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A PATH with programs called mix and npm, and an empty MIX_HOME."""
    (tools := tmp_path / "bin").mkdir()
    for name in ("mix", "npm"):
        (tools / name).write_text("#!/bin/sh\n")
        (tools / name).chmod(0o755)
    return {"PATH": str(tools), "MIX_HOME": str(tmp_path / "mix")}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (app := tmp_path / "app").mkdir()
    (app / "mix.exs").write_text("defp deps, do: [{:credo, only: :test}]")
    return app


def package(app: Path, name: str, content: dict[str, object]) -> Path:
    (directory := app / name).mkdir()
    (directory / "package.json").write_text(json.dumps(content))
    return directory


def test_missing_program_is_named_with_its_cure(app: Path):
    absent = presence.absence(ROWS["format"], app, {"PATH": ""})
    assert isinstance(absent, Missing)
    assert absent.reason == "mix is not installed"
    assert "Elixir" in absent.remedy


def test_missing_tool_is_skipped_on_a_laptop_and_unknown_in_ci():
    absent = Missing("npm is not installed", "install Node.js")
    assert presence.judge(absent, strict=False).verdict is Verdict.SKIPPED
    assert presence.judge(absent, strict=True).verdict is Verdict.UNKNOWN
    assert presence.judge(absent, strict=True).reason == "npm is not installed: install Node.js"


def test_check_that_does_not_apply_is_skipped_everywhere(app: Path, environ: dict[str, str]):
    absent = presence.absence(ROWS["lint"], app, environ)
    assert absent == NotApplicable("the application has no assets/package.json")
    assert presence.judge(absent, strict=True).verdict is Verdict.SKIPPED


def test_hex_package_that_mix_exs_does_not_name(app: Path, environ: dict[str, str]):
    assert presence.absence(ROWS["sobelow"], app, environ) == Missing(
        "mix.exs does not list :sobelow", ""
    )
    assert presence.absence(ROWS["credo"], app, environ) is None


@pytest.mark.parametrize(
    "written",
    [
        '[{:"credo", "~> 1.7"}]',
        "[{ :credo, only: :test}]",
        "[g(:credo, :test)]",
        'Enum.map([:credo], &{&1, path: "deps/#{&1}"})',
    ],
)
def test_hex_package_that_may_be_listed_is_not_held_to_be_absent(
    app: Path, environ: dict[str, str], written: str
):
    (app / "mix.exs").write_text(f"defp deps, do: {written}")
    assert presence.absence(ROWS["credo"], app, environ) is None


strict = partial(presence.judge, strict=True)

LISTS = """
defmodule Tiny.MixProject do
  use Mix.Project
  def project, do: [app: :tiny, version: "0.1.0", deps: Enum.map(tools(), &g/1)]
  defp tools, do: [:credo | if(false, do: [:sobelow], else: [])]
  defp g(name), do: {name, path: "nowhere/#{name}"}
end
"""


@needs_mix
def test_real_mix_is_asked_where_a_helper_lists_the_dependencies(app: Path):
    (app / "mix.exs").write_text(LISTS)
    rows = {
        name: presence.asking_mix(ROWS[name], app, os.environ, strict)
        for name in ("credo", "sobelow", "deps-audit")
    }
    assert presence.absence(ROWS["credo"], app, os.environ) is None
    assert rows["credo"].preflight(app, os.environ) is None
    said = rows["sobelow"].preflight(app, os.environ)
    assert said is not None
    assert (said.verdict, said.reason) == (Verdict.UNKNOWN, "mix.exs does not list :sobelow")


@needs_mix
def test_real_mix_that_does_not_answer_leaves_it_to_the_tool(app: Path):
    (app / "mix.exs").write_text('g(:credo)\nraise "no"\n')
    row = presence.asking_mix(ROWS["credo"], app, os.environ, strict)
    assert row.preflight(app, os.environ) is None


def test_locked_hex_package_that_is_not_fetched(app: Path, environ: dict[str, str]):
    (app / "mix.lock").write_text('%{\n  "credo": {:hex, :credo, "1.7.7"},\n}')
    assert presence.absence(ROWS["credo"], app, environ) == Missing(
        "credo is not fetched", "mix deps.get"
    )
    (app / "deps/credo").mkdir(parents=True)
    assert presence.absence(ROWS["credo"], app, environ) is None


def test_tool_installed_as_an_archive_counts(app: Path, environ: dict[str, str], tmp_path: Path):
    (tmp_path / "mix/archives/sobelow-0.14.1").mkdir(parents=True)
    assert presence.absence(ROWS["sobelow"], app, environ) is None
    (tmp_path / "mix/archives/dialyxir_vendored-1").mkdir()
    assert presence.absence(ROWS["dialyzer"], app, environ) is not None


def test_npm_script_and_node_modules(app: Path, environ: dict[str, str]):
    directory = package(app, "assets", {"scripts": {"lint": "x"}, "devDependencies": {"x": "1"}})
    assert presence.absence(ROWS["typecheck"], app, environ) == Missing(
        "assets/package.json has no script typecheck", ""
    )
    assert presence.absence(ROWS["lint"], app, environ) == Missing(
        "assets/node_modules is missing", "npm install --prefix assets"
    )
    (directory / "node_modules").mkdir()
    assert presence.absence(ROWS["lint"], app, environ) is None


def test_package_without_dependencies_needs_no_node_modules(app: Path, environ: dict[str, str]):
    package(app, "tracker", {"scripts": {"deploy": "node compile.js"}})
    assert presence.absence(ROWS["tracker"], app, environ) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"scripts": 3}'])
def test_broken_package_json_is_left_for_npm_to_explain(
    app: Path, environ: dict[str, str], text: str
):
    package(app, "assets", {})
    (app / "assets/package.json").write_text(text)
    assert presence.absence(ROWS["lint"], app, environ) is None


def test_mix_env_that_the_application_does_not_know(app: Path, environ: dict[str, str]):
    row = ROWS["compile-ce"]
    assert presence.absence(row, app, environ) == NotApplicable(
        "the application has no MIX_ENV ce_test"
    )
    (app / "mix.exs").write_text("elixirc_paths(:ce_test)")
    assert presence.absence(row, app, environ) is None


def test_real_path_is_searched(app: Path):
    row: Check = replace(ROWS["unused-deps"], argv=("sh", "-c", "true"))
    assert presence.absence(row, app, os.environ) is None


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("", "npm install --prefix assets"),
        ("package-lock.json", "npm install --prefix assets"),
        ("pnpm-lock.yaml", "pnpm --dir assets install"),
        ("yarn.lock", "yarn --cwd assets install"),
        ("bun.lock", "bun install --cwd assets"),
    ],
)
def test_hint_to_install_packages_follows_the_lock_file(tmp_path: Path, lock: str, command: str):
    (tmp_path / "assets").mkdir()
    if lock:
        (tmp_path / "assets" / lock).touch()
    assert npm.installing(tmp_path / "assets") == command
