"""An operator's day: the service's health, its journal, a restart that is checked."""

import shlex
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import msgspec
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pipeline.errors import Problem, Unreachable, UsageProblem
from pipeline.release import activation as activations
from pipeline.release import diagnosis, health
from pipeline.release import fleet as fleets
from pipeline.release.deploy import put_right
from pipeline.release.fleet import Fleet, Member
from pipeline.release.health import Decision, Expected, Look
from pipeline.release.steps import Steps
from pipeline.remote import execute
from pipeline.remote.inventory import Target

_POLL = 0.2


@dataclass(frozen=True)
class Health:
    """One host's service at this moment."""

    host: str
    healthy: bool
    answer: str
    version: str
    restarts: int


class _NotYet(Exception):
    """The service has not passed yet, and has not failed."""


def look(target: Target) -> list[Health]:
    """Return how each host's service is now; changes nothing."""
    with fleets.connected(target) as fleet:
        url = fleet.environment.health.url
        return fleets.each(
            lambda member: _health(member, *_look(fleet, member), url), fleet.members
        )


def logs(target: Target, lines: int) -> list[tuple[str, str]]:
    """Return the newest `lines` of the service's journal on each host, as (host, text).

    Where there are none the text says why.
    """
    with fleets.connected(target) as fleet:
        name = f"{fleet.layout.service}.service"
        unit = shlex.quote(name)
        script = (
            f"journalctl --no-pager -q -o short-iso -n {lines} -u {unit} || exit\n"
            f"systemctl show -p LoadState -p ExecMainStartTimestampMonotonic {unit} >&2 || :"
        )

        def one(member: Member) -> tuple[str, str]:
            ended = execute.sh(member.connection, script, timeout=60)
            if ended.code:
                raise Unreachable(f"{member}: its journal cannot be read", detail=ended.err)
            return str(member), ended.out or _no_lines(name, ended.err)

        return fleets.each(one, fleet.members)


def _no_lines(unit: str, shown: str) -> str:
    """Return why a journal is empty, by what systemd has shown of the unit."""
    if "LoadState=not-found" in shown:
        return f"no log lines: {unit} is not set up here\n"
    if "ExecMainStartTimestampMonotonic=0" in shown:
        return f"no log lines yet: {unit} has not run since this host has booted\n"
    return f"no log lines: the journal of this host holds none of {unit} any more\n"


def restart(target: Target, *, lock_wait: float = 0, say: Steps) -> None:
    """Restart the service on every host, one after the other, each checked before the next.

    Raises Problem, with the journal, when a host does not become healthy; the hosts after it
    are then left alone.
    """
    with ExitStack() as stack:
        with say.step("lock"):
            fleet = stack.enter_context(fleets.connected(target))
            found = stack.enter_context(fleets.locked(fleet, "restart", wait=lock_wait))
            fleets.require_idle(fleet, found)
            for member, survey in zip(fleet.members, found, strict=True):
                if not survey.current and not survey.history:
                    raise UsageProblem(
                        f"{member}: nothing has been deployed there yet; no service was restarted"
                    )
            found = put_right(fleet, found)
        for member, survey in zip(fleet.members, found, strict=True):
            with say.step(f"restart {member}") as step:
                step.note = _restart(fleet, member, survey.versions.get(survey.current, {}))


def _restart(fleet: Fleet, member: Member, manifest: Mapping[str, Any]) -> str:
    before, _ = _look(fleet, member)
    script = activations.restart(fleet.layout, fleet.environment)
    ended = execute.sh(member.connection, script, timeout=120)
    told = dict(line.partition("\t")[::2] for line in ended.out.splitlines())
    if ended.code:
        first, _, rest = ended.err.strip().partition("\n")
        name = fleet.environment.name
        raise Problem(
            f"{member}: the restart failed: {first or f'exit {ended.code}'}",
            remedy=f"`fab -H {name} doctor` looks at what it needs, `fab -H {name} status` at the "
            "service",
            detail=rest,
        )
    if "held" in told:
        raise Problem(
            f"{member}: with the service stopped, somebody else holds the port of "
            f"{fleet.environment.health.url}: {told['held']}",
            remedy="stop that, and restart again; the service was started all the same",
        )
    expected = Expected(
        before=before.invocation,
        version=str(manifest.get("version", "")),
        commit=str(manifest.get("commit", "")),
        health=fleet.environment.health,
        front="front" in told,
    )
    looks: list[Look] = []
    decision = Decision("wait", "")
    try:
        for attempt in Retrying(
            stop=stop_after_delay(fleet.environment.health.deadline),
            wait=wait_fixed(_POLL),
            retry=retry_if_exception_type(_NotYet),
        ):
            with attempt:
                looks.append(_look(fleet, member, told.get("strangers", ""))[0])
                decision = health.judge(looks, expected)
                if decision.verdict == "wait":
                    raise _NotYet
    except RetryError:
        decision = Decision("fail", f"not healthy in time: {decision.reason}")
    if decision.verdict == "fail":
        said = diagnosis.said(fleet, member, "service", looks[-1].invocation)
        raise Problem(f"{member}: after the restart: {decision.reason}", detail=said)
    return "healthy"


def _look(fleet: Fleet, member: Member, strangers: str = "") -> tuple[Look, dict[str, Any]]:
    """Return how the service is, and the manifest of the release that `current` names."""
    script = activations.look(fleet.layout, fleet.environment, strangers)
    lines = execute.sh(member.connection, script, timeout=90).out.split("\n")
    try:
        found = health.look_in(lines)
    except ValueError:
        text = f"{member}: the service could not be looked at"
        raise Unreachable(text, detail="\n".join(lines)) from None
    try:
        manifest = msgspec.json.decode(lines[0].partition("\t")[2], type=dict[str, Any])
    except msgspec.DecodeError:
        manifest = {}
    return found, manifest


def _health(member: Member, found: Look, manifest: Mapping[str, Any], url: str) -> Health:
    answer = f"HTTP {found.code} {found.body}".rstrip() if found.code else "no answer"
    told = (found.version, str(manifest.get("version", "")))
    # A socket that is not the service's own may be a proxy's; then the version must prove it.
    proven = found.owner == "own" or (all(told) and told[0] == told[1])
    passes = found.code == health.HTTP_OK and found.curl == 0 and found.active == "active"
    if found.code and found.curl:
        answer += f", but {health.CURL.get(found.curl, f'curl ended with {found.curl}')}"
    if found.code == health.HTTP_OK and not proven:
        answer += f"; {url} is answered by {health.answered_by(found.owner)}"
    return Health(
        host=str(member),
        healthy=passes and proven,
        answer=f"{answer}; service {found.active} ({found.sub})",
        version=found.version,
        restarts=found.restarts,
    )
