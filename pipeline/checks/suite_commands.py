"""What `inv test` and its kin do: strings from the command line in, text out, an exit code back."""

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.checks import (
    databases,
    gathering,
    partitions,
    presence,
    repeat,
    rerun,
    suite_records,
    table,
    whole,
)
from pipeline.checks.check import Check
from pipeline.checks.commands import (
    Place,
    is_quiet,
    partition_count,
    place_of,
    run_rows,
)
from pipeline.checks.coverage import Rule
from pipeline.checks.gathering import Gathering
from pipeline.checks.partitions import Partitioning
from pipeline.checks.plan import Options, Planned
from pipeline.checks.scheduler import Runner
from pipeline.checks.suite_part import Manner
from pipeline.checks.suite_records import Suite, Times
from pipeline.checks.verdicts import unknown
from pipeline.errors import ExitCode, UsageProblem


@dataclass(frozen=True)
class Asked:
    """What the command line of `inv test` asked for; None and empty: not asked."""

    envs: tuple[str, ...]
    count: int | None = None
    single: int | None = None
    jobs: int = 0
    cover: bool = False
    failed: bool = False
    times: str = ""
    parts: str = ""


def test(asked: Asked, *, app: str, format: str) -> int:
    """Compile for each MIX_ENV and run its tests, one environment after the other."""
    _consistent(asked)
    place = place_of(app, format)
    suites = suite_records.load(place.app) or {}
    again = f"{repeat.inv('test', place.app, named=bool(app))} --env {','.join(asked.envs)}"
    if asked.failed:
        rows = [row for env in asked.envs for row in _failed_rows(place, env, asked.envs, suites)]
        runners = _runners(asked.envs, partial(partitions.again, suites=suites))
        return run_rows(place, rows, Options(jobs=asked.jobs), runners, f"{again} --failed")
    partitioning = _partitioning(asked, place)
    rows = [row for env in asked.envs for row in _rows(place, env, asked.envs)]
    runners = _runners(asked.envs, partial(partitions.run, partitioning=partitioning))
    return run_rows(place, rows, Options(jobs=asked.jobs), runners, again)


def gather(
    envs: tuple[str, ...], parts: str, *, cover: bool, junit: str = "", app: str, format: str
) -> int:
    """Judge what the jobs of a split suite left in `parts` as one suite."""
    place = place_of(app, format)
    if not Path(parts).is_dir():
        raise UsageProblem(f"--parts {parts!r} is no directory")
    rows = [row for env in envs for row in _rows(place, env, envs, compiles=cover)]
    gathered = Gathering(Path(parts), cover, Rule(place.settings.coverage))
    runners = _runners(envs, partial(gathering.run, gathering=gathered))
    start = repeat.inv("test.gather", place.app, named=bool(app))
    again = f"{start} --env {','.join(envs)} --parts {shlex.quote(str(Path(parts).absolute()))}"
    return run_rows(place, rows, Options(junit=junit), runners, again)


def times(*, export: str, take: str, app: str) -> int:
    """Print or write the times on record, after those of the file `take` have entered."""
    place = place_of(app, "text")
    known = suite_records.load(place.app) or {}
    if take:
        taken = suite_records.read_times(Path(take)).seconds
        for env, seconds in taken.items():
            old = known.get(env, Suite())
            known[env] = Suite({**old.seconds, **seconds}, old.failures)
        try:
            suite_records.save(place.app, known)
        except OSError as error:
            raise UsageProblem(f"the times cannot be put on record: {error}") from None
    if take and not export:
        return ExitCode.DONE
    found = suite_records.times(known)
    if not any(found.seconds.values()):
        raise UsageProblem("no times are on record", remedy="inv test records them")
    text = suite_records.as_json(found)
    if not export:
        sys.stdout.write(text.decode())
        return ExitCode.DONE
    try:
        whole.write(Path(export), text)
    except OSError as error:
        raise UsageProblem(f"--export {export}: {error.strerror}") from None
    return ExitCode.DONE


