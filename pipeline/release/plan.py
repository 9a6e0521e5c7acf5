"""`fab deploy --plan`: what a deploy would do, by real reads; nothing is written on any host."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import PurePosixPath
from statistics import median

from pipeline.release import cleanup, deploy, preflight, unlock
from pipeline.release import fleet as fleets
from pipeline.release import survey as surveys
from pipeline.release import upload as uploads
from pipeline.release.artifact import Artifact
from pipeline.release.preflight import Finding
from pipeline.release.survey import Entry, Survey
from pipeline.release.upload import Cargo
from pipeline.remote.inventory import Environment, Target


@dataclass(frozen=True)
class Changed:
    """What a host lacks of a release of so many `directories`: files, and their bytes.

    The rest becomes hard links, so the disk takes only these, and an inode for each directory.
    """

    files: int
    size: int
    directories: int


@dataclass(frozen=True)
class HostPlan:
    """One host. `changed_bytes` is the size of what it lacks: at most so much is sent.

    `disk_after` is in bytes; `removed` is what the clean-up would take; `downtime` is the median of
    the deploys that were kept here, in seconds, None without any. What is not known is None.
    """

    host: str
    before: str
    locked_by: str
    changed_files: int
    changed_bytes: int
    disk_after: int
    inodes_after: int | None
    removed: list[str]
    downtime: float | None


@dataclass(frozen=True)
class Plan:
    """What a deploy would do; it would be refused if a finding is bad or a host is locked."""

    environment: str
    release: str
    version: str
    commit: str
    steps: list[str]
    migrations: str
    hosts: list[HostPlan]
    findings: list[Finding]


def plan(target: Target, artifact: Artifact, *, skip_migrations: bool) -> Plan:
    """Look at every host as a deploy of `artifact` would; raise a Problem where one cannot be."""
    with closing(Cargo(artifact)) as cargo, fleets.connected(target) as fleet:
        found = fleets.survey(fleet, contents=True)
        name = deploy.new_name(found)
        parents = {parent for name in cargo.entries for parent in PurePosixPath(name).parents}
        changes = [_changed(cargo, seen, len(parents)) for seen in found]
        holders = fleets.each(lambda member: unlock.ask(fleet, member).by, fleet.members)
        hosts = [
            host_plan(
                str(member),
                seen,
                fleet.environment.keep,
                name,
                changed,
                holder,
                preflight.backup_size(seen, artifact.manifest, fleet.environment),
            )
            for member, seen, changed, holder in zip(
                fleet.members, found, changes, holders, strict=True
            )
        ]
        findings = deploy.examine(fleet, found, artifact.manifest)
    return Plan(
        environment=target.environment.name,
        release=name,
        version=artifact.manifest.version,
        commit=artifact.manifest.commit,
        migrations="known after the upload, from the release itself",
        steps=steps(target.environment, skip_migrations=skip_migrations),
        hosts=hosts,
        findings=findings,
    )


def steps(environment: Environment, *, skip_migrations: bool) -> list[str]:
    """Return what would be done, in order."""
    migrating = [] if skip_migrations else ["migrate (first host, if any is pending)"]
    dumping = ["dump the database (likewise)"] if migrating and environment.backup_database else []
    before, after = (migrating, []) if environment.migrate == "before-stop" else ([], migrating)
    activation = [*dumping, *before, "stop", *after, "link", "start", "health"]
    return ["lock", "preflight", "back up", "upload", "verify", "prove", *activation, "clean up"]


def host_plan(
    host: str,
    seen: Survey,
    keep: int,
    name: str,
    changed: Changed,
    locked_by: str,
    backup: tuple[int, int] = (0, 0),
) -> HostPlan:
    """Return the plan of one host from what was seen on it.

    `backup` is the bytes and files of the copy of what serves there.
    """
    size, files = backup if seen.backups_disk is None else (0, 0)
    # A file system may count none (btrfs); what has not changed is hard links.
    inodes = None
    if seen.inodes:
        inodes = seen.inodes - changed.files - changed.directories - files
    return HostPlan(
        host=host,
        before=seen.current,
        locked_by=locked_by,
        changed_files=changed.files,
        changed_bytes=changed.size,
        disk_after=seen.disk * 1024 - changed.size - size,
        inodes_after=inodes,
        removed=cleanup.doomed(seen, keep, name).paths,
        downtime=usual_downtime(seen.history),
    )


def usual_downtime(history: Sequence[Entry]) -> float | None:
    """Return the median downtime of the deploys that were kept, in seconds; None without any."""
    kept = [
        entry.downtime
        for entry in surveys.ended(history)
        if entry.kind == "deploy" and entry.outcome == "kept" and entry.downtime
    ]
    return median(kept) if kept else None


def require(plan: Plan) -> None:
    """Raise what the deploy itself would be refused with."""
    preflight.require(plan.findings)
    for host in plan.hosts:
        if host.locked_by:
            raise fleets.taken(host.host, plan.environment, host.locked_by)


def _changed(cargo: Cargo, seen: Survey, directories: int) -> Changed:
    lacking = uploads.difference(cargo, seen)
    if lacking is None:
        manifest = cargo.artifact.manifest
        return Changed(manifest.files, manifest.bytes, directories)
    return Changed(len(lacking.names), lacking.size, directories)
