"""The commit hook as a file: where git looks for it, what it says, what was there before.

The hook is shared by all linked work trees of a repository, so it names the application by its
path below the top of the work tree, and Python by an absolute path.
"""

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipeline import gitlocal
from pipeline.checks import repository
from pipeline.errors import UsageProblem

NAME = "pre-commit"
BEFORE = "pre-commit.before-qusto"
"""What an existing hook is called while ours is there."""

_MARK = "# qusto: written by `inv hooks.install`, taken away by `inv hooks.uninstall`"


@dataclass(frozen=True)
class Place:
    """Where the hook of the application's repository is; `app` is relative to its top."""

    directory: Path
    app: Path
    top: Path

    @property
    def hook(self) -> Path:
        """The file that git runs."""
        return self.directory / NAME

    @property
    def before(self) -> Path:
        """The hook that was there before, if there was one."""
        return self.directory / BEFORE


class Entry(NamedTuple):
    """One application that the hook serves, and what with; `app` is relative to the top."""

    python: str
    project: str
    app: str


def find(app: Path, environ: Mapping[str, str]) -> Place:
    """Return the directory in which git looks for hooks, by core.hooksPath if that is set.

    Raises UsageProblem outside of a repository, and if the setting is not this repository's own.
    """
    top = Path(_git(app, environ, "rev-parse", "--show-toplevel")).resolve()
    scope, _, value = _config(top, environ).partition("\t")
    if scope in ("global", "system") and (Path(value).is_absolute() or value.startswith("~")):
        raise UsageProblem(
            f"core.hooksPath is {value} in your {scope} git configuration: a hook there would run "
            "in every repository",
            remedy="set it for this one: git config core.hooksPath .git/hooks",
        )
    # From the top, since a relative core.hooksPath is relative to it.
    words = ("rev-parse", "--path-format=absolute", "--git-path", "hooks")
    return Place(Path(_git(top, environ, *words)), app.relative_to(top), top)


def install(place: Place, python: Path, project: Path) -> str:
    """Write the hook, or write it anew, and return what was done, in one line.

    It serves the applications that it served before, too. A hook of somebody else's is moved aside;
    ours runs it first. Raises UsageProblem.
    """
    shared = _shared(place)
    if shared and not _is_ours(place.hook):
        raise UsageProblem(
            f"{shared} belongs to the repository (core.hooksPath), so everybody would get a hook"
            " with paths of this machine: nothing was changed",
            remedy=_by_hand(place, shared, project),
        )
    entry = Entry(str(python), str(project), place.app.as_posix())
    try:
        ours = _is_ours(place.hook)
        if os.path.lexists(place.hook) and not ours:
            if os.path.lexists(place.before):
                raise UsageProblem(
                    f"{place.hook} is not ours, and {place.before} is there already",
                    remedy="put the two into one, or remove one of them",
                )
            place.hook.rename(place.before)
        others = [other for other in _entries(place.hook) if other.app != entry.app] if ours else []
        _write(place, [*others, entry])
    except OSError as error:
        raise UsageProblem(f"{place.hook} cannot be written: {error.strerror}") from None
    also = f"; it also serves {', '.join(other.app for other in others)}" if others else ""
    if os.path.lexists(place.before):
        also += f"; the hook that was there runs first ({place.before.name})"
    return f"{'renewed' if ours else 'installed'} {place.hook}{also}"


def uninstall(place: Place) -> str:
    """Take the hook away, put back what was there, and return what was done, in one line.

    Where it serves other applications, too, it stays for those. Raises UsageProblem.
    """
    try:
        if not _is_ours(place.hook):
            if os.path.lexists(place.before):
                raise UsageProblem(
                    f"{place.hook} is not ours, but {place.before} waits to be put back",
                    remedy="decide which one is to stay",
                )
            return f"{place.directory} has no hook of ours: nothing to do"
        served = _entries(place.hook)
        others = [other for other in served if other.app != place.app.as_posix()]
        names = ", ".join(other.app for other in others)
        if others and len(others) == len(served):
            return f"{place.hook} does not serve {place.app}, only {names}: nothing to do"
        if others:
            _write(place, others)
            return f"{place.hook} no longer serves {place.app}; it stays for {names}"
        if os.path.lexists(place.before):
            place.before.replace(place.hook)
            return f"removed our hook; {place.hook} is the one that was there before"
        place.hook.unlink()
    except OSError as error:
        raise UsageProblem(f"{place.hook} cannot be changed: {error.strerror}") from None
    return f"removed {place.hook}"


