"""Duties that GitHub answers: runs, protection, caches, versions of actions, who has access."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from pipeline.errors import Problem
from pipeline.github import rulesets, runs, secrets, usage, workflows
from pipeline.github.commands import wanted_of
from pipeline.github.secrets import Kind
from pipeline.github_api import GitHub
from pipeline.maintenance.rows import Duty, Found, Period, State, some

ADMINS = 3
"""More administrators than this are worth a question."""
KEY_DAYS = 90
"""Days after which an SSH key has to be another one."""
CACHE_SHARE = 0.9
"""Share of the free room from which on GitHub soon throws caches away."""

_OWNERS = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_PINNED = re.compile(r"uses:\s*(?P<action>[\w.-]+/[\w.-]+)\S*@\S+\s*#\s*(?P<version>v[\w.]+)")


class _Release(msgspec.Struct, frozen=True):
    tag_name: str


class _Owner(msgspec.Struct, frozen=True):
    line: int
    message: str


class _Owners(msgspec.Struct, frozen=True):
    errors: list[_Owner]


class _Login(msgspec.Struct, frozen=True):
    login: str


class _Organisation(msgspec.Struct, frozen=True):
    two_factor_requirement_enabled: bool | None = None


class _Key(msgspec.Struct, frozen=True):
    title: str
    created_at: datetime
    read_only: bool


def duties(app: Path, files: Sequence[Path], github: Callable[[], GitHub]) -> list[Duty]:
    """Return the duties; `github` raises Problem where GitHub cannot be asked at all.

    `app` is the repository's top, `files` its workflow files.
    """
    known = [workflows.read(path) for path in files]

    def duty(period: Period, what: str, command: str, look: Callable[[GitHub], Found]) -> Duty:
        return Duty(period, what, command, lambda: look(github()))

    weekly, monthly, quarterly = Period
    return [
        duty(weekly, "failed workflow runs", "inv github.runs --failed", _failed_runs),
        duty(
            monthly,
            "branch protection",
            "inv github.protect --check",
            lambda hub: _protection(hub, app, known),
        ),
        duty(monthly, "minutes of jobs, 30 days", "inv github.usage", _minutes),
        duty(monthly, "deploys, 30 days", "inv github.runs --workflow deploy.yml", _deploys),
        duty(
            monthly,
            "secrets of deploys",
            "inv github.secrets",
            lambda hub: _missing_secrets(hub, known),
        ),
        duty(
            quarterly,
            "versions of actions",
            "inv maintenance --period quarterly",
            lambda hub: _actions(hub, files),
        ),
        duty(quarterly, "caches", "inv github.usage", _caches),
        Duty(
            quarterly,
            "CODEOWNERS",
            _gh("codeowners/errors"),
            lambda: _owners(github, app),
        ),
        duty(quarterly, "administrators", _gh("collaborators?permission=admin"), _admins),
        duty(quarterly, "two-factor rule of the organisation", "gh api orgs/{owner}", _two_factor),
        duty(
            quarterly,
            "age of SSH keys of deploys",
            "fab -H staging keys.rotate --to=FILE",
            lambda hub: _ssh_keys(hub, known),
        ),
        duty(quarterly, "age of deploy keys", _gh("keys"), _deploy_keys),
    ]


def _gh(path: str) -> str:
    return f"gh api 'repos/{{owner}}/{{repo}}/{path}'"


def _failed_runs(github: GitHub) -> Found:
    found = runs.since(github, _ago(7))
    bad = [run for run in found if run.conclusion in runs.BAD]
    if not bad:
        return Found(State.OK, f"none of {len(found)} within 7 days")
    named = dict.fromkeys(f"{run.name} on {run.head_branch}" for run in bad)
    return Found(State.DUE, f"{len(bad)} of {len(found)} within 7 days: {some(list(named))}")


def _protection(github: GitHub, app: Path, known: Sequence[workflows.Workflow]) -> Found:
    both = wanted_of(app, known)
    compared = rulesets.compare(
        github,
        {name: wanted for name, (wanted, _) in both.items()},
        {name: required for name, (_, required) in both.items()},
    )
    told = [f"{one.name}: {line}" for one in compared for line in one.differences]
    if told:
        return Found(State.DUE, f"{len(told)} differences: {some(told[:1])}")
    required = sum(len(one.required) for one in compared)
    return Found(State.OK, f"{len(compared)} rulesets, {required} required checks as reported")


def _minutes(github: GitHub) -> Found:
    rows = usage.minutes(github, _ago(30))
    shown = ", ".join(f"{row.workflow} {row.minutes} min in {row.runs} runs" for row in rows)
    return Found(State.OK, shown or "no runs")


def _deploys(github: GitHub) -> Found:
    found = runs.since(github, _ago(30), workflow="deploy.yml")
    bad = [run for run in found if run.conclusion in runs.BAD]
    state = State.DUE if bad else State.OK
    return Found(state, f"{len(found)} runs, {len(bad)} failed; servers: `fab -H NAME history`")


def _missing_secrets(github: GitHub, known: Sequence[workflows.Workflow]) -> Found:
    found = secrets.compare(github, secrets.needed(known))
    missing = [one.needed.name for one in found if not one.where]
    if missing:
        return Found(State.DUE, f"not set: {some(missing)}")
    return Found(State.OK, f"all {len(found)} that the workflows need are set")


def _actions(github: GitHub, files: Sequence[Path]) -> Found:
    pinned: dict[str, str] = {}
    for path in files:
        for match in _PINNED.finditer(path.read_text("utf-8")):
            pinned[match["action"]] = match["version"]
    behind = []
    for action, version in pinned.items():
        newest = github.find(f"/repos/{action}/releases/latest", _Release)
        if newest and newest.tag_name != version:
            behind.append(f"{action} {version} → {newest.tag_name}")
    if behind:
        return Found(State.DUE, f"{len(behind)} of {len(pinned)}: {some(behind)}")
    return Found(State.OK, f"all {len(pinned)} are the latest")


def _caches(github: GitHub) -> Found:
    use, _ = usage.caches(github)
    share = use.active_caches_size_in_bytes / usage.CACHE_LIMIT
    state = State.DUE if share >= CACHE_SHARE else State.OK
    return Found(state, f"{use.active_caches_count} caches, {share:.0%} of the free room")


def _owners(github: Callable[[], GitHub], app: Path) -> Found:
    there = [name for name in _OWNERS if (app / name).is_file()]
    if not there:
        return Found(State.DUE, f"there is no {_OWNERS[0]}")
    found = github().find("codeowners/errors", _Owners)
    if found is None:
        return Found(State.DUE, f"{there[0]} is not on GitHub's default branch")
    if found.errors:
        first = found.errors[0]
        said = first.message.splitlines()[0]
        return Found(State.DUE, f"{len(found.errors)} mistakes, line {first.line}: {said}")
    return Found(State.OK, f"{there[0]} names owners that GitHub knows")


def _admins(github: GitHub) -> Found:
    found = github.pages("collaborators", list[_Login], lambda page: page, permission="admin")
    names = [one.login for one in found]
    state = State.DUE if len(names) > ADMINS else State.OK
    return Found(state, f"{len(names)}: {', '.join(names)}")


def _two_factor(github: GitHub) -> Found:
    owner = github.access.repository.split("/")[0]
    found = github.find(f"/orgs/{owner}", _Organisation)
    if found is None:
        raise Problem(f"{owner} is no organisation, or the token cannot see it")
    if found.two_factor_requirement_enabled is None:
        raise Problem("GitHub tells it to owners of the organisation only")
    if found.two_factor_requirement_enabled:
        return Found(State.OK, "all members need a second factor")
    return Found(State.DUE, "members need no second factor")


def _ssh_keys(github: GitHub, known: Sequence[workflows.Workflow]) -> Found:
    """Judge by the day on which the secret was set; GitHub shows no more of it."""
    wanted = [one for one in secrets.needed(known) if one.kind is Kind.SECRET]
    ages = {
        name: _days(at)
        for name, at in secrets.set_at(github, wanted).items()
        if name.endswith("_SSH_KEY")
    }
    return _aged(ages, "no SSH key is among the secrets")


def _deploy_keys(github: GitHub) -> Found:
    found = github.pages("keys", list[_Key], lambda page: page)
    ages = {
        f"{key.title}{'' if key.read_only else ' (may write)'}": _days(key.created_at)
        for key in found
    }
    return _aged(ages, "none")


def _aged(ages: dict[str, int], nothing: str) -> Found:
    shown = [f"{name} {days} days" for name, days in sorted(ages.items(), key=lambda one: -one[1])]
    old = any(days > KEY_DAYS for days in ages.values())
    return Found(State.DUE if old else State.OK, some(shown) or nothing)


def _ago(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


def _days(at: datetime) -> int:
    return (datetime.now(UTC) - at).days
