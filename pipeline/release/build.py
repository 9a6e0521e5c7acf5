"""`inv build`: from the source tree to the artifact under dist/."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from pipeline import asking, printable
from pipeline.errors import BuildFailed, UsageProblem
from pipeline.release import artifact
from pipeline.release.artifact import Artifact
from pipeline.release.manifest import Facts

RELEASE = "plausible"


@dataclass(frozen=True)
class BuildStep:
    """One command of the build, run in `cwd`."""

    argv: tuple[str, ...]
    cwd: Path


def plan(app: Path, mix_env: str, release: str = RELEASE) -> list[BuildStep]:
    """Return the commands of the build in their order, for the parts that this app has.

    Always `mix release --overwrite`: without it a closed stdin keeps the old release and exits 0
    (research/qusto-detail.md section 8.3). Node parts are built when they have a package.json.
    """
    steps = [BuildStep(("mix", "deps.get", "--only", mix_env), app)]
    for package in ("tracker", "assets"):
        if (app / package / "package.json").is_file():
            install = "ci" if (app / package / "package-lock.json").is_file() else "install"
            steps.append(BuildStep(("npm", install, "--prefix", f"./{package}"), app))
    if (app / "tracker" / "package.json").is_file():
        steps.append(BuildStep(("npm", "run", "deploy", "--prefix", "./tracker"), app))
    # --force: with unchanged code mix does not write a changed APP_VERSION into the .app file.
    steps.append(BuildStep(("mix", "compile", "--force", "--warnings-as-errors"), app))
    project = (app / "mix.exs").read_text("utf-8")
    if '"assets.deploy"' in project or "assets.deploy:" in project:
        steps.append(BuildStep(("mix", "assets.deploy"), app))
    if (app / "lib/mix/tasks/download_country_database.ex").is_file():
        # Boot waits for this file, and git does not hold it (research/qusto-detail.md 0.2).
        steps.append(BuildStep(("mix", "download_country_database"), app))
    steps.append(BuildStep(("mix", "release", release, "--overwrite", "--quiet"), app))
    return steps


def build(
    app: Path,
    environ: Mapping[str, str],
    *,
    mix_env: str,
    dist: Path,
    out: TextIO,
    release: str = RELEASE,
) -> Artifact:
    """Build the `release` of `app` under `mix_env` and pack it into `dist`.

    What the commands print goes to `out`, a stream with a descriptor. Raises UsageProblem for a
    missing tool, BuildFailed for a command that fails or a release that did not appear.
    """
    steps = plan(app, mix_env, release)
    for program in dict.fromkeys(step.argv[0] for step in steps):
        if shutil.which(program) is None:
            raise UsageProblem(
                f"{program} is not installed, and the build of {app} needs it",
                remedy="install it (`inv doctor` lists the tools), or deploy a built artifact",
            )
    commit = _git(app, "rev-parse", "HEAD")
    variables = {"APP_COMMIT": commit, **environ, "MIX_ENV": mix_env}
    with printable.of_others(out):
        for step in steps:
            _run(step, variables, out)
    tree = app / "_build" / mix_env / "rel" / release
    if not (tree / "bin" / release).is_file():
        raise BuildFailed(f"mix release ended, but {tree}/bin/{release} is not there")
    built = facts(app, tree, mix_env, commit=variables["APP_COMMIT"])
    return artifact.pack(tree, built, dist)


def facts(app: Path, tree: Path, mix_env: str, *, commit: str) -> Facts:
    """Return what is known of the release in `tree`, built from `app` on this machine."""
    erts, _, version = (tree / "releases/start_erl.data").read_text().strip().partition(" ")
    elixir = sorted(path.name.removeprefix("elixir-") for path in tree.glob("lib/elixir-*"))
    return Facts(
        app=tree.name,
        version=version,
        commit=commit,
        dirty=bool(_git(app, "status", "--porcelain", "--", ".")),
        branch=os.environ.get("GITHUB_REF_NAME") or _git(app, "rev-parse", "--abbrev-ref", "HEAD"),
        mix_env=mix_env,
        built_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        elixir=elixir[-1] if elixir else "",
        erts=erts,
        os=_os(),
        arch=platform.machine(),
        libc=" ".join(platform.libc_ver()).strip(),
    )


def _run(step: BuildStep, environ: Mapping[str, str], out: TextIO) -> None:
    command = " ".join(step.argv)
    ended = subprocess.run(
        step.argv,
        cwd=step.cwd,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=out,
        check=False,
    )
    if ended.returncode:
        raise BuildFailed(
            f"the build failed: `{command}` exited {ended.returncode}",
            remedy=f"repeat it in {step.cwd} with MIX_ENV={environ['MIX_ENV']}",
        )


def _git(app: Path, *words: str) -> str:
    """Return git's answer about the app, empty where it is in no repository."""
    # In a large tree `git status` may take its time, and no answer would look like a clean one.
    return asking.answer(os.environ, "git", "-C", str(app), *words, seconds=600)


def _os() -> str:
    path = Path("/etc/os-release")
    text = path.read_text("utf-8") if path.is_file() else ""
    match = re.search(r'^PRETTY_NAME="?([^"\n]*)', text, re.MULTILINE)
    return match[1] if match else platform.system()
