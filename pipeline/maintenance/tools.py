"""Duties that tools of this machine answer: Hex, npm, our own checks and lock files."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import audit as auditing
from pipeline import npm, process
from pipeline.ci import lint
from pipeline.errors import ExitCode, Problem
from pipeline.maintenance.rows import Duty, Found, Period, State, some
from pipeline.settings import PROJECT

PATIENCE = 300
"""Seconds that a tool may take."""

_NPM = ("assets", "tracker")
# `mix hex.outdated` prints a table; its last column is one of three sentences (hexpm/hex#1005).
_OUTDATED = re.compile(r"^(?P<name>\w+)\s.*?(?P<status>Up-to-date|Update (?:not )?possible)\s*$")
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def duties(app: Path, files: Sequence[Path], environ: Mapping[str, str]) -> list[Duty]:
    """Return the duties for the application, its workflow `files`, and this project."""
    packages = [name for name in _NPM if (app / name / "package.json").is_file()]
    hex_packages = [
        Duty(
            Period.WEEKLY,
            "security patches of Hex packages",
            "inv check.deps-audit --all",
            lambda: _deps_audit(app, environ),
        ),
        Duty(
            Period.WEEKLY,
            "outdated Hex packages",
            "mix hex.outdated",
            lambda: _hex_outdated(app, environ),
        ),
    ]
    return [
        *(hex_packages if (app / "mix.exs").is_file() else ()),
        *(
            Duty(
                Period.WEEKLY,
                f"security patches of npm packages ({name})",
                f"npm audit --prefix ./{name}",
                lambda name=name: _npm_audit(app, environ, name),  # type: ignore[misc]
            )
            for name in packages
        ),
        Duty(Period.WEEKLY, "security patches of this project", "inv audit", _own),
        *(
            Duty(
                Period.WEEKLY,
                f"outdated npm packages ({name})",
                f"npm outdated --prefix ./{name}",
                lambda name=name: _npm_outdated(app, environ, name),  # type: ignore[misc]
            )
            for name in packages
        ),
        Duty(
            Period.QUARTERLY,
            "security of the workflow files",
            "inv ci.lint",
            lambda: _workflows(files),
        ),
    ]


def _deps_audit(app: Path, environ: Mapping[str, str]) -> Found:
    """Ask our own check: mix deps.audit itself is green when it cannot reach its advisories."""
    inv = Path(sys.executable).with_name("inv")
    words = (str(inv), "-r", str(PROJECT), "check.deps-audit", "--all", "--format", "json")
    said = _run(app, environ, *words, "--app", str(app))
    try:
        (check,) = json.loads(said.stdout)["checks"]
    except (ValueError, KeyError):
        raise Problem(_last(said.stderr) or "inv check gave no report") from None
    if check["verdict"] == "passed":
        return Found(State.OK, "no advisory for a package of mix.lock")
    if check["verdict"] == "failed":
        many = len(check["findings"])
        return Found(State.DUE, f"{many} advisories" if many else "advisories; see the command")
    return Found(State.UNKNOWN, check["reason"])


def _npm_audit(app: Path, environ: Mapping[str, str], package: str) -> Found:
    found = _npm(app, environ, "audit", package)
    counts = (found.get("metadata") or {}).get("vulnerabilities")
    if not isinstance(counts, dict):
        raise Problem(_reason(found))
    bad = {kind: count for kind, count in counts.items() if count and kind != "total"}
    if not bad:
        return Found(State.OK, "no known vulnerability")
    return Found(State.DUE, ", ".join(f"{count} {kind}" for kind, count in bad.items()))


def _npm_outdated(app: Path, environ: Mapping[str, str], package: str) -> Found:
    """Compare what is installed; a package that only its range holds back counts too.

    Where nothing is installed npm lists every package, the latest ones as well.
    """
    found = _npm(app, environ, "outdated", package)
    if "error" in found:
        raise Problem(_reason(found))
    if found and not any("current" in _first(one) for one in found.values()):
        raise Problem(f"nothing is installed there: {npm.installing(app / package)}")
    if not found:
        return Found(State.OK, "all are the latest")
    shown = [f"{name} {_version(one)}" for name, one in found.items()]
    return Found(State.DUE, f"{len(found)}: {some(shown)}")


def _hex_outdated(app: Path, environ: Mapping[str, str]) -> Found:
    said = _run(app, {**environ, "MIX_ENV": "dev"}, "mix", "hex.outdated")
    rows = [_OUTDATED.match(_COLOURS.sub("", line)) for line in said.stdout.splitlines()]
    known = [(row["name"], row["status"]) for row in rows if row]
    if not known:
        raise Problem(_last(said.stderr or said.stdout) or "mix hex.outdated printed no package")
    behind = [name for name, status in known if status != "Up-to-date"]
    if not behind:
        return Found(State.OK, f"all {len(known)} are the latest")
    held = sum(status == "Update not possible" for _, status in known)
    rest = f"; {held} held back by a requirement" if held else ""
    return Found(State.DUE, f"{len(behind)} of {len(known)}: {some(behind)}{rest}")


def _own() -> Found:
    audits = auditing.run(auditing.locks())
    code = auditing.code(audits)
    if code == ExitCode.CHECK_FAILED:
        return Found(State.DUE, some([name for one in audits for name in one.vulnerable]))
    if code == ExitCode.UNKNOWN:
        return Found(State.UNKNOWN, next(one.unknown for one in audits if one.unknown))
    return Found(State.OK, f"{sum(one.judged for one in audits)} packages, no known vulnerability")


def _workflows(files: Sequence[Path]) -> Found:
    bad = [one.tool for one in lint.lint(files) if not one.clean]
    if bad:
        return Found(State.DUE, f"findings of {some(bad)}")
    return Found(State.OK, f"no findings in {len(files)} files")


def _npm(app: Path, environ: Mapping[str, str], verb: str, package: str) -> dict[str, Any]:
    """Return npm's JSON. Its exit code says nothing: 1 is a finding and a broken network alike."""
    said = _run(app, environ, "npm", verb, "--json", "--prefix", f"./{package}")
    try:
        found = json.loads(said.stdout)
    except ValueError:
        raise Problem(_last(said.stderr) or f"npm {verb} gave no report") from None
    return found if isinstance(found, dict) else {}


def _run(app: Path, environ: Mapping[str, str], *argv: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            argv,
            cwd=app,
            env=process.environment(environ, {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        raise Problem(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Problem(f"{argv[0]} took longer than {PATIENCE} s") from None


def _reason(found: Mapping[str, Any]) -> str:
    error = found.get("error")
    inner = error.get("summary") if isinstance(error, dict) else error
    return _last(str(found.get("message") or inner or "npm gave no report"))


def _first(one: Any) -> Mapping[str, Any]:
    """Return the entry of a package, the first where workspaces have several."""
    entry: Mapping[str, Any] = one[0] if isinstance(one, list) else one
    return entry


def _version(one: Any) -> str:
    first = _first(one)
    return f"{first.get('current', 'not installed')} → {first.get('latest')}"


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
