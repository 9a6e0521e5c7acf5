"""`inv audit`: known vulnerabilities among the packages that this project installs.

pip-audit asks PyPI's advisory database about every pin of requirements/. It says "No known
vulnerabilities found" and exits 0 also when PyPI knew none of the packages (measured, 2.10, behind
an index that answers 404), so what it has skipped counts as not known here.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline import printable
from pipeline.errors import ExitCode, UsageProblem
from pipeline.formats import print_json
from pipeline.settings import PROJECT

_LONGEST = 600
_NAMED = 3


class _Advisory(msgspec.Struct, frozen=True):
    id: str
    fix_versions: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


class _Package(msgspec.Struct, frozen=True):
    name: str
    version: str = ""
    vulns: tuple[_Advisory, ...] = ()
    skip_reason: str = ""


class _Report(msgspec.Struct, frozen=True):
    dependencies: tuple[_Package, ...]


@dataclass(frozen=True)
class Audit:
    """One lock file: how many pins were judged, what is vulnerable, and what is not known."""

    lock: str
    judged: int
    vulnerable: tuple[str, ...] = ()
    unknown: str = ""


def run(locks: Sequence[Path], options: Sequence[str] = ()) -> list[Audit]:
    """Ask about every lock file; `options` go to pip-audit. UsageProblem where that is missing."""
    program = Path(sys.executable).with_name("pip-audit")
    if not program.exists():
        raise UsageProblem(f"pip-audit is not installed in {program.parent}", remedy="make setup")
    return [_ask(program, lock, options) for lock in locks]


def locks() -> list[Path]:
    """Return the lock files of this project."""
    return sorted((PROJECT / "requirements").glob("*.txt"))


def code(audits: Sequence[Audit]) -> ExitCode:
    """Return 1 if anything is vulnerable, else 3 if anything is not known, else 0."""
    if any(audit.vulnerable for audit in audits):
        return ExitCode.CHECK_FAILED
    if not audits or any(audit.unknown for audit in audits):
        return ExitCode.UNKNOWN
    return ExitCode.DONE


def described(audit: Audit) -> str:
    """Return what there is to say of one lock file, in lines for people."""
    head = "failed" if audit.vulnerable else "unknown" if audit.unknown else "passed"
    lines = [f"{head:<7}  {audit.lock}: {audit.judged} pins judged"]
    lines += [f"         {text}" for text in audit.vulnerable]
    if audit.unknown:
        lines.append(f"         {audit.unknown}")
    return "\n".join(lines)


def report(audits: Sequence[Audit], *, json: bool) -> ExitCode:
    """Print the audits on stdout; return the exit code."""
    if json:
        print_json(audits)
    else:
        sys.stdout.write("".join(f"{printable.line(described(audit))}\n" for audit in audits))
    return code(audits)


def judge(lock: str, exit_code: int, out: str, err: str) -> Audit:
    """Return the verdict in pip-audit's JSON, as 2.10 writes it."""
    try:
        report = msgspec.json.decode(out, type=_Report)
    except msgspec.DecodeError:
        said = err.strip().splitlines()
        reason = said[-1][:200] if said else f"exit {exit_code} without a word"
        return Audit(lock, 0, unknown=f"no answer that can be read: {reason}")
    skipped = [package for package in report.dependencies if package.skip_reason]
    judged = [package for package in report.dependencies if not package.skip_reason]
    vulnerable = tuple(_line(package, one) for package in judged for one in package.vulns)
    unknown = ""
    if skipped:
        names = ", ".join(package.name for package in skipped[:_NAMED])
        more = f" and {len(skipped) - _NAMED} more" if len(skipped) > _NAMED else ""
        unknown = f"{len(skipped)} not judged ({names}{more}): {skipped[0].skip_reason}"
    elif not judged:
        unknown = "it holds no package"
    elif exit_code and not vulnerable:
        unknown = f"pip-audit exited {exit_code} without naming anything"
    return Audit(lock, len(judged), vulnerable, unknown)


def _line(package: _Package, advisory: _Advisory) -> str:
    fixed = ", ".join(advisory.fix_versions) or "nothing yet"
    also = f" ({', '.join(advisory.aliases)})" if advisory.aliases else ""
    return f"{package.name} {package.version}: {advisory.id}{also}, fixed in {fixed}"


def _ask(program: Path, lock: Path, options: Sequence[str]) -> Audit:
    # The pins are hashed, so nothing is resolved, downloaded or run.
    words = [str(program), "--disable-pip", "--require-hashes", "--progress-spinner=off"]
    try:
        ended = subprocess.run(
            [*words, "--format=json", "-r", str(lock), *options],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Audit(lock.name, 0, unknown=f"no answer within {_LONGEST} s")
    return judge(lock.name, ended.returncode, ended.stdout, ended.stderr)
