"""What `inv github.runs`, `logs`, `deploy` and `usage` do: strings in, text out, an exit code."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pipeline import settings, tables, tomlfile
from pipeline.errors import ExitCode, Problem, UsageProblem
from pipeline.formats import print_json
from pipeline.github import dispatch, runs, usage
from pipeline.github.commands import (
    api,
    application,
    read_workflows,
    say,
)
from pipeline.github_api import GitHub, Unanswered

DEPLOY = "deploy.yml"
_SHOWN = "`inv github.runs` shows how it ends"
_LAST = 200
"""Lines of a failed step that are printed, its last."""


@dataclass(frozen=True)
class Which:
    """Which runs are asked for; an empty text asks for all."""

    limit: int
    branch: str
    workflow: str
    failed: bool


def list_runs(asked: Which, *, app: str, format: str) -> int:
    """Print the newest runs."""
    with api(application(app)) as github:
        found = runs.newest(
            github,
            asked.limit,
            branch=asked.branch,
            workflow=asked.workflow,
            failed=asked.failed,
        )
    if format == "json":
        print_json(found)
        return ExitCode.DONE
    now = datetime.now(UTC)
    tables.show(
        ("run", "workflow", "branch", "event", "state", "took", "age", "title"),
        [
            (
                *(run.id, run.name or "", run.head_branch or "", run.event, run.state),
                *(_span(run.seconds), _span((now - run.created_at).total_seconds())),
                run.display_title,
            )
            for run in found
        ],
        "no runs",
        whole=("run",),
    )
    return ExitCode.DONE


def show_logs(run: str, *, all_lines: bool, app: str) -> int:
    """Print what the failed steps of a run printed; without one, of the newest that failed."""
    if run and not run.isdecimal():
        raise UsageProblem(f"{run!r} is no run: a number is", remedy="`inv github.runs` lists them")
    with api(application(app)) as github:
        number = int(run) if run else _newest_failed(github)
        for found in runs.failures(github, number):
            say(f"--- {found.job} / {found.step}")
            shown = found.lines if all_lines else found.lines[-_LAST:]
            if len(shown) < len(found.lines):
                say(f"[{len(found.lines) - len(shown):,} lines before; --all-lines shows them]")
            for line in shown:
                say(line)
    return ExitCode.DONE


def _newest_failed(github: GitHub) -> int:
    found = runs.newest(github, 1, failed=True)
    if not found:
        raise Problem("no run has failed", remedy="`inv github.runs` lists the newest")
    run = found[0]
    say(f"run {run.id}: {run.name} on {run.head_branch}, {run.state}: {run.html_url}")
    return run.id


@dataclass(frozen=True)
class Dispatch:
    """A deploy as the workflow's form asks for it, and whether to wait for its end."""

    environment: str
    skip_migrations: bool
    ref: str
    follow: bool


def deploy(asked: Dispatch, *, app: str) -> int:
    """Start the deploy workflow and follow it; 1 if it did not succeed."""
    environment = asked.environment
    place = application(app)
    known = {Path(one.path).name: one for one in read_workflows(place)}
    if DEPLOY not in known:
        raise UsageProblem(f"there is no workflow {DEPLOY}")
    dispatch.require_choice(known[DEPLOY], environment)
    at = asked.ref or _branch(environment)
    inputs = {"environment": environment, "skip_migrations": str(asked.skip_migrations).lower()}
    with api(place) as github:
        run = dispatch.start(github, DEPLOY, at, inputs)
        say(f"started run {run}: {DEPLOY} at {at} to {environment}")
        if not asked.follow:
            say(f"{runs.one(github, run).html_url}")
            return ExitCode.DONE
        try:
            ended = dispatch.follow(github, run, say)
        except KeyboardInterrupt:
            raise Problem(f"no longer followed; run {run} goes on", remedy=_SHOWN) from None
        except Unanswered as problem:
            told = f"{problem.message}; run {run} goes on, no longer followed"
            raise Unanswered(told, remedy=_SHOWN) from None
    say(f"{environment}: {ended.state} after {_span(ended.seconds)}: {ended.html_url}")
    if ended.conclusion != "success":
        raise Problem(f"run {run} ended as {ended.state}", remedy=f"inv github.logs --run {run}")
    return ExitCode.DONE


def _branch(environment: str) -> str:
    """Return the branch that hosts.toml allows the environment."""
    path = settings.PROJECT / "hosts.toml"
    branch = tomlfile.read(path).get(environment, {}).get("branch") if path.is_file() else None
    if not branch:
        raise UsageProblem(
            f"which branch goes to {environment} is not known: hosts.toml has no `branch` for it",
            remedy="name it with --ref",
        )
    return str(branch)


def show_usage(days: int, *, app: str, format: str) -> int:
    """Print minutes by workflow and the room that caches take."""
    start = datetime.now(UTC) - timedelta(days=days)
    with api(application(app)) as github:
        minutes = usage.minutes(github, start)
        use, largest = usage.caches(github)
    if format == "json":
        print_json({"days": days, "workflows": minutes, "caches": use, "largest": largest})
        return ExitCode.DONE
    tables.show(
        ("workflow", "runs", "failed", "minutes"),
        [(row.workflow, row.runs, row.failed, row.minutes) for row in minutes],
        f"no runs within {days} days",
    )
    many, size = use.active_caches_count, use.active_caches_size_in_bytes
    limit = usage.CACHE_LIMIT
    say(f"{many} caches, {_gib(size)} of {_gib(limit)} ({100 * size / limit:.0f} %)")
    tables.show(
        ("largest cache", "size", "last used"),
        [(c.key, _gib(c.size_in_bytes), f"{c.last_accessed_at:%Y-%m-%d}") for c in largest],
        "no caches",
    )
    return ExitCode.DONE


def _gib(size: int) -> str:
    return f"{size / 1024**3:.2f} GiB"


def _span(seconds: float) -> str:
    """Return a length of time by its largest unit or two."""
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min {int(seconds % 60)} s" if minutes else f"{int(seconds)} s"
    hours = minutes // 60
    return f"{hours} h {minutes % 60} min" if hours < 48 else f"{hours // 24} d"
