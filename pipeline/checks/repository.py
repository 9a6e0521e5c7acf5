"""Where an application lies in its repository, and what git says of its files.

Only os is imported, and no Path used: the commit hook starts here, and Python's own start takes
13 ms, `re`, `pathlib` or `subprocess` as much again.
"""

from __future__ import annotations

import os

from pipeline import gitlocal

TYPE_CHECKING = False  # typing takes as long as git does
if TYPE_CHECKING:
    from collections.abc import Mapping

LISTING = ("ls-files", "--stage", "-v", "-z")
# Renames are two changes to us; an untracked directory is its files.
STATUS = (
    *("status", "--porcelain=v2", "-z", "--no-renames"),
    *("--untracked-files=all", "--ignore-submodules=none", "--ignored=matching"),
)
_SOURCES = (".ex", ".exs", ".eex", ".heex", ".leex", ".erl", ".hrl", ".yrl", ".xrl")
_PRODUCTS = frozenset({"_build", "deps", "node_modules", ".elixir_ls", "cover", "doc"})


def top(app: str) -> str:
    """Return the top of the work tree that holds `app`; nothing outside of one."""
    directory = app
    while True:
        if os.path.exists(os.path.join(directory, ".git")):
            return directory
        parent = os.path.dirname(directory)
        if parent == directory:
            return _elsewhere(app, os.environ)[1]
        directory = parent


def prefix(app: str) -> str:
    """Return the path of `app` from the top of its work tree; nothing at the top itself."""
    return app[len(top(app)) :].strip(os.sep)


def relative(path: str, prefix: str) -> str:
    """Return a path from the top as one from the application: `../x` if it lies outside of it."""
    if not prefix:
        return path
    inside = path.removeprefix(f"{prefix}/")
    return inside if inside != path else os.path.relpath(f"/{path}", f"/{prefix}")


def ignored_sources(status: bytes, above: str) -> list[str]:
    """Return the paths, from the top, of Elixir and Erlang sources that git ignores.

    Mix compiles them, as generated code in lib. `status` is what STATUS printed.
    """
    found = []
    for entry in status.split(b"\0"):
        path = os.fsdecode(entry[2:])
        name = os.path.basename(path.rstrip("/"))
        if not entry.startswith(b"! ") or name in _PRODUCTS:
            continue
        if not path.endswith("/"):
            found += [path] if path.endswith(_SOURCES) or name.startswith(".env") else []
            continue
        for directory, names, files in os.walk(os.path.join(above, path)):
            names[:] = [name for name in names if name not in _PRODUCTS]
            places = (os.path.join(directory, name) for name in files if name.endswith(_SOURCES))
            found += [os.path.relpath(place, above) for place in places]
    return sorted(found)


def git_dir(app: str) -> str:
    """Return the git directory of the work tree that holds `app`: its own in a linked one."""
    above = top(app)
    entry = os.path.join(above, ".git")
    if above and not os.path.exists(entry):
        return _elsewhere(app, os.environ)[0]
    if not above or os.path.isdir(entry):
        return entry if above else ""
    with open(entry, encoding="utf-8") as file:
        target = file.read().removeprefix("gitdir:").strip()
    return os.path.realpath(os.path.join(above, target))


def _elsewhere(app: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return git directory and work tree where variables name them (git --git-dir=…) for `app`."""
    named = environ.get("GIT_DIR"), environ.get("GIT_WORK_TREE")
    if not (named[0] and named[1]):
        return "", ""
    found = os.path.realpath(named[0]), os.path.realpath(named[1])
    # In a hook of another repository they are not about this one.
    return found if f"{app}/".startswith(f"{found[1]}/") else ("", "")


def records(app: str) -> str:
    """Return the directory for what we note about `app`; nothing outside of a git work tree.

    It is in the git directory: never in git status, in nobody's way, and gone with a linked work
    tree.
    """
    found = git_dir(app)
    if not found:
        return ""
    # Several applications may live in one repository.
    name = prefix(app).replace(os.sep, "_") or "_top"
    return os.path.join(found, "qusto", "passes", name)


def ask(app: str, environ: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Return what LISTING and STATUS print for the whole repository; both run at once.

    Nothing is written, not even git's own refreshed index: GIT_OPTIONAL_LOCKS=0. Raises OSError
    with git's own words, or FileNotFoundError where there is no git.
    """
    where = top(app) or app
    asked = [_start(where, environ, words) for words in (LISTING, STATUS)]
    answers = []
    complaint = ""
    for pid, out, err in asked:
        answers.append(_read(out))
        said = _read(err).decode("utf-8", "replace")
        if os.waitpid(pid, 0)[1] and not complaint:
            complaint = gitlocal.complaint(said)
    if complaint:
        raise OSError(complaint)
    return answers[0], answers[1]


def environment(environ: Mapping[str, str], app: str) -> dict[str, str]:
    """Return the environment for our own reading of git, inside a hook or not.

    Of git's local variables only the index stays, since `git commit FILE` has one of its own:
    with GIT_DIR and no GIT_WORK_TREE git would take the directory of the application for the top.
    """
    kept = gitlocal.without(environ)
    elsewhere = _elsewhere(app, environ)
    if elsewhere[0]:
        kept["GIT_DIR"], kept["GIT_WORK_TREE"] = elsewhere
    index = environ.get("GIT_INDEX_FILE")
    if index:
        kept["GIT_INDEX_FILE"] = os.path.join(os.getcwd(), index)
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def which(name: str, path: str | None) -> str:
    """Return what shutil.which would; importing that takes longer than asking git."""
    directories = (path or os.defpath).split(os.pathsep)
    places = (os.path.join(directory, name) for directory in directories if directory)
    return next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), "")


def _start(app: str, environ: Mapping[str, str], words: tuple[str, ...]) -> tuple[int, int, int]:
    """Start git; return its pid and the reading ends of its two outputs."""
    out, out_end = os.pipe()
    err, err_end = os.pipe()
    try:
        pid = os.posix_spawn(
            which("git", environ.get("PATH")),
            ("git", "-C", app, "-c", "core.quotePath=false", *words),
            environment(environ, app),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, out_end, 1),
                (os.POSIX_SPAWN_DUP2, err_end, 2),
            ],
        )
    except OSError:
        os.close(out)
        os.close(err)
        raise
    finally:
        os.close(out_end)
        os.close(err_end)
    return pid, out, err


def _read(descriptor: int) -> bytes:
    with open(descriptor, "rb") as pipe:
        return pipe.read()
