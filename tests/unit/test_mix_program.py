"""A `mix` that is a wrapper is told from Elixir's own, and runs the rows itself."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from pipeline import mix_program
from pipeline.checks import running
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Outcome, Verdict
from tests.unit.checks.stages import context, needs_mix, tiny

ROWS = {check.name: check for check in CHECKS}

OWN_MIX = "#!/usr/bin/env elixir\nMix.start()\nMix.CLI.main()\n"
OWN_ELIXIR = '#!/bin/sh\nset -e\nexec erl $ELIXIR_ERL_OPTIONS "$@"\n'
DOCKER = '#!/bin/sh\nexec docker compose exec -T app mix "$@"\n'
OLD_ASDF = (
    '#!/usr/bin/env bash\n# asdf-plugin: elixir 1.19\nexec /root/.asdf/bin/asdf exec "{}" "$@"\n'
)
ASDF = '#!/usr/bin/env bash\n# asdf-plugin: elixir 1.19\nexec asdf exec "{}" "$@"\n'


def programs(directory: Path, **texts: str) -> str:
    directory.mkdir()
    for name, text in texts.items():
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return str(directory)


@pytest.mark.parametrize(
    ("mix", "elixir", "own"),
    [
        (OWN_MIX, OWN_ELIXIR, True),
        (OLD_ASDF.format("mix"), OLD_ASDF.format("elixir"), True),
        (ASDF.format("mix"), ASDF.format("elixir"), True),
        (DOCKER, OWN_ELIXIR, False),
        (DOCKER, DOCKER.replace("mix", "elixir"), False),
        (OWN_MIX, DOCKER.replace("mix", "elixir"), False),
        (ASDF.format("mix"), OWN_ELIXIR, False),
        (OWN_MIX.replace("env elixir", "env devcontainer"), OWN_ELIXIR, False),
        ("#!/bin/sh\n# Mix.CLI.main\nexec ssh builder mix\n", OWN_ELIXIR, False),
    ],
)
def test_wrapper_is_told_from_elixirs_own_and_a_version_managers(
    tmp_path: Path, mix: str, elixir: str, own: bool
):
    path = programs(tmp_path / "bin", mix=mix, elixir=elixir)
    assert mix_program.is_elixirs_own(path) is own


def test_shims_of_mise_are_links_to_it(tmp_path: Path):
    path = programs(tmp_path / "bin", mise="\x7fELF")
    for name in ("mix", "elixir"):
        (tmp_path / "bin" / name).symlink_to("mise")
    assert mix_program.is_elixirs_own(path)


@pytest.mark.parametrize("texts", [{}, {"mix": OWN_MIX}, {"elixir": OWN_ELIXIR}])
def test_without_both_programs_nothing_is_started_beside_mix(tmp_path: Path, texts: dict[str, str]):
    assert not mix_program.is_elixirs_own(programs(tmp_path / "bin", **texts))


@needs_mix
def test_real_mix_of_this_machine_is_elixirs_own():
    assert mix_program.is_elixirs_own(os.environ["PATH"])


def outcomes(app: Path, path: str, *names: str) -> list[Outcome]:
    async def scenario() -> list[Outcome]:
        stage = context(app, {**os.environ, "PATH": path})
        try:
            return [await running.run_command(stage, ROWS[name]) for name in names]
        finally:
            await stage.beams.close()

    return asyncio.run(scenario())


@needs_mix
def test_real_rows_go_through_the_wrapper(tmp_path: Path):
    """With a container that runs, and with one that does not: then nobody can tell."""
    app = tiny(tmp_path / "app", {})
    (app / ".formatter.exs").write_text('[inputs: ["lib/*.ex"]]\n')
    log = tmp_path / "log"
    real = shutil.which("mix")
    text = f'#!/bin/sh\necho "$1" >> {log}\nexec {real} "$@"\n'
    rows = ("compile", "format", "unused-deps")
    path = programs(tmp_path / "bin", mix=text) + ":" + os.environ["PATH"]
    assert [o.verdict for o in outcomes(app, path, *rows)] == [Verdict.PASSED] * 3
    assert log.read_text().split() == ["compile", "format", "deps.unlock"]

    down = "#!/bin/sh\necho 'service \"app\" is not running' >&2\nexit 1\n"
    path = programs(tmp_path / "down", mix=down) + ":" + os.environ["PATH"]
    for outcome in outcomes(app, path, *rows, "credo", "dialyzer", "deps-audit", "sobelow"):
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert outcome.reason == 'exit 1: service "app" is not running', outcome
