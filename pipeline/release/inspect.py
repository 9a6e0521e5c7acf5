"""Looking at servers: what serves, what is there, what happened. Nothing here changes anything."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from pipeline.release import damage
from pipeline.release import fleet as fleets
from pipeline.release import survey as surveys
from pipeline.release.survey import Entry, Survey
from pipeline.remote.inventory import Target


@dataclass(frozen=True)
class Serving:
    """One host now."""

    host: str
    release: str
    version: str
    commit: str
    service: str
    since: str
    activation: str
    silent: str = ""
    """Why systemd did not answer, so that the service is unknown."""


@dataclass(frozen=True)
class Listed:
    """One release or backup that can be rolled back to."""

    name: str
    version: str
    commit: str
    state: str
    dump_bytes: int = 0
    """Size of the dump of the database from before its migrations; 0 without one."""


def status(target: Target) -> list[Serving]:
    """Return what each host serves at this moment."""
    with fleets.connected(target) as fleet:
        found = fleets.survey(fleet)
        return [
            _serving(str(member), survey)
            for member, survey in zip(fleet.members, found, strict=True)
        ]


def releases(target: Target) -> list[Listed]:
    """Return the releases of the first host, newest first, backups that are left included."""
    with fleets.connected(target) as fleet:
        survey = fleets.survey(fleet)[0]
        if not survey.names:
            surveys.require_ready(survey, str(fleet.members[0]), fleet.environment.name)
        damaged = damage.look(fleet, fleet.members[0], survey)
        layout = fleet.layout
    bad = {name for name in survey.releases if str(layout.releases / name) in damaged}
    lost = {name for name in survey.backups if str(layout.backups / f"release_{name}") in damaged}
    before = surveys.predecessor(survey)
    names = sorted(survey.names, reverse=True)
    return [_listed(name, survey, before, bad, lost) for name in names]


def history(target: Target, limit: int) -> list[Entry]:
    """Return what happened last on the first host, at most `limit` of it, oldest first."""
    with fleets.connected(target) as fleet:
        # Two records each: that it began, and how it ended.
        survey = fleets.survey(fleet, history=2 * limit)[0]
        if not survey.history:
            surveys.require_ready(survey, str(fleet.members[0]), fleet.environment.name)
    entries = surveys.ended(survey.history)[-limit:]
    became = surveys.since(survey)
    if became and entries and entries[-1].id == survey.journal.get("id"):
        reason = f"{entries[-1].reason}; since then: {became}"
        entries[-1] = msgspec.structs.replace(entries[-1], reason=reason)
    return entries


def _until(survey: Survey) -> str:
    """Return until when the host watches its release, by this machine's clock."""
    text = survey.journal.get("watching", "")
    if not text.isdigit():
        return ""
    return f" until {datetime.fromtimestamp(int(text)).astimezone():%H:%M:%S}"


def _serving(host: str, survey: Survey) -> Serving:
    manifest = survey.versions.get(survey.current, {})
    if survey.silent:
        activation = f"unknown ({survey.phase})" if survey.phase else "unknown"
    elif survey.activating:
        watched = survey.phase == "kept"
        activation = f"kept, watched{_until(survey)}" if watched else f"running ({survey.phase})"
    elif surveys.left_open(survey):
        activation = f"left open in phase {survey.phase}"
    else:
        activation = survey.phase or "none yet"
    if became := surveys.since(survey):
        activation += f"; since then: {became}"
    service = survey.service
    loaded = service.get("LoadState", "not-found")
    return Serving(
        host=host,
        release=survey.current or "none",
        version=str(manifest.get("version", "")),
        commit=str(manifest.get("commit", ""))[:9],
        service="unknown"
        if survey.silent
        else "not set up"
        if loaded == "not-found"
        else service.get("ActiveState", "?") + (f", {loaded}" if loaded != "loaded" else ""),
        since=service.get("ActiveEnterTimestamp", ""),
        activation=activation,
        silent=survey.silent,
    )


def require_known(rows: Iterable[Serving]) -> None:
    """Raise Unreachable for a host whose systemd did not answer."""
    for row in rows:
        surveys.require_answer(row.silent, row.host)


def _listed(name: str, survey: Survey, before: str, bad: set[str], lost: set[str]) -> Listed:
    manifest = survey.versions.get(name, {})
    states = [
        "serving" if name == survey.current else "",
        "previous" if name == before else "",
        "failed" if name in survey.failed else "",
        "backup" if name not in survey.releases else "",
        "damaged" if name in bad else "",
        "backup damaged" if name in lost else "",
    ]
    return Listed(
        name=name,
        version=str(manifest.get("version", "")),
        commit=str(manifest.get("commit", ""))[:9],
        state=", ".join(filter(None, states)),
        dump_bytes=survey.dumps.get(name, 0),
    )
