"""Whether a check can run here at all: its programs, packages and scripts."""

import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import TypeAlias

import msgspec

from pipeline import asking, npm
from pipeline.checks.check import Check
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, skipped, unknown


@dataclass(frozen=True)
class Missing:
    """Something this machine or application should have and has not; `remedy` is a command.

    Without a remedy it is the application that does not have this check. `program` is what is not
    on PATH.
    """

    reason: str
    remedy: str
    program: str = ""


@dataclass(frozen=True)
class NotApplicable:
    """The application has nothing that this check could look at."""

    reason: str


class _Package(msgspec.Struct, frozen=True, rename="camel"):
    """The part of a package.json that says whether a script can run."""

    scripts: dict[str, str] = {}
    dependencies: dict[str, str] = {}
    dev_dependencies: dict[str, str] = {}


Absence: TypeAlias = Missing | NotApplicable


def absence(check: Check, app: Path, environ: Mapping[str, str]) -> Absence | None:
    """Return why `check` cannot run on `app`, or None if it can."""
    program = check.argv[0]
    if check.package and not (app / check.package / "package.json").is_file():
        return NotApplicable(f"the application has no {check.package}/package.json")
    if shutil.which(program, path=environ.get("PATH")) is None:
        remedy = _INSTALL.get(program, f"install {program}")
        return Missing(f"{program} is not installed", remedy, program)
    if check.package:
        return npm_absence(app / check.package, script=check.argv[2])
    if check.hex_package:
        return _hex_absence(app, check, environ)
    if check.mix_env not in _COMMON and not _knows_mix_env(app, check.mix_env):
        return NotApplicable(f"the application has no MIX_ENV {check.mix_env}")
    return None


def judge(absent: Absence, *, strict: bool) -> Judgement:
    """Return skipped with the remedy; unknown for something missing where `strict` (CI)."""
    match absent:
        case NotApplicable(reason):
            return skipped(reason)
        case Missing(reason, remedy):
            text = f"{reason}: {remedy}" if remedy else reason
            return unknown(text) if strict else skipped(text)


def judge_in_hook(absent: Absence, environ: Mapping[str, str], *, strict: bool) -> Judgement:
    """Return unknown where staged files could not be checked; skipped if there is no such check."""
    match absent:
        case Missing(_, _, program) if program:
            return unknown(
                f"{program} is not on this PATH ({environ.get('PATH')}). Editors and git clients"
                f" often have another one than your shell: commit from a shell where {program}"
                " runs, or start the editor from there"
            )
        case Missing(reason, remedy) if remedy:
            return unknown(f"{reason}: {remedy}")
    return judge(absent, strict=strict)


_COMMON = frozenset({"", "dev", "test", "prod"})

_INSTALL = {
    "mix": "install Elixir, in the version of .tool-versions",
    "npm": "install Node.js, in the version of .tool-versions",
}


def _knows_mix_env(app: Path, mix_env: str) -> bool:
    named = f":{mix_env}" in _text(app / "mix.exs")
    return named or (app / "config" / f"{mix_env}.exs").is_file()


def _hex_absence(app: Path, check: Check, environ: Mapping[str, str]) -> Missing | None:
    name = check.hex_package
    if _has_archive(name, environ):
        return None
    deps = app / environ.get("MIX_DEPS_PATH", "deps")
    if not _is_written(name, app) and not _may_be_listed(name, app, deps):
        return _not_listed(name)
    if re.search(rf'"{name}":', _text(app / "mix.lock")) and not (deps / name).is_dir():
        return Missing(f"{name} is not fetched", "mix deps.get")
    return None


def _not_listed(name: str) -> Missing:
    return Missing(f"mix.exs does not list :{name}", "")


def _is_written(name: str, app: Path) -> bool:
    """Say whether mix.exs has the dependency as such; the tool itself then confirms it."""
    text = re.sub(r"(?m)^\s*#.*$", "", _text(app / "mix.exs"))
    return re.search(rf'\{{\s*:(?:{name}\b|"{name}")', text) is not None


def _may_be_listed(name: str, app: Path, deps: Path) -> bool:
    """Say whether there is any trace of it: a helper's argument, the lock file, its sources."""
    named = re.compile(rf"\b{name}\b")
    return any(named.search(_text(app / file)) for file in ("mix.exs", "mix.lock")) or (
        (deps / name).is_dir()
    )


def asking_mix(
    check: Check,
    app: Path,
    environ: Mapping[str, str],
    judge: Callable[[Absence], Judgement],
) -> Check:
    """Return the row; if only mix can say whether its package is listed, it is asked before."""
    name = check.hex_package
    if not name or _is_written(name, app) or _has_archive(name, environ):
        return check

    def listed(app: Path, environ: Mapping[str, str]) -> Judgement | None:
        known = _dependencies(app, {**environ, **check.extra_environment})
        if known is not None and name not in known:
            return judge(_not_listed(name))
        return check.preflight(app, environ)

    return replace(check, preflight=listed)


_LISTING = (
    "IO.puts(~s(DEPS)); "
    "for dep <- Mix.Project.config()[:deps] || [], do: IO.puts([~s(DEP ), to_string(elem(dep, 0))])"
)
_ONE_AT_A_TIME = Lock()


def _dependencies(app: Path, environ: Mapping[str, str]) -> frozenset[str] | None:
    """Return what mix has for dependencies, asked once; None if it does not say."""
    with _ONE_AT_A_TIME:
        return _told(app, (app / "mix.exs").stat().st_mtime_ns, tuple(sorted(environ.items())))


@lru_cache
def _told(app: Path, _changed: int, environ: tuple[tuple[str, str], ...]) -> frozenset[str] | None:
    said = asking.answer(dict(environ), *mix.EVAL, _LISTING, cwd=app)
    if not re.search(r"^DEPS$", said, re.MULTILINE):
        return None
    return frozenset(re.findall(r"^DEP (.+)$", said, re.MULTILINE))


def _has_archive(name: str, environ: Mapping[str, str]) -> bool:
    """Say whether the tool is there as a Mix archive (`mix archive.install hex sobelow`)."""
    home = Path(environ.get("MIX_HOME") or Path.home() / ".mix")
    places = [environ["MIX_ARCHIVES"]] if environ.get("MIX_ARCHIVES") else [home / "archives"]
    return any(
        re.fullmatch(rf"{name}(-[0-9].*)?", path.name.removesuffix(".ez"))
        for place in (*places, *home.glob("elixir/*/archives"))
        for path in Path(place).glob(f"{name}*")
    )


def npm_absence(package: Path, script: str = "") -> Missing | None:
    """Return why the script, if one is named, cannot run: it is not there, nor are the packages."""
    name = package.name
    try:
        described = msgspec.json.decode((package / "package.json").read_bytes(), type=_Package)
    except msgspec.DecodeError:
        return None  # npm says better what is wrong with it
    if script and script not in described.scripts:
        return Missing(f"{name}/package.json has no script {script}", "")
    wanted = described.dependencies or described.dev_dependencies
    if wanted and not (package / "node_modules").is_dir():
        return Missing(f"{name}/node_modules is missing", npm.installing(package))
    return None


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace") if path.is_file() else ""
