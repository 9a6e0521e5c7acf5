"""The row `test` is not run into services that do not answer."""

import asyncio
from dataclasses import replace
from pathlib import Path

from pipeline.checks import readers, running, scheduler, services, table
from pipeline.checks.plan import Planned
from pipeline.checks.verdicts import Judgement, Outcome, Verdict
from tests.unit.checks import stages
from tests.unit.services import servers


def app(root: Path, *urls: str) -> Path:
    (root / "config").mkdir()
    (root / "config/.env.test").write_text(
        "".join(f"URL_{n}={url}\n" for n, url in enumerate(urls))
    )
    return root


def outcome(place: Path, settled: Judgement | None = None) -> Outcome:
    """Run the row as `inv check` would, with a program that leaves a trace in place of mix."""
    row = replace(
        table.testing("test", compiled_by="compile"),
        argv=("touch", str(place / "ran")),
        shares_beam=False,
        read=readers.by_exit_code,
    )

    async def scenario() -> list[Outcome]:
        context = stages.context(place, {"PATH": "/usr/bin:/bin"})
        rows = [Planned(row, settled)]
        return await scheduler.run_all(context, rows, lambda _: running.run_command)

    return asyncio.run(scenario())[0]


def test_dead_service_makes_the_tests_unknown_and_none_runs(tmp_path: Path):
    port = servers.closed_port()
    found = outcome(app(tmp_path, f"postgres://u:s3cret@127.0.0.1:{port}/x"))
    assert found.verdict is Verdict.UNKNOWN
    assert found.reason == (
        f"not tested: PostgreSQL at 127.0.0.1:{port} (config/.env.test): connection refused; "
        "start it: inv services.up"
    )
    assert not (tmp_path / "ran").exists()


def test_every_dead_service_is_named(tmp_path: Path):
    with servers.redis() as alive:
        place = app(
            tmp_path,
            "redis://nowhere.invalid",
            "postgres://nowhere.invalid/x",
            alive_url(alive.port),
        )
        judgement = services.all_answer(place, {})
    assert judgement
    assert "Redis at nowhere.invalid:6379" in judgement.reason
    assert "PostgreSQL at nowhere.invalid:5432" in judgement.reason
    assert "127.0.0.1" not in judgement.reason


def alive_url(port: int) -> str:
    return f"redis://127.0.0.1:{port}"


def test_tests_run_where_the_services_answer(tmp_path: Path):
    with servers.redis() as alive:
        assert outcome(app(tmp_path, alive_url(alive.port))).verdict is Verdict.PASSED
    assert (tmp_path / "ran").exists()


def test_application_that_names_no_service_is_tested_without_a_question(tmp_path: Path):
    assert outcome(tmp_path).verdict is Verdict.PASSED


def test_nothing_is_asked_for_a_reused_row(tmp_path: Path):
    asked: list[bytes] = []

    def answer(said: bytes) -> bytes:
        asked.append(said)
        return b""

    with servers.impostor(answer) as port:
        place = app(tmp_path, f"redis://127.0.0.1:{port}")
        found = outcome(place, Judgement(Verdict.REUSED, "passed before"))
    assert found.verdict is Verdict.REUSED
    assert asked == []
