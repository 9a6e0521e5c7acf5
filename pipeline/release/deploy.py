"""What happens on deploy: the nine steps of CI_CD_SETUP.md, in one place."""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace

from pipeline.errors import RollbackFailed, RolledBack
from pipeline.release import cleanup, ecto, gate, naming, preflight, shell, ways
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
from pipeline.remote import execute
from pipeline.remote.inventory import Target

_MISMATCH = 4


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
        with say.step("upload") as step:
            sent = uploads.upload(fleet, found, cargo, name)
            amounts = f"{amount(sent)} sent of {megabytes(artifact.manifest.bytes)}"
            step.note = "; ".join([amounts, *cargo.notes])
        with say.step("backup") as step:
            pending = prepare(fleet, found, cargo, name, create_databases=create_databases)
            step.note = f"{found[0].current or 'nothing to back up'}; {_pending_note(pending)}"
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
        findings = examine(fleet, found, artifact.manifest if artifact else None)
        return [*findings, *ways.examine(fleet, found)]


def prepare(
    fleet: Fleet,
    found: list[Survey],
    cargo: Cargo,
    name: str,
    *,
    create_databases: bool,
) -> list[str]:
    """Verify, put in place, back up, prove that it can run; return the pending migrations.

    One round trip per host, and nothing of what serves is touched. Raises RolledBack (nothing
    was stopped) when the release does not match its manifest or cannot run on a host.
    """

    def one(member: Member, survey: Survey) -> list[str]:
        script = shell.render(
            "prepare",
            "backup",
            "prove",
            BASE=str(fleet.layout.base),
            BACKUPS=str(fleet.layout.backups),
            TO=name,
            FROM=survey.current,
            DIGEST=cargo.artifact.manifest.digest,
            SERVICE=fleet.layout.service,
            PENDING_OUTPUT=str(fleet.layout.output("pending")),
            CREATE=int(create_databases and member is fleet.members[0]),
            CREATE_OUTPUT=str(fleet.layout.output("createdb")),
        )
        ended = execute.sh(member.connection, script, timeout=600)
        if ended.code == _MISMATCH and survey.contents:
            # What serves has changed on its disk since it came, and links to it are part of this.
            uploads.whole(fleet, member, survey, cargo, name)
            ended = execute.sh(member.connection, script, timeout=600)
        lines = ended.out.splitlines()
        said = [line[8:] for line in lines if line.startswith("pending\t")]
        serving = f"{survey.current} was not touched" if survey.current else "nothing was touched"
        if ended.code == _MISMATCH or "verified" not in lines:
            raise RolledBack(
                f"{member}: {name} did not arrive as it was built; {serving}", detail=ended.err
            )
        if ended.code:
            raise RolledBack(
                f"{member}: {name} cannot run there: its own BEAM, started once to list the "
                f"pending migrations, failed; {serving}",
                remedy="the environment file, or libraries that differ from the build machine's; "
                "or, on a first install, databases that are not there: --create-databases",
                detail="\n".join(said) or ended.err,
            )
        return ecto.pending(said)

    return fleets.each_surveyed(fleet, found, one)[0]


def _pending_note(pending: list[str]) -> str:
    return f"{count(len(pending), 'migration')} pending"
