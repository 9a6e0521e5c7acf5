"""Removing releases and backups beyond `keep`: at the end of a deploy, and by `fab cleanup`."""

from contextlib import ExitStack
from dataclasses import dataclass

from pipeline.errors import Problem
from pipeline.release import fleet as fleets
from pipeline.release import retention, shell
from pipeline.release import survey as surveys
from pipeline.release.fleet import Fleet, Member
from pipeline.release.survey import Survey
from pipeline.release.watch import Watch
from pipeline.remote.inventory import Target

_PATIENCE = 300
"""Seconds that the removal of what is too old may take."""


@dataclass(frozen=True)
class Cleaned:
    """What was, or would be, removed on one host: `releases/NAME`, `backups/release_NAME`."""

    host: str
    removed: list[str]


@dataclass(frozen=True)
class Doomed:
    """What retention names on one host."""

    releases: list[str]
    backups: list[str]

    @property
    def paths(self) -> list[str]:
        """Both, as the clean-up script prints them."""
        backups = (f"backups/release_{name}" for name in self.backups)
        return [*(f"releases/{name}" for name in self.releases), *backups]


def doomed(survey: Survey, keep: int, name: str = "") -> Doomed:
    """Return what goes on a host; `name` is the release that has come since the survey."""
    before = survey.current if name else surveys.predecessor(survey)
    serving = name or survey.current
    protected = {*filter(None, (serving, before))}
    # What a deploy has just backed up was not there yet when the host was surveyed.
    backed_up = (survey.current,) if name and survey.current else ()
    return Doomed(
        retention.doomed(
            {*survey.releases, *filter(None, (name,))},
            keep=keep,
            protected=protected,
            failed=survey.failed,
        ),
        retention.doomed({*survey.backups, *backed_up}, keep=keep, protected=protected),
    )


def plan(target: Target) -> list[Cleaned]:
    """Return what `clean` would remove; changes nothing."""
    with fleets.connected(target) as fleet:
        keep = fleet.environment.keep
        found = fleets.survey(fleet)
        return fleets.each_surveyed(
            fleet, found, lambda member, seen: Cleaned(str(member), doomed(seen, keep).paths)
        )


def clean(target: Target, *, lock_wait: float = 0) -> list[Cleaned]:
    """Remove what retention names, under the lock. Raises a Problem with the host's words."""
    with ExitStack() as stack:
        fleet = stack.enter_context(fleets.connected(target))
        found = stack.enter_context(fleets.locked(fleet, "cleanup", wait=lock_wait))
        fleets.require_idle(fleet, found)
        return _remove(fleet, found)


def scripts(fleet: Fleet, found: list[Survey], name: str) -> list[str]:
    """Return what each host runs once release `name` is kept there."""
    own = fleets.under_lock(fleet)
    return [own + _script(fleet, doomed(survey, fleet.environment.keep, name)) for survey in found]


def after_deploy(fleet: Fleet, found: list[Survey], name: str, watches: list[Watch]) -> str:
    """Wait for the clean-up after `name` was kept; return what was done, for people.

    The deploy is over by now: a failure here is said, and does not undo it.
    """
    for watch in watches:
        watch.join(_PATIENCE)
    keep = fleet.environment.keep
    wanted = sum(len(doomed(survey, keep, name).paths) for survey in found)
    removed = sum(len(watch.progress.removed) for watch in watches)
    if removed < wanted:
        why = next((watch.complaint for watch in watches if watch.complaint), "the line dropped")
        return f"not done, {wanted - removed} of {wanted} are left: {why.splitlines()[0]}"
    return f"{removed} removed, {keep} kept" if removed else f"nothing to remove (keep {keep})"


def _script(fleet: Fleet, going: Doomed) -> str:
    return shell.render(
        "clean",
        BASE=str(fleet.layout.base),
        BACKUPS=str(fleet.layout.backups),
        RELEASES=" ".join(going.releases),
        OLD_BACKUPS=" ".join(going.backups),
    )


def _remove(fleet: Fleet, found: list[Survey]) -> list[Cleaned]:
    def one(member: Member, survey: Survey) -> Cleaned:
        going = doomed(survey, fleet.environment.keep)
        ended = fleets.change(fleet, member, _script(fleet, going), timeout=_PATIENCE)
        if ended.err:
            raise Problem(f"{member}: not everything could be removed", detail=ended.err)
        gone = [line[8:] for line in ended.out.splitlines() if line.startswith("removed\t")]
        return Cleaned(str(member), gone)

    return fleets.each_surveyed(fleet, found, one)
