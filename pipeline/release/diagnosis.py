"""What a failing process printed: read from its host's journal, or the migration's output."""

from typing import Literal

from pipeline.release import shell
from pipeline.release.fleet import Fleet, Member
from pipeline.remote import execute


def said(
    fleet: Fleet, member: Member, what: Literal["service", "migrate"], invocation: str = ""
) -> str:
    """Return the last lines of the service's `invocation` (all of them if empty) or migration.

    Raises Unreachable when the line drops.
    """
    script = shell.render(
        "diagnose",
        WHAT=what,
        MIGRATE_OUTPUT=str(fleet.layout.output("migrate")),
        INVOCATION=invocation,
        SERVICE=fleet.layout.service,
    )
    return execute.sh(member.connection, script, timeout=20).out.strip()
