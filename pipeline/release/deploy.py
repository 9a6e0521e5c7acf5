"""What happens on deploy: the nine steps of CI_CD_SETUP.md, in one place."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from pipeline.errors import RollbackFailed, RolledBack
from pipeline.release import checkup, cleanup, ecto, gate, naming, preflight, proof, shell, ways
from pipeline.release import dump as dumps
from pipeline.release import fleet as fleets
from pipeline.release import summary as summaries
from pipeline.release import survey as surveys
from pipeline.release import upload as uploads
from pipeline.release.activation import Migrate
from pipeline.release.artifact import Artifact
from pipeline.release.fleet import Fleet, Member
from pipeline.release.manifest import Manifest
from pipeline.release.steps import Steps, amount, count, megabytes
from pipeline.release.summary import Summary
from pipeline.release.survey import Survey
from pipeline.release.upload import Cargo
from pipeline.remote.inventory import Target

_MISMATCH = 4
_BACKUP_SECONDS = 600
_PROVE_SECONDS = 3700
"""A little more than TimeoutStartSec of the units that prove it."""


def deploy(
    target: Target,
    artifact: Artifact,
    *,
    skip_migrations: bool = False,
    create_databases: bool = False,
    lock_wait: float = 0,
    overruled: Sequence[str] = (),
    watch: int = 0,
    say: Steps,
) -> Summary:
    """Bring `artifact` to serve on every host of `target`, or leave what serves there now.

    With `create_databases` the release's own createdb runs first, which leaves alone what is there.
    A taken lock is waited for, `lock_wait` seconds at most. `overruled` are the guards that were
    (guards.py), for the history. For `watch` seconds after it was kept, the servers may still roll
    back by themselves.

    Raises a Problem: nothing changed (2, 12, 13), or rolled back (10), or worse (11).
    """
    command = "deploy --skip-migrations" if skip_migrations else "deploy"
    with ExitStack() as stack:
        # Takes its time, and nothing waits for it before the upload.
        cargo = stack.enter_context(closing(Cargo(artifact)))
        with say.step("lock") as step:
            fleet = stack.enter_context(fleets.connected(target))
            taking = fleets.locked(fleet, command, wait=lock_wait, contents=True)
            found = stack.enter_context(taking)
            step.note = ", ".join(map(str, fleet.members))
        with say.step("preflight") as step:
            fleets.require_idle(fleet, found)
            found = put_right(fleet, found)
            preflight.require(examine(fleet, found, artifact.manifest))
            name = new_name(found)
            ahead = naming.ahead_note(name, max(survey.clock for survey in found))
            step.note = f"release {name}, version {artifact.manifest.label}{ahead}"
        tell_since(fleet, found, say)
        with say.step("backup") as step:
            step.note = back_up(fleet, found)
        with say.step("upload") as step:
            sent = uploads.upload(fleet, found, cargo, name)
            amounts = f"{amount(sent)} sent of {megabytes(artifact.manifest.bytes)}"
            step.note = "; ".join([amounts, *cargo.notes])
        with say.step("prove") as step:
            pending = prove(fleet, found, cargo, name, create_databases=create_databases)
            step.note = f"its own BEAM runs there; {count(len(pending), 'migration')} pending"
        wanted = [] if skip_migrations else pending
        dump = None
        if wanted and fleet.environment.backup_database:
            with say.step("database") as step:
                dump = dumps.take(fleet, name)
                step.note = f"dumped, {megabytes(dump.bytes)}" if dump else ""
        with say.step("activate") as step:
            migrate: Migrate = fleet.environment.migrate if wanted else "none"
            version, commit = artifact.manifest.version, artifact.manifest.commit
            digest = artifact.manifest.digest
            plans = gate.plan(
                found,
                "deploy",
                name,
                version,
                commit,
                migrate,
                digest=digest,
                pending=wanted,
                overruled=overruled,
                watch=watch,
            )
            kept = gate.activate(fleet, plans, then=cleanup.scripts(fleet, found, name))
            step.note = summaries.note(kept.served)
        with say.step("clean up") as step:
            step.note = cleanup.after_deploy(fleet, found, name, kept.watches)
    summary = summaries.summarize(fleet, plans, kept.served, say)
    return replace(summary, bytes_sent=sent, migrations=wanted, dump=dump)


def new_name(found: list[Survey]) -> str:
    """Return the name of the next release, by the servers' clocks and greater than any there."""
    names = frozenset[str]().union(*(survey.names for survey in found))
    used = frozenset[str]().union(*(survey.used for survey in found))
    return naming.following(max(survey.clock for survey in found), names, used)


def put_right(fleet: Fleet, found: list[Survey]) -> list[Survey]:
    """End a watch, and what an activation that vanished left open, on every host.

    Returns fresh surveys. Raises Locked where an activation is running.
    """
    if any(seen.activating and seen.phase == "kept" for seen in found):
        end = shell.render("end-watch", UNIT=fleet.layout.activation_unit)
        fleets.each(lambda member: fleets.change(fleet, member, end), fleet.members)
        found = fleets.survey(fleet)
        fleets.require_idle(fleet, found)
    if not any(surveys.left_open(survey) for survey in found):
        return found
    script = shell.render("recover", BASE=str(fleet.layout.base), SERVICE=fleet.layout.service)

    def one(member: Member, survey: Survey) -> None:
        if not surveys.left_open(survey):
            return
        ended = fleets.change(fleet, member, script, timeout=600)
        if ended.code:
            said = ended.err.strip().splitlines() or [f"exit {ended.code}"]
            raise RollbackFailed(
                f"{member}: an activation was left open in phase {survey.phase}, and putting it "
                f"right failed: {said[-1]}",
                remedy=f"look at once: `fab -H {fleet.environment.name} status`",
                detail="\n".join(said[:-1]),
            )

    fleets.each_surveyed(fleet, found, one)
    return fleets.survey(fleet)


