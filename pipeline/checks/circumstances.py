"""What beside its inputs can change the answer of a check: tools, packages, environment, runner.

Found without starting a program: a tool is known by the file it is, with size and time of change.
Each thing has a name for people, so that `inv check.list --why` can say what has changed.
"""

from __future__ import annotations

import os

from pipeline.checks.repository import which

TYPE_CHECKING = False  # the commit hook starts here: see repository.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.checks.check import Check

_PREFIXES = (
    *("MIX_", "ELIXIR_", "ERL_", "HEX_", "REBAR_", "NODE_", "NPM_CONFIG_", "npm_config_"),
    *("ASDF_", "MISE_", "DATABASE_", "CLICKHOUSE_", "REDIS_", "PG"),
)
_NAMES = frozenset({"LANG", "LC_ALL", "LC_CTYPE", "TZ", "CI"})
"""Variables that matter to mix, npm and their tools, beside those the application's config names.

Not all variables: a hook's environment differs from a shell's in dozens that matter to nobody.
"""

_VERSION_FILES = (".tool-versions", ".mise.toml", "mise.toml", ".nvmrc", ".node-version")


def shared(app: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return name → value of what the verdicts of all checks hang on, beside their inputs."""
    return {
        "this runner": _stamps(_below(os.path.dirname(os.path.abspath(__file__)), ".")),
        **_tools(environ.get("PATH")),
        **_variables(app, environ),
        **_versions(app),
        # Phoenix applications have npm packages in deps/ too (file:../deps/phoenix).
        **_mix_packages(app, environ),
    }


def own(check: Check, app: Path) -> dict[str, str]:
    """Return name → value of what only the verdict of `check` hangs on, beside its inputs."""
    found = {"the command": check.command}
    if check.rules:
        found["[tool.qusto]"] = check.rules
    if check.package:
        found[f"{check.package}/node_modules"] = installed(str(app), check.package)
    return found


def installed(app: str, package: str) -> str:
    """Return a fingerprint of what npm has installed for the package."""
    return stamp(os.path.join(app, package, "node_modules/.package-lock.json"))


def outside(check: Check, app: Path) -> str:
    """Return why the inputs of `check` are not all in the application, if so, in half a line."""
    if check.package:
        return ""
    import re

    found = re.search(r'path:\s*"(\.\./[^"]*)"', (app / "mix.exs").read_text("utf-8", "replace"))
    return f"mix.exs takes a package from outside of the application: {found[1]}" if found else ""


def left_behind(check: Check, app: Path) -> str:
    """Return a fingerprint of what the check has made; it changes when that is changed or gone.

    Of a mix build only the compilers' manifests are looked at: every compilation renews one.
    """
    stamps: list[str] = []
    for name in check.writes:
        place = app / name
        manifests = "lib/*/.mix/compile.*" if name.startswith("_build/") else "**/*"
        stamps += (f"{p.relative_to(place)} {stamp(str(p))}" for p in place.glob(manifests))
    return "\n".join(sorted(stamps))


def _tools(path: str | None) -> dict[str, str]:
    found = {}
    for name in ("mix", "elixir", "erl", "node", "npm"):
        place = which(name, path)
        real = os.path.realpath(place) if place else ""
        found[f"the program {name}"] = f"{place} {real} {stamp(real)}" if real else "absent"
    return found


def _variables(app: str, environ: Mapping[str, str]) -> dict[str, str]:
    named = _named_in_config(app)
    return {
        f"the variable {key}": value
        for key, value in environ.items()
        # MIX_ENV is the row's own.
        if key != "MIX_ENV" and (key.startswith(_PREFIXES) or key in _NAMES or key in named)
    }


def _named_in_config(app: str) -> frozenset[str]:
    """Return whatever looks like the name of a variable in the application's configuration.

    That is what stands between two double quotes, whichever they are; too much does no harm.
    """
    config = [path for path in _below(f"{app}/config", ".exs") if path.endswith(".exs")]
    names: set[str] = set()
    for path in (f"{app}/mix.exs", *config):
        try:
            with open(path, "rb") as file:
                words = file.read().split(b'"')
        except OSError:
            continue
        names.update(word.decode() for word in words if word.isascii() and word.isupper())
    return frozenset(names)


def _versions(app: str) -> dict[str, str]:
    """Return the files by which version managers choose a tool behind an unchanged shim."""
    home = os.path.expanduser("~")
    places = [*_above(app), home, f"{home}/.config/mise"]
    paths = (os.path.join(place, name) for place in places for name in _VERSION_FILES)
    stamps = {path: stamp(path) for path in paths}
    stamps |= {name: _text(os.path.join(app, name)) for name in _VERSION_FILES}
    return {name: stamp for name, stamp in stamps.items() if stamp}


def _above(directory: str) -> list[str]:
    found = []
    while (parent := os.path.dirname(directory)) != directory:
        found.append(parent)
        directory = parent
    return found


def _mix_packages(app: str, environ: Mapping[str, str]) -> dict[str, str]:
    deps = os.path.join(app, environ.get("MIX_DEPS_PATH", "deps"))
    home = environ.get("MIX_HOME") or os.path.expanduser("~/.mix")
    archives = environ.get("MIX_ARCHIVES") or f"{home}/archives"
    fetched = _below(deps)
    elixirs = [path for version in _below(f"{home}/elixir") for path in _below(version)]
    return {
        # Compiling may leave files in a package; .hex is only written when it is fetched.
        "deps/": "\n".join(fetched) + _stamps(f"{path}/.hex" for path in fetched),
        "mix archives": _stamps([*_below(archives), *elixirs]),
    }


def _below(directory: str, part: str = "") -> list[str]:
    """Return the sorted paths in `directory` whose names hold `part`, but no hidden ones."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(f"{directory}/{n}" for n in names if part in n and not n.startswith("."))


def _stamps(paths: Iterable[str]) -> str:
    return "\n".join(f"{path} {stamp(path)}" for path in paths)


def stamp(path: str) -> str:
    """Return size and time of change; nothing for what is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    size = "" if found.st_mode & 0o170000 == 0o040000 else f"{found.st_size} "
    return f"{size}{found.st_mtime_ns}"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
