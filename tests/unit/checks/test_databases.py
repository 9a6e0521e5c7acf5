"""Databases of their own for partitions that run at the same time, in a real PostgreSQL."""

import asyncio
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import databases, partitions, table
from pipeline.checks.partitions import Partitioning
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.errors import UsageProblem

from . import postgres
from .stages import context, tiny

URL = "postgres://u:hunter2@127.0.0.1:5432/tiny_test?ssl=true"
# As Qusto does it: a file in CONFIG_DIR, else config/.env.test, which overwrites the environment.
HELPER = """
defmodule Tiny.Db do
  def name do
    file = Path.join(System.get_env("CONFIG_DIR", "/run/secrets"), "DATABASE_URL")
    url = if File.exists?(file), do: File.read!(file), else: NAMED
    url |> URI.parse() |> Map.fetch!(:path) |> String.trim_leading("/")
  end

  def query(sql, database \\\\ name()) do
    words = ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]
    {output, 0} = System.cmd("psql", words, stderr_to_stdout: true)
    String.trim(output)
  end
end

known = Tiny.Db.query("SELECT datname FROM pg_database", "postgres")

if Tiny.Db.name() not in String.split(known) do
  Tiny.Db.query("CREATE DATABASE #{Tiny.Db.name()}", "postgres")
end
Tiny.Db.query("CREATE TABLE IF NOT EXISTS visits (visitor text)")
ExUnit.start()
"""
# Both tests are in their databases at the same moment, if they run at the same time at all.
VISIT = """
    meeting = System.fetch_env!("MEETING")
    Tiny.Db.query("INSERT INTO visits VALUES ('NAME')")
    File.write!(Path.join(meeting, "NAME"), "")
    if System.get_env("AT_ONCE") do
      there? = fn _ -> length(File.ls!(meeting)) == 2 || Process.sleep(50) != :ok end
      Enum.any?(1..1200, there?) || flunk("they do not run at the same time")
    end
    assert Tiny.Db.query("SELECT visitor FROM visits") == "NAME"
    Tiny.Db.query("DELETE FROM visits WHERE visitor = 'NAME'")
"""


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with postgres.cluster() as variables:
        yield variables


def colliding(root: Path, named: str, config: dict[str, str]) -> Path:
    """Make a project whose two tests fail if they find each other in their database."""
    app = tiny(root, {name: VISIT.replace("NAME", name) for name in "ab"})
    (app / "test/test_helper.exs").write_text(HELPER.replace("NAMED", named))
    (app / "config").mkdir()
    for name, text in config.items():
        (app / "config" / name).write_text(text)
    environ = {**os.environ, "MIX_ENV": "test"}
    subprocess.run(["mix", "compile"], cwd=app, env=environ, check=True, capture_output=True)
    return app


def run(app: Path, environ: dict[str, str], strategy: str) -> Outcome:
    row = table.testing("test", compiled_by="compile")

    async def scenario() -> Outcome:
        stage = context(app, {**os.environ, **environ})
        return await partitions.run(stage, row, Partitioning(2, databases=strategy))

    return asyncio.run(scenario())


def psql(server: dict[str, str], database: str, sql: str) -> list[str]:
    ended = subprocess.run(
        ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql],
        env={**os.environ, **server},
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout.split()


def names(server: dict[str, str]) -> set[str]:
    return set(psql(server, "postgres", "SELECT datname FROM pg_database"))