def tell_since(fleet: Fleet, found: Sequence[Survey], say: Steps) -> None:
    """Say what became of the releases that were deployed last, where they did not just run on."""
    for member, survey in zip(fleet.members, found, strict=True):
        if became := surveys.since(survey):
            say.say(f"  {member}: {survey.current}, since it was deployed: {became}")


def examine(
    fleet: Fleet, found: list[Survey], manifest: Manifest | None
) -> list[preflight.Finding]:
    """Return what the surveys say about every host, for an artifact or for none."""
    now = time.time()
    return [
        finding
        for member, survey in zip(fleet.members, found, strict=True)
        for finding in preflight.examine(
            str(member), survey, fleet.environment, fleet.layout, manifest, now
        )
    ]


def doctor(target: Target, artifact: Artifact | None) -> list[preflight.Finding]:
    """Look at everything that a deploy to `target` needs; changes nothing."""
    with fleets.connected(target) as fleet:
        found = fleets.survey(fleet)
        rows = examine(fleet, found, artifact.manifest if artifact else None)
        return [*rows, *checkup.examine(fleet, found), *ways.examine(fleet, found)]


def back_up(fleet: Fleet, found: list[Survey]) -> str:
    """Back up what serves on every host, where that has not been done; return that, for people.

    Raises RolledBack, with the words of `cp`, when a host cannot; no half copy is left then.
    """

    def one(member: Member, survey: Survey) -> None:
        script = shell.render(
            "backup",
            BASE=str(fleet.layout.base),
            BACKUPS=str(fleet.layout.backups),
            FROM=survey.current,
            COPY=fleet.environment.backup_copy,
        )
        if not survey.current:
            return
        ended = fleets.change(fleet, member, script, timeout=_BACKUP_SECONDS)
        if ended.code:
            said = ended.err.splitlines() or ["no word of explanation"]
            raise RolledBack(
                f"{member}: {survey.current} could not be backed up: {said[0]}; nothing was "
                "stopped, and the half copy is removed",
                remedy=f"{fleet.layout.backups} must have room for a copy of what serves",
                detail=proof.shortened(said[1:]),
            )

    fleets.each_surveyed(fleet, found, one)
    return found[0].current or "nothing to back up"


def prove(
    fleet: Fleet,
    found: list[Survey],
    cargo: Cargo,
    name: str,
    *,
    create_databases: bool,
) -> list[str]:
    """Verify, put in place, prove that it can run; return the pending migrations.

    One round trip per host, and nothing of what serves is touched. Raises RolledBack (nothing
    was stopped) when the release does not match its manifest or cannot run on a host.
    """

    def one(member: Member, survey: Survey) -> list[str]:
        script = shell.render(
            "verify",
            "prepare",
            "start",
            "prove",
            BASE=str(fleet.layout.base),
            BACKUPS=str(fleet.layout.backups),
            TO=name,
            DIGEST=cargo.artifact.manifest.digest,
            SERVICE=fleet.layout.service,
            PENDING_OUTPUT=str(fleet.layout.output("pending")),
            CREATE=int(create_databases and member is fleet.members[0]),
            CREATE_OUTPUT=str(fleet.layout.output("createdb")),
        )
        ended = fleets.change(fleet, member, script, timeout=_PROVE_SECONDS)
        if ended.code == _MISMATCH and survey.contents and "verified" not in ended.out:
            # What serves has changed on its disk since it came, and links to it are part of this.
            uploads.whole(fleet, member, survey, cargo, name)
            ended = fleets.change(fleet, member, script, timeout=_PROVE_SECONDS)
        lines = ended.out.splitlines()
        serving = f"{survey.current} was not touched" if survey.current else "nothing was touched"
        said = ended.err.splitlines()
        if "verified" not in lines:
            how = "did not arrive as it was built"
            if ended.code != _MISMATCH:
                how = f"could not be put in place: {said[0] if said else 'no word why'}"
            raise RolledBack(f"{member}: {name} {how}; {serving}", detail=proof.shortened(said))
        proved = proof.parse(lines)
        if ended.code == 0:
            return ecto.pending([*proved.output])
        if proved.code == 0:  # every start went well: what is left is the disk, or the link
            words = next(iter(said), "") or next(iter(proved.words), "no word why")
            raise RolledBack(
                f"{member}: {name} could not be made ready: {words}; {serving}",
                detail=proof.shortened(said),
            )
        failed = proof.failure(
            proved, fleet.layout.service, str(fleet.layout.env_file), fleet.environment.name
        )
        raise RolledBack(
            f"{member}: {name} cannot run there: {failed.reason}; {serving}",
            remedy=failed.remedy,
            detail=failed.detail,
        )

    return fleets.each_surveyed(fleet, found, one)[0]
