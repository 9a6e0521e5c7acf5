"""What one CI job leaves of its partition, and what the gathering job makes of all of them."""

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

from pipeline.checks import coverage, whole
from pipeline.checks.suite_evidence import Evidence, Failure
from pipeline.checks.suite_part import Part
from pipeline.checks.tools.exunit import Tally
from pipeline.checks.verdicts import Judgement, Verdict
from pipeline.errors import UsageProblem
from pipeline.process import Exited, Result

_SKIPPED = frozenset({"_build", "deps", "node_modules", "cover", ".git", ".elixir_ls"})


class Kept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One partition in `DIR/ENV-NUMBER.json`; its coverage lies beside it, under this digest."""

    version: Literal[1] = 1
    env: str
    number: int
    count: int
    files: tuple[str, ...]
    verdict: Verdict
    reason: str
    ran: int
    excluded: int
    loaded: tuple[str, ...] | None
    seconds: dict[str, float]
    failures: tuple[Failure, ...]
    sources: str
    coverage: str = ""

    @property
    def part(self) -> Part:
        """The partition as its own job saw it, without its output."""
        evidence = None
        if self.loaded is not None:
            evidence = Evidence(frozenset(self.loaded), self.seconds, failures=self.failures)
        return Part(
            number=self.number,
            files=self.files,
            result=Result(Exited(0), "", 0.0, time.monotonic()),
            judgement=Judgement(self.verdict, self.reason),
            tally=Tally(self.ran, len(self.failures), self.excluded),
            evidence=evidence,
        )


def empty(number: int) -> Part:
    """Return a partition to which no file falls, for which nothing is started."""
    result = Result(Exited(0), "", 0.0, time.monotonic())
    return Part(number, (), result, Judgement(Verdict.PASSED, "no test files fall to it"), None)


def sources(app: Path) -> str:
    """Return a digest of the Elixir files: parts of one suite have tested the same."""
    digest = hashlib.sha256()
    for top, names, files in os.walk(app):
        names[:] = sorted(name for name in names if name not in _SKIPPED)
        for name in sorted(files):
            if name.endswith((".ex", ".exs")) or name == "mix.lock":
                path = Path(top) / name
                digest.update(os.fsencode(path.relative_to(app)) + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def write(directory: Path, app: Path, env: str, count: int, done: Sequence[Part]) -> None:
    """Leave each partition in `directory`, with its coverage if it exported some.

    Raises UsageProblem if the directory cannot be written to.
    """
    digest = sources(app)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for part in done:
            exported = coverage.directory(app) / f"{coverage.export_name(part.number)}.coverdata"
            copy = directory / f"{env}-{part.number}.coverdata"
            copy.unlink(missing_ok=True)
            covered = "--cover" in part.by_hand.split() and exported.is_file()
            if covered:
                shutil.copyfile(exported, copy)
            kept = _kept(part, env, count, digest, _digest(copy) if covered else "")
            whole.write(
                directory / f"{env}-{part.number}.json",
                msgspec.json.format(msgspec.json.encode(kept), indent=1),
            )
    except OSError as error:
        raise UsageProblem(f"--parts {directory}: {error.strerror}") from None


def read(directory: Path, env: str) -> list[Kept]:
    """Return what jobs left there for this MIX_ENV, by number. Raises UsageProblem."""
    found = []
    for path in sorted(directory.glob("*.json")):
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Kept)
        except (OSError, ValueError) as error:
            raise UsageProblem(f"{path} is no part of a suite: {error}") from None
        if kept.env == env:
            found.append(kept)
    return sorted(found, key=lambda kept: kept.number)


def hindrance(found: Sequence[Kept], digest: str) -> str:
    """Return why these are not the parts of one suite on these sources; nothing if they are."""
    if not found:
        return "no part of it is there"
    counts = {kept.count for kept in found}
    if len(counts) > 1:
        return f"parts of different splits: {', '.join(map(str, sorted(counts)))} partitions"
    numbers = [kept.number for kept in found]
    missing = sorted(set(range(1, counts.pop() + 1)) - set(numbers))
    if missing:
        return f"missing: partition {', '.join(map(str, missing))} of {found[0].count}"
    if len(set(numbers)) < len(numbers):
        return "the same partition twice"
    other = [str(kept.number) for kept in found if kept.sources != digest]
    return f"stale: partition {', '.join(other)} has tested other sources" if other else ""


def bring_coverage(found: Sequence[Kept], directory: Path, app: Path) -> str:
    """Put the parts' coverage where mix merges it, alone; returns what is missing or not theirs.

    Raises OSError.
    """
    lacking = [
        str(kept.number)
        for kept in found
        if kept.files and (not kept.coverage or _digest(_export(directory, kept)) != kept.coverage)
    ]
    if lacking:
        return f"no coverage of its own from partition {', '.join(lacking)}"
    target = coverage.directory(app)
    target.mkdir(parents=True, exist_ok=True)
    coverage.clean(target)
    for kept in found:
        if kept.files:
            name = f"{coverage.export_name(kept.number)}.coverdata"
            shutil.copyfile(_export(directory, kept), target / name)
    return ""


def _export(directory: Path, kept: Kept) -> Path:
    return directory / f"{kept.env}-{kept.number}.coverdata"


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _kept(part: Part, env: str, count: int, digest: str, covered: str) -> Kept:
    evidence = part.evidence
    return Kept(
        env=env,
        number=part.number,
        count=count,
        files=part.files,
        verdict=part.judgement.verdict,
        reason=part.judgement.reason,
        ran=part.tally.ran if part.tally else 0,
        excluded=part.tally.excluded if part.tally else 0,
        loaded=tuple(sorted(evidence.loaded)) if evidence else None,
        seconds=dict(evidence.seconds) if evidence else {},
        failures=evidence.failures if evidence else (),
        sources=digest,
        coverage=covered,
    )
