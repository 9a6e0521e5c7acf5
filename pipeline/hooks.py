"""The commit hook as a file: where git looks for it, what it says, what was there before.

The hook is shared by all linked work trees of a repository, so it names the application by its
path below the top of the work tree, and Python by an absolute path.
"""

import os
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageProblem
from pipeline.process import environment

NAME = "pre-commit"
BEFORE = "pre-commit.before-qusto"
"""What an existing hook is called while ours is there."""

_MARK = "# qusto: written by `inv hooks.install`, taken away by `inv hooks.uninstall`"


@dataclass(frozen=True)
class Place:
    """Where the hook of the application's repository is; `app` is relative to its top."""

    directory: Path
    app: Path

    @property
    def hook(self) -> Path:
        """The file that git runs."""
        return self.directory / NAME

    @property
    def before(self) -> Path:
        """The hook that was there before, if there was one."""
        return self.directory / BEFORE


def find(app: Path, environ: Mapping[str, str]) -> Place:
    """Return the directory in which git looks for hooks, by core.hooksPath if that is set.

    Raises UsageProblem outside of a repository, and if the setting is not this repository's own.
    """
    top = Path(_git(app, environ, "rev-parse", "--show-toplevel"))
    scope, _, value = _config(top, environ).partition("\t")
    if scope in ("global", "system"):
        raise UsageProblem(
            f"core.hooksPath is {value} in your {scope} git configuration: a hook there would run "
            "in every repository",
            remedy="set it for this one: git config core.hooksPath .git/hooks",
        )
    # From the top, since a relative core.hooksPath is relative to it.
    words = ("rev-parse", "--path-format=absolute", "--git-path", "hooks")
    return Place(Path(_git(top, environ, *words)), app.relative_to(top.resolve()))


def install(place: Place, python: Path, project: Path) -> str:
    """Write the hook, or write it anew, and return what was done, in one line.

    A hook of somebody else's is moved aside; ours runs it first. Raises UsageProblem.
    """
    ours = _is_ours(place.hook)
    moved = ""
    if os.path.lexists(place.hook) and not ours:
        if os.path.lexists(place.before):
            raise UsageProblem(
                f"{place.hook} is not ours, and {place.before} is there already",
                remedy="put the two into one, or remove one of them",
            )
        place.hook.rename(place.before)
    if os.path.lexists(place.before):
        moved = f"; the hook that was there runs first ({place.before.name})"
    try:
        place.directory.mkdir(parents=True, exist_ok=True)
        fresh = place.directory / f".{NAME}.{os.getpid()}"
        fresh.write_text(script(python, project, place.app), "utf-8")
        fresh.chmod(0o755)
        fresh.replace(place.hook)
    except OSError as error:
        raise UsageProblem(f"{place.hook} cannot be written: {error.strerror}") from None
    return f"{'renewed' if ours else 'installed'} {place.hook}{moved}"


def uninstall(place: Place) -> str:
    """Take the hook away, put back what was there, and return what was done, in one line."""
    if not _is_ours(place.hook):
        if os.path.lexists(place.before):
            raise UsageProblem(
                f"{place.hook} is not ours, but {place.before} waits to be put back",
                remedy="decide which one is to stay",
            )
        return f"{place.directory} has no hook of ours: nothing to do"
    if os.path.lexists(place.before):
        place.before.replace(place.hook)
        return f"removed our hook; {place.hook} is the one that was there before"
    place.hook.unlink()
    return f"removed {place.hook}"


def script(python: Path, project: Path, app: Path) -> str:
    """Return the hook: POSIX sh, without need of an activated environment."""
    return f"""#!/bin/sh
{_MARK}
# Runs what `inv check --hook` runs. docs/hooks.md in {project} explains it.
python={shlex.quote(str(python))}
app={shlex.quote(app.as_posix())}
before="${{0%/*}}/{BEFORE}"
if [ -x "$before" ]; then
  "$before" "$@" || exit $?
fi
if [ ! -x "$python" ]; then
  echo "qusto hook: $python is gone: set it up and run 'inv hooks.install' again, or remove $0" >&2
  exit 1
fi
# A branch from before the application.
[ -f "$app/mix.exs" ] || exit 0
exec "$python" -S {shlex.quote(str(project / "pipeline/quick.py"))} "$app"
"""


def _is_ours(hook: Path) -> bool:
    try:
        return not hook.is_symlink() and _MARK in hook.read_text("utf-8", "replace")
    except FileNotFoundError:
        return False


def _git(directory: Path, environ: Mapping[str, str], *words: str) -> str:
    try:
        ended = _run(directory, environ, *words)
    except FileNotFoundError:
        raise UsageProblem("git is not installed") from None
    if ended.returncode:
        said = ended.stderr.strip().removeprefix("fatal: ").splitlines()
        raise UsageProblem(f"{directory}: {said[0] if said else 'git failed'}")
    return ended.stdout.removesuffix("\n")


def _config(directory: Path, environ: Mapping[str, str]) -> str:
    """Return scope, tab and value of core.hooksPath; nothing if it is not set."""
    ended = _run(directory, environ, "config", "--show-scope", "--get", "core.hooksPath")
    return ended.stdout.strip()


def _run(
    directory: Path, environ: Mapping[str, str], *words: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ("git", *words),
        cwd=directory,
        env=environment(environ, {"LC_ALL": "C"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
