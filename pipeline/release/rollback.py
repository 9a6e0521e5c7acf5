"""Back to what was serving before, or to a named release: the same activation, in reverse."""

from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from pipeline.errors import Problem, UsageProblem
from pipeline.release import damage, gate, proof, shell
from pipeline.release import fleet as fleets
from pipeline.release import summary as summaries
from pipeline.release import survey as surveys
from pipeline.release.deploy import put_right, tell_since
from pipeline.release.fleet import Fleet, Member
from pipeline.release.steps import Steps
from pipeline.release.summary import Summary
from pipeline.release.survey import Survey
from pipeline.remote.inventory import Target


def schema_note(summary: Summary) -> str:
    """Return what became of the schema, for people."""
    if not summary.stay_applied:
        return "Only the code went back; no migration has run since that release, by the history."
    names = "".join(f"\n  {name}" for name in summary.stay_applied)
    kept = "".join(f"\n  {path}" for path in summary.dumps)
    dumped = f"\nThe database as it was before them, which nothing restores by itself:{kept}"
    return (
        "Only the code went back. These migrations stay applied, and the older code must be able "
        f"to live with them:{names}{dumped if kept else ''}"
    )


def rollback(
    target: Target, to: str, *, from_backup: bool = False, lock_wait: float = 0, say: Steps
) -> Summary:
    """Make `to` serve on every host; with an empty `to`, what served before the current release.

    The digest of every file of it is checked first; with `from_backup` its backup takes its place.
    Restarts the service and passes the health gate, as a deploy does. Raises UsageProblem when
    there is no such release on a host (nothing was touched), RolledBack when the target does not
    become healthy (what served before the command serves again).
    """
    with ExitStack() as stack:
        with say.step("lock") as step:
            fleet = stack.enter_context(fleets.connected(target))
            command = f"rollback --to={to}" if to else "rollback"
            found = stack.enter_context(fleets.locked(fleet, command, wait=lock_wait))
            step.note = ", ".join(map(str, fleet.members))
        with say.step("preflight") as step:
            fleets.require_idle(fleet, found)
            found = put_right(fleet, found)
            name = choose(fleet, found, to)
            verify(fleet, name, found, from_backup=from_backup)
            step.note = f"from {found[0].current or 'nothing'} to {name}, whose files are whole"
        tell_since(fleet, found, say)
        with say.step("restore") as step:
            restored, version, commit = restore(fleet, name, found, from_backup=from_backup)
            step.note = "from its backup" if restored else "still in place"
        with say.step("activate") as step:
            plans = gate.plan(found, "rollback", name, version, commit, "none")
            served = gate.activate(fleet, plans).served
            step.note = summaries.note(served)
    applied = surveys.left_applied(found[0].history, name)
    newer = [str(fleet.layout.dump(to)) for to in sorted(found[0].dumps) if to > name]
    summary = summaries.summarize(fleet, plans, served, say)
    return replace(summary, stay_applied=applied, dumps=newer if applied else [])


def choose(fleet: Fleet, found: list[Survey], to: str) -> str:
    """Return the release to go back to, present on every host; UsageProblem if there is none."""
    listing = f"`fab -H {fleet.environment.name} releases` lists what is there"
    name = to or surveys.predecessor(found[0])
    if not name:
        raise UsageProblem(f"{fleet.members[0]}: {_nothing_before(found[0])}; {listing}")
    for member, survey in zip(fleet.members, found, strict=True):
        if name not in survey.releases and name not in survey.backups:
            raise UsageProblem(
                f"{member}: there is no release {name}, neither in {fleet.layout.releases} nor "
                f"in {fleet.layout.backups}; nothing was touched",
                remedy=listing,
            )
    if all(survey.current == name for survey in found):
        raise UsageProblem(f"{name} is serving already", remedy=listing)
    return name


def _nothing_before(survey: Survey) -> str:
    """Return why there is no release to go back to without --to."""
    if not survey.names and not survey.history:
        return "nothing has been deployed there yet, so there is nothing to go back to"
    if not survey.current:
        return "no release is current, so none is known to be the one before; name one with --to"
    stack = surveys.serving_stack(survey.history)
    before = stack[: stack.index(survey.current)] if survey.current in stack else []
    if before:
        gone = f"{before[-1]} served before {survey.current} and cannot be gone back to: it "
        return gone + ("failed since" if before[-1] in survey.failed else "was removed")
    return f"the history knows no release that served before {survey.current}; name one with --to"


def verify(fleet: Fleet, name: str, found: list[Survey], *, from_backup: bool) -> None:
    """Refuse to go back to a release whose files are not as they were built. Changes nothing."""
    layout = fleet.layout

    def one(member: Member, survey: Survey) -> None:
        digest = surveys.digest_of(survey, name)
        release = (str(layout.releases / name), digest)
        backup = (str(layout.backups / f"release_{name}"), digest)
        used = backup if from_backup or name not in survey.releases else release
        if from_backup and name not in survey.backups:
            raise UsageProblem(
                f"{member}: there is no backup {backup[0]}; nothing was touched",
                remedy="leave --from-backup out",
            )
        differing = damage.check(member, [used]).get(used[0])
        if not differing:
            return
        others = f"`fab -H {fleet.environment.name} doctor` tells which releases are whole"
        whole = used is release and name in survey.backups and not damage.check(member, [backup])
        remedy = f"its backup is whole: rollback --to={name} --from-backup" if whole else others
        raise UsageProblem(
            f"{member}: {used[0]} is damaged ({damage.named(differing)}); nothing was touched",
            remedy=remedy,
        )

    fleets.each_surveyed(fleet, found, one)


def restore(
    fleet: Fleet, name: str, found: list[Survey], *, from_backup: bool
) -> tuple[bool, str, str]:
    """Bring the release back from its backup where needed; return that, version and commit."""
    script = shell.render(
        "restore", BASE=str(fleet.layout.base), BACKUPS=str(fleet.layout.backups), TO=name
    )

    def one(member: Member, survey: Survey) -> dict[str, Any] | None:
        """Return the manifest of what had to be restored."""
        if name in survey.releases and not from_backup:
            return None
        ended = fleets.change(fleet, member, script, timeout=300)
        if ended.code:
            said = ended.err.splitlines() or ["no word why"]
            raise Problem(
                f"{member}: {name} could not be restored: {said[0]}; nothing was stopped",
                detail=proof.shortened(said[1:]),
            )
        return surveys.parse(ended.out.splitlines()).versions.get(name, {})

    restored = [manifest for manifest in fleets.each_surveyed(fleet, found, one) if manifest]
    manifest = restored[0] if restored else found[0].versions.get(name, {})
    return bool(restored), str(manifest.get("version", "")), str(manifest.get("commit", ""))
