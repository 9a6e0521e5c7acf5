"""What beside its inputs can change the answer of a check: tools, packages, environment, runner.

Found without starting a program: a tool is known by the file it is, with size and time of change.
Each thing has a name for people, so that `inv check.list --why` can say what has changed.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the commit hook's glance does without the table and all it brings
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


def shared(app: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return name → value of what the verdicts of all checks hang on, beside their inputs."""
    return {
        "this runner": _stamps(Path(__file__).parent.glob("*.*")),
        **_tools(environ.get("PATH")),
        **_variables(app, environ),
        **_versions(app),
        # Phoenix applications have npm packages in deps/ too (file:../deps/phoenix).
        **_mix_packages(app, environ),
    }


def own(check: "Check", app: Path) -> dict[str, str]:
    """Return name → value of what only the verdict of `check` hangs on, beside its inputs."""
    found = {"the command": check.command}
    if check.rules:
        found["[tool.qusto]"] = check.rules
    if check.package:
        found[f"{check.package}/node_modules"] = installed(app, check.package)
    return found


def installed(app: Path, package: str) -> str:
    """Return a fingerprint of what npm has installed for the package."""
    return stamp(app / package / "node_modules/.package-lock.json")


def outside(check: "Check", app: Path) -> str:
    """Return why the inputs of `check` are not all in the application, if so, in half a line."""
    if check.package:
        return ""
    found = re.search(r'path:\s*"(\.\./[^"]*)"', (app / "mix.exs").read_text("utf-8", "replace"))
    return f"mix.exs takes a package from outside of the application: {found[1]}" if found else ""


def left_behind(check: "Check", app: Path) -> str:
    """Return a fingerprint of what the check has made; it changes when that is changed or gone.

    Of a mix build only the compilers' manifests are looked at: every compilation renews one.
    """
    stamps: list[str] = []
    for name in check.writes:
        place = app / name
        manifests = "lib/*/.mix/compile.*" if name.startswith("_build/") else "**/*"
        stamps += (f"{p.relative_to(place)} {stamp(p)}" for p in place.glob(manifests))
    return "\n".join(sorted(stamps))


def _tools(path: str | None) -> dict[str, str]:
    found = {}
    for name in ("mix", "elixir", "erl", "node", "npm"):
        place = _which(name, path or os.defpath)
        real = Path(place).resolve() if place else None
        found[f"the program {name}"] = f"{place} {real} {stamp(real)}" if real else "absent"
    return found


def _which(name: str, path: str) -> str:
    """Return what shutil.which would; importing that takes longer than asking git."""
    places = (os.path.join(directory, name) for directory in path.split(os.pathsep) if directory)  # noqa: PTH118
    return next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), "")  # noqa: PTH113


def _variables(app: Path, environ: Mapping[str, str]) -> dict[str, str]:
    named = _named_in_config(app)
    return {
        f"the variable {key}": value
        for key, value in environ.items()
        # MIX_ENV is the row's own.
        if key != "MIX_ENV" and (key.startswith(_PREFIXES) or key in _NAMES or key in named)
    }


def _named_in_config(app: Path) -> frozenset[str]:
    """Return whatever looks like the name of a variable in the application's configuration."""
    names: set[bytes] = set()
    for path in (app / "mix.exs", *(app / "config").glob("*.exs")):
        if path.is_file():
            names.update(re.findall(rb'"([A-Z][A-Z0-9_]+)"', path.read_bytes()))
    return frozenset(name.decode() for name in names)


def _versions(app: Path) -> dict[str, str]:
    """Return the files by which version managers choose a tool behind an unchanged shim."""
    places = [*app.parents, Path.home(), Path.home() / ".config/mise"]
    stamps = {str(p): stamp(p) for place in places for p in (place / n for n in _VERSION_FILES)}
    stamps |= {name: stamp(app / name, content=True) for name in _VERSION_FILES}
    return {name: stamp for name, stamp in stamps.items() if stamp}


def _mix_packages(app: Path, environ: Mapping[str, str]) -> dict[str, str]:
    deps = app / environ.get("MIX_DEPS_PATH", "deps")
    home = Path(environ.get("MIX_HOME") or Path.home() / ".mix")
    archives = Path(environ.get("MIX_ARCHIVES") or home / "archives")
    return {
        # Compiling may leave files in a package; .hex is only written when it is fetched.
        "deps/": "\n".join(sorted(p.name for p in deps.glob("*"))) + _stamps(deps.glob("*/.hex")),
        "mix archives": _stamps([*archives.glob("*"), *home.glob("elixir/*/*")]),
    }


def _stamps(paths: Iterable[Path]) -> str:
    return "\n".join(sorted(f"{path} {stamp(path)}" for path in paths))


def stamp(path: Path, *, content: bool = False) -> str:
    """Return size and time of change, or the text; nothing for what is not there."""
    try:
        if content:
            return path.read_text("utf-8", "replace")
        found = path.stat()
    except OSError:
        return ""
    size = "" if path.is_dir() else f"{found.st_size} "
    return f"{size}{found.st_mtime_ns}"
