"""`backup_database`: the database dumped before a deploy's migrations, while all still serves.

PostgreSQL, or whatever the command reads; ClickHouse is not covered (docs/deploying.md).
"""

from dataclasses import dataclass

from pipeline.errors import RolledBack
from pipeline.release import fleet as fleets
from pipeline.release import proof, shell
from pipeline.release.fleet import Fleet

_LONGEST = 3700
"""Seconds: a little more than TimeoutStartSec of the unit."""


@dataclass(frozen=True)
class Dump:
    """Where the database lies as it was before the migrations; bytes is its size."""

    host: str
    path: str
    bytes: int


def take(fleet: Fleet, name: str) -> Dump | None:
    """Dump the database before the migrations of release `name`, on the host that will run them.

    None where the environment has no `backup_database`. Raises RolledBack, with the command's own
    words, when there is no dump afterwards that could be used; nothing has been stopped then.
    """
    if not fleet.environment.backup_database:
        return None
    member, layout = fleet.members[0], fleet.layout
    path = layout.dump(name)
    script = shell.render(
        "start",
        "save",
        SERVICE=layout.service,
        DUMP=str(path),
        OUTPUT=str(layout.output("dump")),
    )
    ended = fleets.change(fleet, member, script, timeout=_LONGEST)
    sizes = [line[7:] for line in ended.out.splitlines() if line.startswith("dumped\t")]
    if ended.code or not sizes:
        reason, remedy = ended.err.strip(), f"see the journal of {layout.service}-dump.service"
        detail = ""
        started = proof.parse(ended.out.splitlines())
        if started.code:
            failed = proof.failure(
                started, layout.service, str(layout.env_file), fleet.environment.name
            )
            reason, remedy, detail = failed.reason, failed.remedy, failed.detail
        raise RolledBack(
            f"{member}: the database could not be dumped: {reason}; {name} was not activated, and "
            "nothing was stopped",
            remedy=remedy,
            detail=detail,
        )
    return Dump(str(member), str(path), int(sizes[0]))
