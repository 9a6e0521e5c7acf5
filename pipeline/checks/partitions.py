"""`mix test` in partitions, and the proof that together they are the whole suite.

Without times on record the split is mix's own; with them the files are dealt out by balance.py and
named to mix. Either way what ExUnit really loaded, file by file, must be the inventory.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.checks import (
    balance,
    coverage,
    databases,
    inventory,
    parts,
    rerun,
    suite_part,
    suite_records,
)
from pipeline.checks.check import Check
from pipeline.checks.coverage import Rule
from pipeline.checks.glance import some
from pipeline.checks.running import Context
from pipeline.checks.suite_part import Manner, Part
from pipeline.checks.suite_records import Suite
from pipeline.checks.verdicts import Judgement, Outcome, Verdict, failed, overall, unknown
from pipeline.process import Exited, Result

SHORT = 20.0
"""Seconds below which `inv check` does not cut the suite."""


@dataclass(frozen=True)
class Partitioning:
    """How to cut the suite: `count` pieces, all of them or only number `single` (from 1)."""

    count: int
    single: int | None = None
    seconds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """MIX_ENV → test file → seconds, to balance by; mix's own split where there are none."""
    manner: Manner = suite_part.PLAIN
    rule: Rule = coverage.THEIRS
    databases: str = ""
    """databases.CONFIG_DIR gives partitions that run at once databases of their own."""
    keep: Path | None = None
    """Directory in which each partition leaves what parts.py gathers."""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The partitions to run."""
        return (self.single,) if self.single else tuple(range(1, self.count + 1))


def worthwhile(most: int, seconds: float, jobs: int) -> int:
    """Return how many partitions, at most `most`, a suite is worth that took `seconds` last time.

    Each starts a BEAM and the application anew, so a short suite is done sooner in one piece (the
    sample app's on two cores: 3.0 s in one, 4.8 s in six), and more pieces than programs at once
    only add starts. A suite near the limit may alternate, since a pieced one takes less.
    """
    return 1 if seconds < SHORT else min(most, jobs)


async def run(context: Context, check: Check, partitioning: Partitioning) -> Outcome:
    """Run the partitions, at once if they have nothing in common, and judge them as one suite.

    Raises UsageProblem if there is no database URL to derive theirs from.
    """
    if way_out := inventory.umbrella(context.app):
        return Outcome(check.name, Verdict.UNKNOWN, way_out)
    files = await inventory.read(context, check)
    if isinstance(files, Outcome):
        return files
    if not files:
        reason = "no test file: nothing would be tested"
        if absent := inventory.left_out(context.app, context.environ):
            reason = f"no test file is in this sparse checkout: {some(absent)}"
        return Outcome(check.name, Verdict.UNKNOWN, reason)
    if partitioning.manner.cover:
        _clean(context.app, partitioning)
    began = time.time()
    done, together = await _run_parts(context, check, partitioning, files)
    seen = [part.seen for part in done if part.seen]
    # They only help the next run; a git directory that cannot be written to needs none.
    with suppress(OSError):
        before = (suite_records.load(context.app) or {}).get(check.mix_env, Suite())
        suite_records.save(context.app, {check.mix_env: suite_records.after(before, seen)})
    if partitioning.keep:
        parts.write(partitioning.keep, context.app, check.mix_env, partitioning.count, done)
    whole = partitioning.single is None
    judgement = judge(done, files, partitioning.count, whole=whole)
    results = [part.result for part in done]
    output = _transcript(done, partitioning.count)
    if partitioning.manner.cover and judgement.verdict is Verdict.PASSED:
        exported = [part.number for part in done if part.files]
        covered, merged = await cover(context, check, partitioning, exported, files, began)
        judgement = replace(covered, reason=f"{judgement.reason}, {covered.reason}")
        results += [merged] if merged else []
        output += merged.output if merged else ""
    absent = inventory.left_out(context.app, context.environ) if whole else []
    if absent and judgement.verdict is Verdict.PASSED:
        names = f"not in this sparse checkout, so not run: {some(absent)}"
        judgement = replace(judgement, reason=f"{judgement.reason}; {names}")
    if together and judgement.verdict is Verdict.PASSED:
        judgement = replace(judgement, reason=f"{judgement.reason}, {together}")
    return _outcome(check, judgement, results, output)


async def again(context: Context, check: Check, suites: Mapping[str, Suite]) -> Outcome:
    """Run what failed last under the row's MIX_ENV, in one piece."""
    suite = suites[check.mix_env]
    failures = rerun.present(suite.failures, context.app)
    files = tuple(sorted({failure.file for failure in failures}))
    part = await suite_part.run(context, check, 1, files, rerun.arguments(failures), {})
    judgement = part.judgement
    if judgement.verdict is Verdict.PASSED:
        short = rerun.shortfall(failures, part.evidence)
        count = f"{judgement.reason} in {len(files)} files, what had failed among them"
        judgement = unknown(short) if short else replace(judgement, reason=count)
    if part.seen and judgement.verdict is not Verdict.UNKNOWN:
        with suppress(OSError):
            suite_records.save(
                context.app, {check.mix_env: suite_records.after(suite, [part.seen])}
            )
    return _outcome(check, judgement, [part.result], part.result.output)


async def cover(
    context: Context,
    check: Check,
    partitioning: Partitioning,
    numbers: Sequence[int],
    files: Sequence[str],
    since: float,
) -> tuple[Judgement, Result | None]:
    """Judge what these partitions exported since this time, merged once; a single one exports."""
    directory = coverage.directory(context.app)
    short = coverage.lacking(directory, numbers, since)
    if short:
        return unknown(short), None
    if partitioning.single is not None:
        return Judgement(Verdict.PASSED, "coverage exported, inv test.gather merges"), None
    excoveralls = coverage.by_excoveralls(context.app)
    result = await context.execute(check, argv=coverage.merging(context.app, files[0]))
    if not isinstance(result.ended, Exited):
        return unknown("coverage: merging did not come to its end"), result
    judgement = coverage.judge(
        result.output,
        result.ended.code,
        len(numbers),
        partitioning.rule,
        context.app,
        excoveralls=excoveralls,
    )
    return judgement, result


def judge(done: Sequence[Part], files: Sequence[str], count: int, *, whole: bool) -> Judgement:
    """Return the verdict of the parts together; `whole` if they should be the complete suite."""
    verdict = overall([part.judgement.verdict for part in done])
    if verdict is not Verdict.PASSED:
        named = [
            f"partition {part.number}: {part.judgement.reason}"
            if count > 1
            else part.judgement.reason
            for part in done
            if part.judgement.verdict is verdict
        ]
        return (failed if verdict is Verdict.FAILED else unknown)("; ".join(named))
    dealt = sorted(file for part in done for file in part.files)
    if whole and dealt != sorted(files):
        return unknown(f"the partitions hold {len(dealt)} of {len(files)} test files")
    absent = _never_loaded(done, files) if whole else []
    if absent:
        names = ", ".join(absent[:3]) + (" …" if len(absent) > 3 else "")
        return unknown(f"{len(absent)} of {len(files)} test files were never loaded: {names}")
    ran = sum(part.tally.ran for part in done if part.tally)
    excluded = sum(part.tally.excluded for part in done if part.tally)
    if not whole and not dealt:
        return Judgement(Verdict.PASSED, "no test files fall to it")
    if not ran:
        return unknown(f"no test ran ({excluded} excluded)")
    pieces = f" in {len(done)} partitions" if len(done) > 1 else ""
    left = f" ({excluded} excluded)" if excluded else ""
    return Judgement(Verdict.PASSED, f"{ran} tests{left}{pieces}")


def _never_loaded(done: Sequence[Part], files: Sequence[str]) -> list[str]:
    """Return the test files that no part loaded; a part without evidence is held to its share."""
    loaded: set[str] = set()
    for part in done:
        loaded.update(part.evidence.loaded if part.evidence else part.files)
    return sorted(set(files) - loaded)


async def _run_parts(
    context: Context, check: Check, partitioning: Partitioning, files: Sequence[str]
) -> tuple[list[Part], str]:
    """Return the parts by number, and why they took turns if they did."""
    numbers, count = partitioning.numbers, partitioning.count
    seconds = {k: v for k, v in partitioning.seconds.get(check.mix_env, {}).items() if k in files}
    dealt = balance.balanced(files, seconds, count) if seconds and count > 1 else None
    by_mix = ("--partitions", str(count)) if count > 1 else ()
    done: list[Part] = []

    async def one(number: int, extra: Mapping[str, str]) -> None:
        own = dealt[number - 1] if dealt else balance.share(files, number, count)
        words = own if dealt else by_mix
        if not own:
            part = parts.empty(number)  # without a name mix would run everything
        else:
            variables = {**extra, "MIX_TEST_PARTITION": str(number)} if count > 1 else extra
            manner = partitioning.manner
            part = await suite_part.run(context, check, number, own, words, variables, manner)
        done.append(part)
        if len(numbers) > 1:
            context.listener.noted(check, f"{len(done)} of {len(numbers)} partitions")

    with _own_databases(context, check, partitioning) as (extras, shared):
        if shared or len(numbers) == 1:
            for number in numbers:
                await one(number, extras.get(number, {}))
        else:
            await asyncio.gather(*(one(number, extras.get(number, {})) for number in numbers))
    return sorted(done, key=lambda part: part.number), f"one by one: {shared}" if shared else ""


@contextmanager
def _own_databases(
    context: Context, check: Check, partitioning: Partitioning
) -> Iterator[tuple[dict[int, dict[str, str]], str]]:
    """Give each partition's variables, and why they must not run at the same time."""
    numbers = partitioning.numbers
    if len(numbers) < 2:
        yield {}, ""
    elif partitioning.databases == databases.CONFIG_DIR:
        with databases.separate(context.app, context.environ, check.mix_env, numbers) as extras:
            yield extras, ""
    else:
        yield {}, databases.shared(context.app)


def _clean(app: Path, partitioning: Partitioning) -> None:
    directory = coverage.directory(app)
    if partitioning.single is None:
        coverage.clean(directory)
    else:
        name = coverage.export_name(partitioning.single)
        (directory / f"{name}.coverdata").unlink(missing_ok=True)


def _outcome(check: Check, judgement: Judgement, results: Sequence[Result], output: str) -> Outcome:
    began = min(result.began for result in results)
    ended = max(result.began + result.seconds for result in results)
    return Outcome(
        check.name, judgement.verdict, judgement.reason, seconds=ended - began, output=output
    )


def _transcript(done: Sequence[Part], count: int) -> str:
    """Return what the parts printed, without the passed ones when some did not pass."""
    if count == 1:
        return done[0].result.output
    bad = [part for part in done if part.judgement.verdict is not Verdict.PASSED]
    return "".join(
        f"partition {part.number} of {count} ({len(part.files)} files): "
        f"{part.by_hand}\n{part.result.output}\n"
        for part in bad or done
    )
