"""What the tasks of `inv` do: strings from the command line in, text out, an exit code back."""

import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from threading import Thread

from pipeline import app as apps
from pipeline import settings as all_settings
from pipeline.ahead import Started
from pipeline.checks import (
    databases,
    durations,
    partitions,
    plan,
    red,
    repeat,
    report,
    snapshot,
    suite_records,
)
from pipeline.checks.listeners import listening
from pipeline.checks.partitions import Partitioning
from pipeline.checks.plan import Options, Planned
from pipeline.checks.prepared import Prepared
from pipeline.checks.report import Report
from pipeline.checks.run import Pace, run
from pipeline.checks.scheduler import Runner
from pipeline.checks.suite_part import Manner
from pipeline.checks.table import MIX_ENV
from pipeline.checks.verdicts import Outcome
from pipeline.settings import Settings


def check(ready: Prepared, *, app: str, format: str) -> int:
    """Run the prepared checks, report them and put the passes on record; the exit code."""
    place = place_of(app, format)
    options = ready.options
    count = partition_count(place)
    if not options.ci:
        seconds = durations.expected(place.app, [row.check for row in ready.rows]).get("test", 0.0)
        count = partitions.worthwhile(count, seconds, plan.jobs(options, place.settings))
    tests = any(row.check.name == "test" and not row.settled for row in ready.rows)
    if tests and place.settings.partition_databases and count > 1:
        databases.require(place.app, os.environ, (MIX_ENV,), count)
    partitioning = Partitioning(
        count,
        seconds=suite_records.seconds(place.app),
        manner=Manner(quiet=is_quiet(place, ci=options.ci)),
        databases=place.settings.partition_databases,
    )
    runners: dict[str, Runner] = {"test": partial(partitions.run, partitioning=partitioning)}
    if ready.where != place.app:
        place = replace(place, copy=ready.where)
    named = app or options.hook
    ci = " --ci" if options.ci else ""
    again = repeat.inv("check.{name}", place.where, named=bool(named)) + ci
    return run_rows(place, ready.rows, options, runners, again, ready.finish, ready.ahead.beam)


@dataclass(frozen=True)
class Place:
    """What a task is about: the application, the settings, and whether JSON is wanted."""

    app: Path
    settings: Settings
    json: bool
    copy: Path | None = None
    """The application in a copy of the commit, where that is checked (snapshot.py)."""

    @property
    def where(self) -> Path:
        """The directory in which the rows run."""
        return self.copy or self.app


def place_of(app: str, format: str) -> Place:
    """Find the application; UsageProblem if there is none, or for a format that no report has."""
    found = apps.named(app)
    return Place(found, all_settings.load(), format == "json")


def run_rows(
    place: Place,
    rows: Sequence[Planned],
    options: Options,
    runners: Mapping[str, Runner],
    again: str,
    finish: Callable[[Sequence[Outcome]], str] = lambda _outcomes: "",
    begun: Started | None = None,
) -> int:
    """Run and report; `finish` hears the outcomes and says what hindered it.

    `begun` is a BEAM that boots already.
    """
    began = time.monotonic()
    pace = Pace(
        plan.jobs(options, place.settings),
        durations.expected(place.app, [row.check for row in rows]),
        options.fail_fast,
    )
    # Drawing is slow to import; the programs of the run do not wait for it.
    drawing = Thread(target=import_module, args=("pipeline.checks.present",), daemon=True)
    if not place.json:
        drawing.start()
    environ = snapshot.environment(os.environ) if place.copy else os.environ
    with listening(sys.stdout, os.environ, json=place.json, app=place.where) as listener:
        ran = run(place.where, rows, listener, pace, runners, begun, environ)
    # They decide about the order and --failed; a git directory that cannot be written to has none.
    with suppress(OSError):
        durations.remember(place.app, ran.outcomes)
        red.remember(place.app, ran.outcomes)
    hindrance = finish(ran.outcomes)
    if hindrance:
        sys.stderr.write(f"note: {hindrance}\n")
    finished = Report(
        app=place.where,
        checks=[row.check for row in rows],
        outcomes=ran.outcomes,
        seconds=time.monotonic() - began,
        interrupted_by=ran.interrupted_by,
        again=again,
    )
    if place.json:
        sys.stdout.writelines(report.as_json(finished))
        sys.stdout.write("\n")
    else:
        from pipeline.checks import present

        present.show(finished, present.console())
    _deliver(finished, options.junit)
    return finished.code


def _deliver(finished: Report, junit_path: str) -> None:
    """Write the JUnit file, if asked for, and the summary of a step of GitHub Actions."""
    page = os.environ.get("GITHUB_STEP_SUMMARY")
    if page:
        from pipeline.checks import summary

        try:
            summary.append(finished, Path(page))
        except OSError as error:
            sys.stderr.write(f"note: no step summary: {page}: {error.strerror}\n")
    if junit_path:
        from pipeline.checks import junit

        junit.write(finished, Path(junit_path))


def partition_count(place: Place) -> int:
    """Return the setting, or 1 where partitions share a database.

    One after the other, partitions only repeat the start of a BEAM and the app's own preparations.
    """
    if place.settings.partition_databases or not databases.shared(place.app):
        return place.settings.partitions
    return 1


def is_quiet(place: Place, *, ci: bool) -> bool:
    """Whether lines of Logger make the tests fail: always, never, or in CI."""
    wanted = place.settings.quiet_tests
    return ci or bool(os.environ.get("CI")) if wanted == "ci" else bool(wanted)
