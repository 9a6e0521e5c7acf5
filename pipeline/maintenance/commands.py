"""What `inv maintenance` does: strings in, a table or JSON out, an exit code."""

from contextlib import ExitStack
from dataclasses import asdict
from functools import cache

from pipeline import settings, tables
from pipeline.errors import Problem, UsageProblem
from pipeline.formats import print_json
from pipeline.github import workflows
from pipeline.github.commands import api, application
from pipeline.github_api import GitHub
from pipeline.maintenance import hub, rows, tools
from pipeline.maintenance.rows import Duty, Period


def maintain(period: str, *, app: str, format: str) -> int:
    """Look after all duties, or those of one period; 1 if one is due, 3 if one is not known."""
    known = tuple(map(str, Period))
    if period and period not in known:
        raise UsageProblem(f"--period {period!r} is not known", remedy=f"use {', '.join(known)}")
    place = application(app)
    with ExitStack() as stack:

        @cache
        def connected() -> GitHub | Problem:
            try:
                return stack.enter_context(api(place))
            except Problem as problem:
                return problem

        def github() -> GitHub:
            found = connected()
            if isinstance(found, Problem):
                raise Problem(found.message)
            return found

        connected()  # once, before the rows run side by side
        files = workflows.files(place, settings.PROJECT)
        duties = hub.duties(place, files, github)
        duties += tools.duties(place, files, settings.environment())
        found = rows.look([duty for duty in _sorted(duties) if period in ("", duty.period)])
    if format == "json":
        print_json([asdict(row) for row in found])
    else:
        tables.show(
            ("", "state", "what", "evidence", "command"),
            [(row.period, row.state, row.what, row.evidence, row.command) for row in found],
            "nothing",
            whole=("state",),
        )
    return rows.exit_code(found)


def _sorted(duties: list[Duty]) -> list[Duty]:
    order = list(Period)
    return sorted(duties, key=lambda duty: order.index(duty.period))
