"""Generated types are compared in a shadow; the work tree is never touched."""

import asyncio
import os
from pathlib import Path

import pytest

from pipeline.checks import generated
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Outcome, Verdict

from .stages import context

ROW = next(check for check in CHECKS if check.name == "types")
TYPES = Path("assets/js/types")


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = tmp_path / "app"
    (app / TYPES).mkdir(parents=True)
    (app / TYPES / "query-api.d.ts").write_text("export type A = string;\n")
    (app / "assets/js/app.ts").write_text("import './types/query-api'\n")
    (app / "priv/json-schemas").mkdir(parents=True)
    (app / "priv/json-schemas/schema.json").write_text("export type A = string;\n")
    return app


def run(app: Path, script: str) -> Outcome:
    """Run the row with an npm that does `script` in the directory it is called in."""
    (tools := app.parent / "bin").mkdir(exist_ok=True)
    (tools / "npm").write_text(f"#!/bin/sh\ncd assets && {script}\n")
    (tools / "npm").chmod(0o755)
    environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}

    async def scenario() -> Outcome:
        return await generated.run(context(app, environ), ROW)

    return asyncio.run(scenario())


def snapshot(app: Path) -> dict[str, tuple[str, int]]:
    return {
        str(path): (path.read_text(), path.stat().st_mtime_ns)
        for path in app.rglob("*")
        if path.is_file()
    }


GENERATE = "cat ../priv/json-schemas/schema.json > js/types/query-api.d.ts"


def test_types_that_are_up_to_date_pass(app: Path):
    assert run(app, GENERATE).verdict is Verdict.PASSED


def test_stale_types_fail_with_the_difference_and_stay_as_they_are(app: Path):
    (app / "priv/json-schemas/schema.json").write_text("export type A = number;\n")
    before = snapshot(app)
    outcome = run(app, GENERATE)
    assert (outcome.verdict, outcome.reason) == (Verdict.FAILED, "out of date: query-api.d.ts")
    assert "-export type A = string;\n+export type A = number;\n" in outcome.output
    assert snapshot(app) == before


def test_file_that_was_never_generated_fails(app: Path):
    (app / TYPES / "query-api.d.ts").unlink()
    (app / TYPES / "other.d.ts").write_text("")
    assert run(app, GENERATE).reason == "out of date: query-api.d.ts"


def test_local_edits_elsewhere_do_not_matter(app: Path):
    (app / TYPES / "handwritten.d.ts").write_text("export type B = 1\n")
    assert run(app, GENERATE).verdict is Verdict.PASSED


def test_generator_that_fails_is_unknown(app: Path):
    outcome = run(app, "exit 2")
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.reason == "the generator failed: exit 2"


def test_generator_that_writes_elsewhere_is_unknown(app: Path):
    (app / TYPES / "query-api.d.ts").unlink()
    assert run(app, "true").reason == "the generator wrote nothing to assets/js/types"


def test_shadow_links_everything_but_the_way_to_the_copy(app: Path, tmp_path: Path):
    (shadow := tmp_path / "shadow").mkdir()
    written = generated.mirror(app, shadow, TYPES)
    assert written == shadow / TYPES
    assert not (shadow / TYPES).is_symlink()
    assert (shadow / "priv").is_symlink()
    assert (shadow / "assets/js/app.ts").is_symlink()
    assert (written / "query-api.d.ts").read_text() == "export type A = string;\n"