def script(entries: Sequence[Entry]) -> str:
    """Return the hook: POSIX sh, without need of an activated environment."""
    calls = "\n".join(f"check {shlex.join(entry)} || code=$?" for entry in entries)
    return f"""#!/bin/sh
{_MARK}
# Runs what `inv check --hook` runs, for each application; see docs/hooks.md there.
before="${{0%/*}}/{BEFORE}"
if [ -x "$before" ]; then
  "$before" "$@" || exit $?
fi
code=0
check() {{ # PYTHON PROJECT APPLICATION
  if [ ! -x "$1" ]; then
    echo "qusto hook: $1 is gone: set it up and run 'inv hooks.install' again, or remove $hook" >&2
    return 1
  fi
  # A branch from before the application.
  [ -f "$3/mix.exs" ] || return 0
  "$1" -S "$2/pipeline/quick.py" "$3"
}}
hook=$0
{calls}
exit $code
"""


def _write(place: Place, entries: Sequence[Entry]) -> None:
    place.directory.mkdir(parents=True, exist_ok=True)
    fresh = place.directory / f".{NAME}.{os.getpid()}"
    fresh.write_bytes(os.fsencode(script(entries)))
    fresh.chmod(0o755)
    fresh.replace(place.hook)


def _entries(hook: Path) -> list[Entry]:
    """Return what a hook of ours calls, also one of the time when it served one application."""
    text = os.fsdecode(hook.read_bytes())
    calls = [shlex.split(line)[1:4] for line in re.findall(r"(?m)^(check .*) \|\| code", text)]
    old = re.search(r"(?m)^python=(.*)\napp=(.*)$", text)
    started = re.search(r'(?m)^exec "\$python" -S .*$', text)
    if old and started:
        project = shlex.split(started[0])[3].removesuffix("/pipeline/quick.py")
        calls.append([shlex.split(old[1])[0], project, shlex.split(old[2])[0]])
    return [Entry(*call) for call in calls if len(call) == len(Entry._fields)]


def _shared(place: Place) -> Path | None:
    """Return the directory of hooks if it is a part of the repository; None for one's own."""
    directory = place.directory.resolve()
    if directory.name == "_" and directory.parent.name == ".husky":
        return directory.parent  # husky writes the one below anew each time
    if not directory.is_relative_to(place.top) or ".git" in directory.parts:
        return None
    tracked = _run(place.top, os.environ, "ls-files", "-z", "--", str(directory)).stdout
    return directory if tracked else None


def _by_hand(place: Place, shared: Path, project: Path) -> str:
    """Return what to put into the hook that everybody shares, which must not name this machine."""
    app = shlex.quote(place.app.as_posix())
    start = f'"$p/.venv/bin/python" -S "$p/pipeline/quick.py" {app}'
    inside = project.resolve().is_relative_to(place.top)
    if inside:
        found, once = shlex.quote(project.resolve().relative_to(place.top).as_posix()), ""
    else:
        found = "$(git config qusto.project || :)"
        named = f"git config qusto.project {shlex.quote(str(project))}"
        once = f", and run once on this machine: {named}"
    line = f'p={found}; [ ! -x "$p/.venv/bin/python" ] || {start} || exit'
    return f"put this line into {shared / NAME}: {line}{once}"


def _is_ours(hook: Path) -> bool:
    try:
        return not hook.is_symlink() and _MARK in hook.read_text("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return False


def _git(directory: Path, environ: Mapping[str, str], *words: str) -> str:
    try:
        ended = _run(directory, environ, *words)
    except FileNotFoundError:
        raise UsageProblem("git is not installed") from None
    if ended.returncode:
        raise UsageProblem(f"{directory}: {gitlocal.complaint(ended.stderr)}")
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
        env=repository.environment(environ, str(directory)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
    )