def _consistent(asked: Asked) -> None:
    if asked.single and asked.failed:
        raise UsageProblem("--failed runs in one piece: it goes with no --partition")
    for name, given in (
        ("--partitions", asked.count),
        ("--cover", asked.cover),
        ("--times", asked.times),
        ("--parts", asked.parts),
    ):
        if asked.failed and given:
            raise UsageProblem(f"--failed runs in one piece: it goes with no {name}")


def _partitioning(asked: Asked, place: Place) -> Partitioning:
    settings = place.settings
    # One partition of many cannot clash with itself, wherever its database is.
    count = asked.count or (settings.partitions if asked.single else partition_count(place))
    if asked.single and asked.single > count:
        raise UsageProblem(
            f"--partition {asked.single}: there are {count}", remedy="see --partitions"
        )
    if settings.partition_databases and count > 1 and not asked.single:
        databases.require(place.app, os.environ, asked.envs, count)  # before anything is compiled
    if asked.parts and Path(asked.parts).exists() and not Path(asked.parts).is_dir():
        raise UsageProblem(f"--parts {asked.parts!r} is no directory")
    return Partitioning(
        count,
        asked.single,
        seconds=_seconds(asked, place),
        manner=Manner(asked.cover, is_quiet(place, ci=False)),
        rule=Rule(settings.coverage),
        databases=settings.partition_databases,
        keep=Path(asked.parts) if asked.parts else None,
    )


def _seconds(asked: Asked, place: Place) -> Mapping[str, Mapping[str, float]]:
    """Return the times to balance by.

    What is on record differs from machine to machine, so the jobs of one run must be given theirs.
    """
    if not asked.times:
        return {} if asked.single else suite_records.seconds(place.app)
    path = Path(asked.times)
    if not path.exists():  # the first run of all, whose times become the file
        sys.stderr.write(f"note: --times {path} is not there: the split is mix's own\n")
        return Times({}).seconds
    return suite_records.read_times(path).seconds


def _rows(place: Place, env: str, envs: Sequence[str], *, compiles: bool = True) -> list[Planned]:
    alone = len(envs) == 1
    compiling = table.compilation(env, "compile" if alone else f"compile:{env}")
    testing = _row(env, envs, compiling.name)
    testing = replace(testing, argv=(*testing.argv, *place.settings.test_args))
    named = ((compiling, "compile"), (testing, "test")) if compiles else ((testing, "test"),)
    rows = []
    for row, kind in named:
        timeout = place.settings.timeouts.get(kind, row.timeout)
        absent = presence.absence(row, place.app, os.environ)
        # It was asked for by name: beside another that is green a skip would look like one.
        settled = unknown(presence.judge(absent, strict=True).reason) if absent else None
        rows.append(Planned(replace(row, timeout=timeout), settled))
    return rows


def _failed_rows(
    place: Place, env: str, envs: Sequence[str], suites: Mapping[str, Suite]
) -> list[Planned]:
    if rerun.present(suites.get(env, Suite()).failures, place.app):
        return _rows(place, env, envs)
    if env in suites:
        reason = f"no failed test is on record for MIX_ENV={env}: nothing to run again"
    else:
        reason = f"no run of the tests is on record for MIX_ENV={env}"
    return [Planned(_row(env, envs, "compile"), unknown(reason))]


def _row(env: str, envs: Sequence[str], compiled_by: str) -> Check:
    """Return the row of one MIX_ENV; several go one after the other, they may share a database."""
    row = table.testing(env, compiled_by=compiled_by)
    return row if len(envs) == 1 else replace(row, name=f"test:{env}", writes=("test databases",))


def _runners(envs: Sequence[str], runner: Runner) -> dict[str, Runner]:
    return {_row(env, envs, "compile").name: runner for env in envs}
