"""`fab doctor`: what a deploy needs of each host, tried where only a try can tell. No change."""

import hashlib
from collections.abc import Iterator

import msgspec

from pipeline.release import damage, units
from pipeline.release import facts as hostfacts
from pipeline.release import fleet as fleets
from pipeline.release.facts import Facts
from pipeline.release.fleet import Fleet, Member
from pipeline.release.layout import Layout
from pipeline.release.preflight import Finding, Found
from pipeline.release.survey import Survey
from pipeline.remote import execute
from pipeline.remote.inventory import Environment

_OK = 200


def examine(fleet: Fleet, found: list[Survey]) -> list[Finding]:
    """Return what was found on every host beyond the surveys; a host without setup is left out."""

    def one(member: Member, survey: Survey) -> list[Finding]:
        if not survey.ready or survey.service.get("LoadState") == "not-found":
            return []
        script = hostfacts.script(fleet.layout, fleet.environment, doctor=True)
        ended = execute.sh(member.connection, script, timeout=_seconds(fleet.environment))
        facts = hostfacts.parse(ended.out.splitlines())
        rows = [
            *findings(facts, fleet.layout, fleet.environment),
            *_damaged(damage.look(fleet, member, survey), fleet.environment),
        ]
        return [Finding(str(member), state, what, remedy) for state, what, remedy in rows]

    return [row for rows in fleets.each_surveyed(fleet, found, one) for row in rows]


def findings(facts: Facts, layout: Layout, environment: Environment) -> Iterator[Found]:
    """Yield what the facts of one host say."""
    name = environment.name
    yield from _sudo(facts, name)
    yield from _units(facts, name)
    yield from _files(facts, layout, environment)
    yield from _environment_file(facts, layout, name)
    for (directory,) in facts.found.get("unwritable", []):
        yield "bad", f"{directory} cannot be written", "is its file system read-only or full?"
    if conflict := hostfacts.port_conflict(facts, layout, environment):
        yield "bad", conflict, hostfacts.port_remedy(environment)
    yield from _probe(facts, environment)


def _sudo(facts: Facts, name: str) -> Iterator[Found]:
    remedy = f"run `fab -H {name} setup` again, and see what else sudoers holds for that user"
    ran = facts.found.get("ran", [])
    for line, said in [*facts.found.get("ran-not", []), *facts.found.get("refused", [])][:1]:
        yield "bad", f"sudo refuses `{line}`: {said or 'no such rule counts'}", remedy
        return
    if ran:
        yield "ok", f"sudo ran `{ran[0][0]}`, which had nothing to do", ""


def _units(facts: Facts, name: str) -> Iterator[Found]:
    for unit, load, stale in facts.found.get("unit", []):
        if load == "masked":
            yield "bad", f"{unit}.service is masked", f"as root: systemctl unmask {unit}.service"
        elif load == "not-found":
            remedy = f"run `fab -H {name} setup` again"
            yield "bad", f"{unit}.service is missing", remedy
        elif stale == "yes":
            text = f"{unit}.service has changed on disk, and systemd has not read it again"
            yield "note", text, "as root: systemctl daemon-reload"


def _files(facts: Facts, layout: Layout, environment: Environment) -> Iterator[Found]:
    """Compare the units on the host with those that setup would write."""
    remedy = f"`fab -H {environment.name} setup` writes it (--plan says what would change)"
    if facts.unit_user and facts.unit_user != environment.service_user:
        yield (
            "note",
            f"{layout.service} runs as {facts.unit_user}, not as {environment.service_user}",
            f"`fab -H {environment.name} setup --migrate-user` changes that; it restarts",
        )
        environment = msgspec.structs.replace(environment, service_user=facts.unit_user)
    differing = [
        file.path.name
        for file in units.host_files(layout, environment, facts.systemd)
        if (digest := facts.files.get(str(file.path)))
        and digest != hashlib.sha256(file.text.encode()).hexdigest()
    ]
    if differing:
        yield "note", f"{', '.join(differing)}: not what setup would write now", remedy
    else:
        yield "ok", "the units are those that setup writes", ""


def _environment_file(facts: Facts, layout: Layout, name: str) -> Iterator[Found]:
    path = layout.env_file
    state = next((row[0] for row in facts.found.get("env", [])), "unknown")
    remedy = f"`fab -H {name} setup --env-file=FILE` puts it there"
    if state == "missing":
        yield "bad", f"{path} is missing: no release can start", remedy
    elif state == "unknown":
        yield "note", f"whether {path} is there cannot be seen by the deploy user", ""
    elif state != "there":
        yield "bad", f"{path} {state}", remedy
    else:
        yield "ok", f"{path} is there", ""
    if facts.found.get("env-open"):
        mode = facts.found["env-open"][0][0]
        text = f"{path} has mode {mode}: the deploy user can read it"
        yield "note", text, f"as root: chmod 600 {path}"
    for (dropped,) in facts.found.get("dropped", []):
        text = f"systemd drops a line of {path}: {dropped.strip() or '(no name)'}"
        yield "bad", text, f"NAME=value, without export: `fab -H {name} env.set NAME`"


def _probe(facts: Facts, environment: Environment) -> Iterator[Found]:
    url = environment.health.url
    active = next((row[0] for row in facts.found.get("active", [])), "")
    for ended, said in facts.found.get("probe", []):
        if active == "active" and (ended, said) != ("0", str(_OK)):
            what = f"curl: {said}" if ended != "0" else f"HTTP {said}"
            remedy = f"`fab -H {environment.name} health` and `logs` tell more"
            yield "bad", f"{url} does not answer well, though the service runs: {what}", remedy
        elif active == "active":
            yield "ok", f"{url} answers {said}", ""


def _damaged(found: dict[str, list[str]], environment: Environment) -> Iterator[Found]:
    for directory, files in found.items():
        text = f"{directory} is damaged: {damage.named(files)}"
        yield "bad", text, f"deploy again; a rollback to it is refused ({environment.name})"


def _seconds(environment: Environment) -> float:
    return 60 + environment.health.timeout
