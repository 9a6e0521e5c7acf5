"""Whether `mix credo diff` has something to compare with.

On a shallow clone, or at the base itself, it compares with nothing and exits 0
(research/checks.md section 4).
"""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.checks.verdicts import Judgement, skipped, unknown
from pipeline.process import environment


def missing(base: str, app: Path, environ: Mapping[str, str]) -> bool:
    """Return whether this full clone surely has no commit `base`, as after a typing error.

    A shallow clone, or no repository, says nothing about that; `comparable` says so later.
    """
    if shutil.which("git", path=environ.get("PATH")) is None:
        return False

    def git(*words: str) -> tuple[int, str]:
        return _git(app, environ, *words)

    if git("rev-parse", "--is-shallow-repository") != (0, "false"):
        return False
    return bool(
        git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")[0]
    )


def _git(app: Path, environ: Mapping[str, str], *words: str) -> tuple[int, str]:
    ended = subprocess.run(
        ("git", *words),
        cwd=app,
        env=environment(environ, {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
    return ended.returncode, ended.stdout.strip()


def comparable(base: str, app: Path, environ: Mapping[str, str]) -> Judgement | None:
    """Return why a comparison with the merge base of `base` and HEAD would say nothing, or None."""
    if shutil.which("git", path=environ.get("PATH")) is None:
        return unknown("git is not installed, so there is no base")

    def git(*words: str) -> tuple[int, str]:
        return _git(app, environ, *words)

    code, shallow = git("rev-parse", "--is-shallow-repository")
    if code:
        return unknown("the application is in no git repository, so there is no base")
    if shallow == "true":
        return unknown("this clone is shallow, so it lacks the base: fetch-depth: 0")
    if git("rev-parse", "--verify", "--quiet", f"{base}^{{commit}}")[0]:
        return unknown(f"the base {base} does not exist here: git fetch, or --base REF")
    code, merge_base = git("merge-base", base, "HEAD")
    if code:
        return unknown(f"HEAD and {base} have no commit in common")
    changed = git("diff", "--quiet", merge_base, "--", ".")[0]
    if not changed and not git("ls-files", "--others", "--exclude-standard", "--", ".")[1]:
        return skipped(f"nothing differs from {base}")
    return None
