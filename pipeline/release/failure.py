"""Why an activation was not kept, with the failing process's own words."""

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import Problem, RollbackFailed, RolledBack, Unreachable
from pipeline.release import activation as activations
from pipeline.release import diagnosis, health
from pipeline.release.fleet import Fleet
from pipeline.release.summary import Served
from pipeline.release.watch import Watch
from pipeline.remote import execute


def of(fleet: Fleet, watches: list[Watch], outcomes: list[Served], reason: str) -> Problem:
    """Return the error of an activation that ended so; `reason` is the client's, if it had one."""
    what = "release" if watches[0].activation.kind == "deploy" else "target of the rollback"
    own = watches[0].activation
    why = reason or "; ".join(dict.fromkeys(server_reason(watch) for watch in watches))
    found = [
        (watch, served, _now(watch) if served.outcome not in ("rolled-back", "kept") else None)
        for watch, served in zip(watches, outcomes, strict=True)
    ]
    lost = [
        (watch, served)
        for watch, served, now in found
        if served.outcome != "rolled-back" and not (now and now.before_serves)
    ]
    said = [f"{watch.member}: {now.text}" for watch, _, now in found if now]
    errors = [str(watch.progress.error) for watch, _, now in found if now and watch.progress.error]
    detail = "\n\n".join(filter(None, [*said, *errors, *(_diagnosis(watch) for watch in watches)]))
    kept = [str(watch.member) for watch, served, _ in found if served.outcome == "kept"]
    if kept and len(kept) < len(watches):
        back = [served.host for _, served, _ in found if served.outcome != "kept"]
        return RollbackFailed(
            f"{own.to} was kept on {', '.join(kept)} but not on {', '.join(back)}: {why}",
            remedy=f"look at each: `fab -H {fleet.environment.name} status`",
            detail=detail,
        )
    if lost:
        hosts = ", ".join(served.host for _, served in lost)
        troubles = [text for watch, _ in lost if (text := watch.progress.notes.get("trouble"))]
        return RollbackFailed(
            f"rollback failed on {hosts}: {own.to} is not serving ({why}), and "
            f"{own.before or 'what was there before'} could not be confirmed either"
            + "".join(f" ({text})" for text in troubles),
            remedy=f"look at once: `fab -H {fleet.environment.name} status`",
            detail=detail,
        )
    if any("unproven" in watch.progress.notes for watch in watches):
        remedy = f"{own.before} was started again; it was not answering before this command either"
    elif own.before:
        remedy = f"{own.before} serves again"
    else:
        remedy = "serving: nothing, as before: this was the first release"
    return RolledBack(f"the {what} {own.to} was rolled back: {why}", remedy=remedy, detail=detail)


def server_reason(watch: Watch) -> str:
    """Return why the server rolled back, in its words; without them, how far it is known to be."""
    progress = watch.progress
    if progress.reason:
        return progress.reason
    names = [name for name, _ in progress.phases if name not in activations.TERMINAL]
    if progress.error is not None:
        return progress.error.message
    return f"it failed in phase {names[-1] if names else 'launch'}"


@dataclass(frozen=True)
class _Now:
    """What an extra look has found on a host whose activation told no end."""

    before_serves: bool
    text: str


def _now(watch: Watch) -> _Now:
    """Look at the host: an activation that could not write down its end may have done its work."""
    fleet, before = watch.fleet, watch.activation.before
    script = f"readlink {fleet.layout.current}; " + activations.look(
        fleet.layout, fleet.environment
    )
    try:
        said = execute.sh(watch.member.connection, script, timeout=60).out.split("\n")
        link, look = said[0], health.look_in(said)
    except (Unreachable, ValueError):
        return _Now(before_serves=False, text="it could not be looked at")
    current = link.removeprefix("releases/")
    answer = f"HTTP {look.code}" if look.code else "no answer"
    passes = health.passes(look) and look.active == "active"
    return _Now(
        before_serves=bool(before) and current == before and passes,
        text=f"`current` names {current or 'nothing'}, the service is {look.active}, {answer} "
        f"from {fleet.environment.health.url}",
    )


def _diagnosis(watch: Watch) -> str:
    """Return what the failing process printed, for people."""
    progress = watch.progress
    migrating = progress.reason.startswith("the migration")
    seen = [look.invocation for look in progress.looks if look.invocation]
    new = [*filter(None, [progress.notes.get("after")]), *seen]
    what: Literal["migrate", "service"] = "migrate" if migrating else "service"
    if not ("migrated" in progress.notes if migrating else new):
        return ""  # no process of the new release is known
    try:
        said = diagnosis.said(watch.fleet, watch.member, what, new[0] if new else "")
    except Unreachable as error:
        return str(error)
    title = "the migration said" if migrating else "the new process said"
    return f"--- {watch.member}: {title}\n{said}" if said else ""
