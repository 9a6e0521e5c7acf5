"""`fab cancel`: ending a running activation, its migration included; what served before returns."""

import time
from dataclasses import replace

from pipeline.errors import Problem, RollbackFailed, UsageProblem
from pipeline.release import activation as activations
from pipeline.release import fleet as fleets
from pipeline.release import survey as surveys
from pipeline.release.fleet import Fleet, Member
from pipeline.release.steps import Steps
from pipeline.release.survey import Survey
from pipeline.remote import execute
from pipeline.remote.inventory import Target

_POLL = 1.0
_PATIENCE = 180
"""Seconds, beside health.deadline, in which an activation that was told to roll back has ended."""


def cancel(target: Target, *, say: Steps) -> None:
    """Tell the activations that run on the hosts of `target` to roll back; wait for their end.

    No lock is taken: the command that began them may be alive and hold it. Raises UsageProblem
    when none is running, RollbackFailed when what served before is not known to serve again.
    """
    with fleets.connected(target) as fleet:
        found = fleets.survey(fleet)
        running = [
            (member, seen)
            for member, seen in zip(fleet.members, found, strict=True)
            if seen.activating and seen.phase not in activations.TERMINAL
        ]
        if not running:
            raise UsageProblem(
                f"no activation is running on {', '.join(map(str, fleet.members))}",
                remedy="a release that serves already is left with `fab rollback`",
            )
        for member, seen in running:
            with say.step(f"cancel {member}") as step:
                step.note = _one(fleet, member, seen)


def _one(fleet: Fleet, member: Member, seen: Survey) -> str:
    identity = seen.journal.get("id", "")
    reason = f"cancelled by {fleets.operator()}"
    script = activations.verdict(fleet.layout, identity, keep=False, reason=reason, downtime=0)
    ended = execute.sh(member.connection, script, timeout=30)
    if ended.code:
        raise Problem(f"{member}: the activation could not be told to end", detail=ended.err)
    limit = time.monotonic() + _PATIENCE + fleet.environment.health.deadline
    while time.monotonic() < limit:
        survey = fleets.survey(replace(fleet, members=(member,)))[0]
        entry = next((e for e in surveys.ended(survey.history) if e.id == identity), None)
        outcome = entry.outcome if entry else ""
        if outcome == "rolled-back":
            return f"{survey.current or 'nothing, as before,'} serves again"
        if outcome == "kept":
            raise Problem(f"{member}: it came too late: {seen.journal.get('to')} had been kept")
        if outcome == "rollback-failed" or not survey.activating:
            break
        time.sleep(_POLL)
    raise RollbackFailed(
        f"{member}: cancelled, but what served before is not known to serve again",
        remedy=f"look at once: `fab -H {fleet.environment.name} status`",
    )
