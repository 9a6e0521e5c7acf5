"""`inv ci.deps`: the dependencies that a job needs, fetched as the lock files say."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline import gitlocal, npm
from pipeline.errors import Problem, UsageProblem


def commands(app: Path, mix_env: str, packages: Sequence[str]) -> list[tuple[str, ...]]:
    """Return what fetches them: Hex packages of one MIX_ENV, then each npm package's.

    Raises UsageProblem for nothing to fetch and for a directory that is no npm package.
    """
    found: list[tuple[str, ...]] = []
    if mix_env:
        found.append(("mix", "deps.get", "--only", mix_env))
    for package in packages:
        if not (app / package / "package.json").is_file():
            raise UsageProblem(f"--npm {package}: {app} has no {package}/package.json")
        found.append(npm.install(app, package))
    if not found:
        raise UsageProblem("no dependencies are named", remedy="use --env MIX_ENV or --npm NAMES")
    return found


def fetch(app: Path, environ: Mapping[str, str], *, mix_env: str, packages: Sequence[str]) -> None:
    """Run these commands one after the other; Problem for the first that fails."""
    variables = gitlocal.without(environ)
    if mix_env:
        variables["MIX_ENV"] = mix_env
    for words in commands(app, mix_env, packages):
        try:
            ended = subprocess.run(
                words, cwd=app, env=variables, stdin=subprocess.DEVNULL, check=False
            )
        except FileNotFoundError:
            raise UsageProblem(f"{words[0]} is not installed") from None
        if ended.returncode:
            raise Problem(f"`{' '.join(words)}` in {app} exited {ended.returncode}")
