"""`fab attach`: taking up a running activation whose client was cut off."""

import time
from contextlib import ExitStack

from pipeline.errors import UsageProblem
from pipeline.release import fleet as fleets
from pipeline.release import gate
from pipeline.release import summary as summaries
from pipeline.release.activation import Activation
from pipeline.release.fleet import Member
from pipeline.release.steps import Steps
from pipeline.release.summary import Summary
from pipeline.release.survey import Survey
from pipeline.remote.inventory import Target


def attach(target: Target, *, say: Steps) -> Summary:
    """Watch the activation that runs on every host of `target`, judge it, and see it end.

    Raises UsageProblem when none is running, and what a deploy raises for its end.
    """
    with ExitStack() as stack:
        with say.step("lock") as step:
            fleet = stack.enter_context(fleets.connected(target))
            found = stack.enter_context(fleets.locked(fleet, "attach"))
            step.note = ", ".join(map(str, fleet.members))
        pairs = list(zip(fleet.members, found, strict=True))
        idle = [str(member) for member, survey in pairs if not survey.activating]
        if idle:
            last = f"`fab -H {fleet.environment.name} history` tells how the last one ended"
            raise UsageProblem(
                f"no activation is running on {', '.join(idle)}",
                remedy=last if found[0].history else "nothing has been deployed there yet",
            )
        with say.step("activate") as step:
            running = [_running(member, survey) for member, survey in pairs]
            served = gate.take_up(fleet, running)
            step.note = summaries.note(served)
    return summaries.summarize(fleet, running, served, say)


def _running(member: Member, survey: Survey) -> Activation:
    """Return the activation that the host's journal is of."""
    journal = survey.journal
    if "id" not in journal or "to" not in journal:
        raise UsageProblem(f"{member}: the journal of the running activation cannot be read")
    manifest = survey.versions.get(journal["to"], {})
    until = journal.get("watching", "")
    return Activation(
        id=journal["id"],
        kind="rollback" if journal.get("kind") == "rollback" else "deploy",
        to=journal["to"],
        before=journal.get("from", ""),
        migrate="none",
        by=fleets.operator(),
        version=str(manifest.get("version", "")),
        commit=str(manifest.get("commit", "")),
        started="",
        watch=max(0, int(until) - int(time.time())) if until.isdigit() else 0,
    )
