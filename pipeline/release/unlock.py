"""`fab unlock`: who holds an environment, and freeing what a vanished client still holds."""

import json
from dataclasses import dataclass

from pipeline.errors import Unreachable
from pipeline.release import fleet as fleets
from pipeline.release import shell
from pipeline.release.fleet import Fleet, Member
from pipeline.remote import execute
from pipeline.remote.inventory import Target


@dataclass(frozen=True)
class Lock:
    """The lock of one host; `by` is empty when it is free."""

    host: str
    by: str = ""
    since: str = ""
    command: str = ""


def locks(target: Target) -> list[Lock]:
    """Return who holds the lock of each host; changes nothing."""
    with fleets.connected(target) as fleet:
        return fleets.each(lambda member: ask(fleet, member), fleet.members)


def release(target: Target) -> list[Lock]:
    """End the processes that hold the locks; return who held them.

    An activation is not touched: it runs under systemd with a lock of its own.
    """
    with fleets.connected(target) as fleet:
        return fleets.each(lambda member: ask(fleet, member, release=True), fleet.members)


def ask(fleet: Fleet, member: Member, *, release: bool = False) -> Lock:
    """Return who holds the lock of one host; with `release`, end the processes that do."""
    script = shell.render("holders", BASE=str(fleet.layout.base), RELEASE=int(release))
    ended = execute.sh(member.connection, script, timeout=30)
    if ended.code:
        raise Unreachable(f"{member}: who holds the lock is not known", detail=ended.err)
    lines = ended.out.splitlines()
    holder = next((line[7:] for line in lines if line.startswith("holder\t")), None)
    if holder is None:
        return Lock(str(member))
    try:
        said = json.loads(holder)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {}
    return Lock(
        host=str(member),
        by=str(said.get("by", "someone")),
        since=str(said.get("since", "?")),
        command=str(said.get("command", "?")),
    )
