"""Why an activation was not kept, with the failing process's own words."""

from typing import Literal

from pipeline.errors import Problem, RollbackFailed, RolledBack, Unreachable
from pipeline.release import activation as activations
from pipeline.release import diagnosis
from pipeline.release.fleet import Fleet
from pipeline.release.summary import Served
from pipeline.release.watch import Watch


def of(fleet: Fleet, watches: list[Watch], outcomes: list[Served], reason: str) -> Problem:
    """Return the error of an activation that ended so; `reason` is the client's, if it had one."""
    lost = [served.host for served in outcomes if served.outcome not in ("rolled-back", "kept")]
    half = [served.host for served in outcomes if served.outcome == "kept"]
    what = "release" if watches[0].activation.kind == "deploy" else "target of the rollback"
    own = watches[0].activation
    why = reason or phase_reason(watches[0])
    detail = "\n\n".join(filter(None, [_diagnosis(watch) for watch in watches]))
    if watches[0].progress.error and lost:
        detail = f"{watches[0].progress.error}\n{detail}"
    if lost or half:
        return RollbackFailed(
            f"{own.to} does not serve ({why}), and neither is the release before it known to, "
            f"on {', '.join(lost or half)}",
            remedy=f"look at once: `fab -H {fleet.environment.name} status`",
            detail=detail,
        )
    before = own.before or "nothing, as before: this was the first release"
    return RolledBack(
        f"the {what} {own.to} was rolled back: {why}",
        remedy=f"{before} serves again" if own.before else f"serving: {before}",
        detail=detail,
    )


def phase_reason(watch: Watch) -> str:
    """Return what failed on the server, by the phase that it had reached."""
    names = [name for name, _ in watch.progress.phases if name not in activations.TERMINAL]
    reached = [name for name in names if name != "rolling-back"]
    last = reached[-1] if reached else "launch"
    return {
        "migrating": "the migration failed",
        "stopping": "the service did not stop",
        "linking": "the link could not be changed",
        "starting": "the service did not start",
    }.get(last, f"it failed in phase {last}")


def _diagnosis(watch: Watch) -> str:
    """Return what the failing process printed, for people."""
    progress = watch.progress
    migrating = phase_reason(watch) == "the migration failed"
    new = [look.invocation for look in progress.looks if look.invocation]
    what: Literal["migrate", "service"] = "migrate" if migrating else "service"
    try:
        said = diagnosis.said(watch.fleet, watch.member, what, new[0] if new else "")
    except Unreachable as error:
        return str(error)
    title = "the migration said" if migrating else "the new process said"
    return f"--- {watch.member}: {title}\n{said}" if said else ""
