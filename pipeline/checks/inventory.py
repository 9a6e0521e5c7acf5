"""Which test files there are, as mix sees them."""

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pipeline.checks import repository, running
from pipeline.checks.check import Check
from pipeline.checks.running import Context
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Outcome, Verdict, unknown

_LISTING = (
    "paths = Mix.Project.config()[:test_paths] || [~s(test)]; "
    "pattern = Mix.Project.config()[:test_pattern] || ~s(*_test.exs); "
    "for path <- Mix.Utils.extract_files(paths, pattern), do: IO.puts([~s(FILE ), path])"
)


def left_out(app: Path, environ: Mapping[str, str]) -> list[str]:
    """Return the test files that a sparse checkout does not have on the disk."""
    try:
        listed, _ = repository.ask(str(app), environ)
    except OSError:
        return []
    entries = (entry.partition("\t") for entry in os.fsdecode(listed).split("\0"))
    skipped = (path for head, _, path in entries if head.startswith(("S ", "s ")))
    return [p for p in skipped if p.endswith("_test.exs") and not (app / p).exists()]


def is_usual(app: Path) -> bool:
    """Return whether the tests are `test/**/*_test.exs`, and mix.exs says nothing else."""
    text = (app / "mix.exs").read_text("utf-8", "replace")
    return not re.search(r"\b(test_paths|test_pattern|apps_path)\b", text)


def umbrella(app: Path) -> str:
    """Return what to do where `app` is an umbrella; nothing where it is none."""
    if not re.search(r"\bapps_path:", (app / "mix.exs").read_text("utf-8", "replace")):
        return ""
    found = sorted(path.parent.relative_to(app) for path in app.glob("apps/*/mix.exs"))
    each = shlex.quote(str(found[0])) if found else "apps/NAME"
    return (
        "an umbrella, whose suites are not told apart: check each application by itself"
        f" (inv check --app {each}, inv hooks.install --app {each}), or leave the tests out here"
        ' (skip = ["test"] in [tool.qusto] of pyproject.toml)'
    )


async def read(context: Context, check: Check) -> list[str] | Outcome:
    """Return the test files as mix sees them; mix itself is only asked if mix.exs says where."""
    app = context.app
    if is_usual(app):
        return sorted(
            # As evidence.exs names them (suite_evidence.py), also where that is not UTF-8.
            os.fsencode(path.relative_to(app)).decode("utf-8", "backslashreplace")
            for path in (app / "test").rglob("*_test.exs")
            if not any(part.startswith(".") for part in path.relative_to(app).parts)
        )
    argv = ("mix", "run", "--no-start", "--no-compile", "--no-deps-check", "-e", _LISTING)
    result = await context.execute(check, argv=argv)
    judgement = running.judge(replace(check, read=mix.read), result, {})
    if judgement.verdict is not Verdict.PASSED:
        reason = f"mix does not list its test files: {judgement.reason}"
        return running.outcome(check, result, unknown(reason))
    return sorted(re.findall(r"^FILE (.+)$", result.output, re.MULTILINE))
