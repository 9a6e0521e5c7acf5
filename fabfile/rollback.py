"""fab rollback."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pipeline import formats

from .targets import on_target

if TYPE_CHECKING:
    from pipeline.remote.inventory import Target


@on_target(
    to="the release to go back to, as `releases` names it",
    from_backup="take its backup, where its own files are damaged",
    lock_wait="seconds to wait for a lock that is taken",
    yes="do not ask for confirmation",
    format="text or json",
)
def rollback(
    target: Target,
    to: str = "",
    from_backup: bool = False,
    lock_wait: int = 0,
    yes: bool = False,
    format: str = "text",
) -> None:
    """Go back to what was serving before, or to the release --to; restart and check its health.

    The code goes back; migrations that ran stay applied. Exit: 0 serving, 10 the target did not
    serve and what served before the command does again, 2 its files are damaged (nothing was
    touched), 11 neither is known to serve.
    """
    from pipeline.release import guards, naming, page, present
    from pipeline.release import rollback as flow

    say = present.narrator(format)
    name = naming.checked(to, "--to") if to else ""
    guards.confirm(target.environment, "rollback", yes=yes)
    failing = present.failing(format, target.environment.name, "rollback", say)
    with page.of_step(target, "rollback", say, os.environ), failing:
        result = flow.rollback(target, name, from_backup=from_backup, lock_wait=lock_wait, say=say)
    say.say(flow.schema_note(result))
    formats.print_json(result) if format == "json" else present.summary(result)
