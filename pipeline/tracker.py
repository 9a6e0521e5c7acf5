"""Building the tracker scripts only when what they are made of has changed, or one is missing.

Both are told by content: `tracker/**` as git sees it (what it ignores is no source), and the
scripts as the last build here left them. So a restored cache is as good as a build of our own, and
a new clone, whose files are all new, builds nothing that a cache has brought.
"""

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import msgspec

from pipeline import gitlocal, npm
from pipeline.checks import whole
from pipeline.errors import BuildFailed, UsageProblem

PACKAGE = "tracker"
OUTPUT = "priv/tracker"
RECORDS = "_build"
"""Where the record of a build lies: among what CI caches and git ignores."""

_COMMUNITY = frozenset({"ce", "ce_test", "ce_dev"})
"""The MIX_ENV values under which compile.js leaves out what is for the enterprise alone."""


class Built(msgspec.Struct, frozen=True):
    """The last build: the digest of its sources, and path → digest of the scripts it left."""

    sources: str
    scripts: Mapping[str, str]


@dataclass(frozen=True)
class State:
    """Whether a build is needed (`why` in half a line, empty: no) and what the sources are now."""

    why: str
    sources: str


def build(app: Path, environ: Mapping[str, str], *, mix_env: str, force: bool, out: TextIO) -> str:
    """Build the tracker of `app` for `mix_env`, if need be; return what was done, in one line.

    What npm prints goes to `out`. Raises UsageProblem (no tracker, no npm) and BuildFailed.
    """
    if not (app / PACKAGE / "package.json").is_file():
        raise UsageProblem(f"{app} has no {PACKAGE}/package.json, so no tracker to build")
    found = look(app, mix_env)
    why = "--force" if force else found.why
    if not why:
        return f"tracker ({edition(mix_env)}): up to date, nothing built"
    out.write(f"tracker ({edition(mix_env)}): building, {why}\n")
    out.flush()
    variables = gitlocal.without(environ)
    for words in _commands(app):
        _run(words, app, {**variables, "MIX_ENV": mix_env}, out)
    scripts = _scripts(app)
    if not scripts:
        raise BuildFailed(f"npm run deploy in {app / PACKAGE} left no script in {OUTPUT}")
    if look(app, mix_env).sources != found.sources:
        return f"tracker: built, but {PACKAGE}/ changed meanwhile, so the next call builds again"
    whole.write(_record(app, mix_env), msgspec.json.encode(Built(found.sources, scripts)))
    return f"tracker ({edition(mix_env)}): built {len(scripts)} scripts"


def look(app: Path, mix_env: str) -> State:
    """Return whether the tracker has to be built for `mix_env`; changes nothing."""
    sources = _digest(app, sources_of(app))
    try:
        last = msgspec.json.decode(_record(app, mix_env).read_bytes(), type=Built)
    except (OSError, ValueError):
        return State("no build is on record here", sources)
    if last.sources != sources:
        return State(f"{PACKAGE}/ has changed", sources)
    now = _scripts(app)
    for name, digest in last.scripts.items():
        if name not in now:
            return State(f"{OUTPUT}/{name} is missing", sources)
        if now[name] != digest:
            return State(f"{OUTPUT}/{name} is not as it was built", sources)
    return State("", sources)


def edition(mix_env: str) -> str:
    """Return which scripts MIX_ENV asks for: all, or those of the community edition."""
    return "community" if mix_env in _COMMUNITY else "all scripts"


def sources_of(app: Path) -> list[str]:
    """Return the paths, from `app`, of the files the tracker is made of, sorted.

    Outside of a work tree these are all files but those of npm.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", PACKAGE],
        cwd=app,
        env=gitlocal.without(os.environ),
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0 and listed.stdout:
        names: Iterable[str] = os.fsdecode(listed.stdout).split("\0")
    else:
        names = (str(path.relative_to(app)) for path in (app / PACKAGE).rglob("*"))
    here = (name for name in names if name and (app / name).is_file())
    return sorted({name for name in here if "node_modules" not in Path(name).parts})


def _commands(app: Path) -> list[tuple[str, ...]]:
    return [
        npm.install(app, PACKAGE),
        ("npm", "run", "deploy", "--prefix", f"./{PACKAGE}"),
    ]


def _run(words: tuple[str, ...], app: Path, environ: Mapping[str, str], out: TextIO) -> None:
    try:
        ended = subprocess.run(
            words, cwd=app, env=dict(environ), stdin=subprocess.DEVNULL, stdout=out, check=False
        )
    except FileNotFoundError:
        raise UsageProblem(f"{words[0]} is not installed, and the tracker needs it") from None
    if ended.returncode:
        raise BuildFailed(
            f"the tracker was not built: `{' '.join(words)}` exited {ended.returncode}",
            remedy=f"repeat it in {app} with MIX_ENV={environ['MIX_ENV']}",
        )


def _record(app: Path, mix_env: str) -> Path:
    name = "community" if mix_env in _COMMUNITY else "all"
    return app / RECORDS / f"qusto-tracker-{name}.json"


def _scripts(app: Path) -> dict[str, str]:
    place = app / OUTPUT
    files = sorted(path for path in place.rglob("*") if path.is_file() and path.suffix == ".js")
    return {
        str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def _digest(app: Path, names: Iterable[str]) -> str:
    whole_of_it = hashlib.sha256()
    for name in names:
        content = hashlib.sha256((app / name).read_bytes()).hexdigest()
        whole_of_it.update(f"{name}\0{content}\n".encode("utf-8", "surrogateescape"))
    return whole_of_it.hexdigest()
