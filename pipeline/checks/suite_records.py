"""What is on record about the test suite: seconds by file, and what failed last; by MIX_ENV.

One file per application in the git directory of its work tree, beside the times of the rows
(durations.py). Times can leave and enter as a JSON file, so that the jobs of one CI run share them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline.checks import whole, worktree
from pipeline.checks.suite_evidence import Evidence, Failure
from pipeline.errors import UsageProblem

_Seconds = Annotated[float, msgspec.Meta(ge=0)]


class Suite(msgspec.Struct, frozen=True):
    """The suite under one MIX_ENV: what its files took, and what failed when each ran last."""

    seconds: dict[str, _Seconds] = {}
    failures: tuple[Failure, ...] = ()


class Times(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The JSON file that jobs share: MIX_ENV → test file → seconds."""

    seconds: dict[str, dict[str, _Seconds]]
    version: Literal[1] = 1


@dataclass(frozen=True)
class Seen:
    """What one mix test is known to have done.

    Without evidence all its files count as failed, unless it was `green`.
    """

    files: Sequence[str]
    evidence: Evidence | None
    green: bool


def after(suite: Suite, seen: Iterable[Seen]) -> Suite:
    """Return the record after these runs.

    Failures of files that ran are replaced by theirs, the others stay. A file's time is the mean
    of this one and that on record, so one slow run does not turn the split over.
    """
    seconds = dict(suite.seconds)
    failures = dict.fromkeys(suite.failures)
    for run in seen:
        evidence = run.evidence
        ran = {*run.files, *evidence.loaded} if evidence else {*run.files}
        failures = {failure: None for failure in failures if failure.file not in ran}
        if evidence:
            failures |= dict.fromkeys(evidence.failures)
            # A module without tests has no file to Elixir 1.14.
            for file, took in evidence.seconds.items():
                if file not in evidence.loaded:
                    continue
                seconds[file] = round((seconds.get(file, took) + took) / 2, 4)
        if not run.green and not (evidence and evidence.failures):
            failures |= {Failure(file): None for file in run.files}
    ordered = sorted(failures, key=lambda failure: (failure.file, failure.line, failure.name))
    return Suite(seconds, tuple(ordered))


def load(app: Path) -> dict[str, Suite] | None:
    """Return what is on record by MIX_ENV; None if no run is, or it cannot be read."""
    path = _path(app)
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Suite])
    except (OSError, ValueError):  # DecodeError is one
        return None


def seconds(app: Path) -> dict[str, dict[str, float]]:
    """Return MIX_ENV → test file → seconds on record; nothing where nothing is."""
    return {env: suite.seconds for env, suite in (load(app) or {}).items()}


def save(app: Path, suites: Mapping[str, Suite]) -> None:
    """Put these suites on record beside those of other MIX_ENVs; nothing outside of a work tree.

    Raises OSError.
    """
    path = _path(app)
    if path is None:
        return
    whole.write(path, msgspec.json.encode({**(load(app) or {}), **suites}))


def read_times(path: Path) -> Times:
    """Return the times in a file. Raises UsageProblem, also if it is not there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Times)
    except OSError as error:
        raise UsageProblem(f"times {path}: {error.strerror}") from None
    except ValueError as error:
        raise UsageProblem(f"times {path}: {error}", remedy="inv test.times writes one") from None


def times(suites: Mapping[str, Suite]) -> Times:
    """Return the seconds of these suites, files by name."""
    return Times(
        {env: dict(sorted(suite.seconds.items())) for env, suite in sorted(suites.items())}
    )


def as_json(times: Times) -> bytes:
    """Return the text of a times file, one file a line."""
    return msgspec.json.format(msgspec.json.encode(times), indent=2) + b"\n"


def _path(app: Path) -> Path | None:
    place = worktree.records(app)
    return place and place.parent.parent / "suites" / f"{place.name}.json"