@pytest.mark.needs("mix", "initdb")
@pytest.mark.parametrize(
    ("named", "config", "strategy", "at_once", "verdict", "made"),
    [
        pytest.param('"postgres:///clash"', {}, "", True, Verdict.FAILED, set(), id="they-collide"),
        pytest.param(
            '"postgres:///one"',
            {".env.test": "DATABASE_URL=postgres:///one\n"},
            "",
            False,
            Verdict.PASSED,
            {"one"},
            id="one-by-one",
        ),
        pytest.param(
            '"postgres:///own" <> System.get_env("MIX_TEST_PARTITION", "")',
            {"test.exs": 'database: "own#{System.get_env("MIX_TEST_PARTITION")}"\n'},
            "",
            True,
            Verdict.PASSED,
            {"own1", "own2"},
            id="named-by-the-application",
        ),
        pytest.param(
            '"postgres:///dir"',
            {".env.test": "DATABASE_URL=postgres:///dir\n"},
            databases.CONFIG_DIR,
            True,
            Verdict.PASSED,
            {"dir_test_1", "dir_test_2"},
            id="named-by-config-dir",
        ),
    ],
)
def test_real_partitions_meet_only_where_nothing_separates_them(
    tmp_path: Path,
    server: dict[str, str],
    named: str,
    config: dict[str, str],
    strategy: str,
    at_once: bool,
    verdict: Verdict,
    made: set[str],
):
    app = colliding(tmp_path / "app", named, config)
    (tmp_path / "meeting").mkdir()
    environ = {**server, "MEETING": str(tmp_path / "meeting")}
    if named == '"postgres:///clash"':
        # There already: two that create it at once would fail by that, and never meet.
        psql(server, "postgres", "CREATE DATABASE clash")
        psql(server, "clash", "CREATE TABLE visits (visitor text)")
    before = names(server)
    outcome = run(app, {**environ, "AT_ONCE": "1"} if at_once else environ, strategy)
    assert outcome.verdict is verdict, outcome.output
    assert "do not run at the same time" not in outcome.output
    assert outcome.output.count('right: "') == (2 if verdict is Verdict.FAILED else 0)
    assert names(server) - before == made
    assert ("one by one" in outcome.reason) is not at_once


def test_files_hold_the_urls_for_our_eyes_only_and_are_gone_afterwards(tmp_path: Path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "SECRET_KEY_BASE").write_text("s")
    (own / "CLICKHOUSE_DATABASE_URL").write_text("http://127.0.0.1:8123/tiny_events\n")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/.env.test").write_text(f"DATABASE_URL={URL}\n")
    environ = {"CONFIG_DIR": str(own), "DATABASE_URL": "postgres://elsewhere/x"}
    with databases.separate(tmp_path, environ, "ce_test", (1, 2)) as extras:
        directory = Path(extras[2]["CONFIG_DIR"])
        contents = {path.name: path.read_text() for path in directory.iterdir()}
        assert contents == {
            "DATABASE_URL": "postgres://u:hunter2@127.0.0.1:5432/tiny_test_ce_test_2?ssl=true",
            "CLICKHOUSE_DATABASE_URL": "http://127.0.0.1:8123/tiny_events_ce_test_2",
            "SECRET_KEY_BASE": "s",
        }
        modes = {stat.S_IMODE(path.stat().st_mode) for path in (directory, directory.parent)}
        assert modes == {0o700}
        assert stat.S_IMODE((directory / "DATABASE_URL").stat().st_mode) == 0o600
    assert not directory.parent.exists()
    assert (own / "SECRET_KEY_BASE").exists()


@given(st.from_regex(r"[a-z_]{1,40}", fullmatch=True), st.integers(1, 99))
def test_only_the_name_changes_and_no_two_partitions_share_it(base: str, number: int):
    url = f"postgres://u:p%40@db.example.org:5433/{base}?a=b"
    named = databases.named(url, "test", number)
    assert urlsplit(named)._replace(path="") == urlsplit(url)._replace(path="")
    assert urlsplit(named).path == f"/{base}_test_{number}"
    assert named != databases.named(url, "test", number + 1)


@pytest.mark.parametrize("path", ["", "/", f"/{'x' * 60}"])
def test_url_without_a_usable_name_is_refused_without_its_password(path: str):
    with pytest.raises(UsageProblem) as caught:
        databases.named(f"postgres://u:hunter2@db{path}", "test", 1)
    assert "hunter2" not in str(caught.value)


def test_no_database_url_is_refused(tmp_path: Path):
    with pytest.raises(UsageProblem, match="there is no DATABASE_URL"):
        databases.urls(tmp_path, {})


@pytest.mark.parametrize(
    ("name", "text", "shared"),
    [
        (".env.test", "DATABASE_URL=postgres://127.0.0.1/plausible_test\n", True),
        (".env.test", "BASE_URL=http://localhost\n", False),
        ("test.exs", 'config :a, A.Repo,\n  database: "a_test"\n', True),
        ("test.exs", 'database: "a_test#{System.get_env("MIX_TEST_PARTITION")}"\n', False),
        ("runtime.exs", "import Config\n", False),
    ],
)
def test_database_for_all_is_recognised(tmp_path: Path, name: str, text: str, shared: bool):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / name).write_text(text)
    assert bool(databases.shared(tmp_path)) is shared
