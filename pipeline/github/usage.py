"""What the workflows of a repository use: minutes of jobs and room for caches."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import msgspec

from pipeline.github import runs
from pipeline.github.runs import Job, Run
from pipeline.github_api import GitHub

CACHE_LIMIT = 10 * 1024**3
"""Bytes of caches a repository has for nothing; beyond, GitHub throws the oldest away."""

_AT_ONCE = 8
"""Requests side by side; GitHub asks for few (rest/using-the-rest-api/best-practices)."""


@dataclass(frozen=True)
class Minutes:
    """What one workflow has used: runs, and minutes of jobs, each job rounded up as it is billed.

    GitHub counts a minute on Windows twice and one on macOS ten times; here all count once.
    """

    workflow: str
    runs: int
    failed: int
    minutes: int


class Cache(msgspec.Struct, frozen=True):
    """One cache."""

    key: str
    size_in_bytes: int
    last_accessed_at: datetime
    ref: str = ""


class _Caches(msgspec.Struct, frozen=True):
    actions_caches: list[Cache]


class CacheUse(msgspec.Struct, frozen=True):
    """All caches of the repository together."""

    active_caches_size_in_bytes: int
    active_caches_count: int


def minutes(github: GitHub, start: datetime) -> list[Minutes]:
    """Return what each workflow has used since `start`, most minutes first."""
    found = runs.since(github, start)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        jobs = list(pool.map(lambda run: runs.jobs(github, run.id), found))
    return _summed(found, jobs)


def caches(github: GitHub) -> tuple[CacheUse, list[Cache]]:
    """Return how much room all caches take, and the largest."""
    use = github.get("actions/cache/usage", CacheUse)
    largest = github.get(
        "actions/caches", _Caches, sort="size_in_bytes", direction="desc", per_page=10
    )
    return use, largest.actions_caches


def _summed(found: Sequence[Run], jobs: Sequence[Sequence[Job]]) -> list[Minutes]:
    totals: dict[str, list[int]] = {}
    for run, of_run in zip(found, jobs, strict=True):
        total = totals.setdefault(run.name or "(no name)", [0, 0, 0])
        total[0] += 1
        total[1] += run.conclusion in runs.BAD
        total[2] += sum(map(_billed, of_run))
    rows = [Minutes(name, *total) for name, total in totals.items()]
    return sorted(rows, key=lambda row: -row.minutes)


def _billed(job: Job) -> int:
    if not (job.started_at and job.completed_at) or job.conclusion == "skipped":
        return 0
    return ceil(max((job.completed_at - job.started_at).total_seconds(), 0) / 60)
