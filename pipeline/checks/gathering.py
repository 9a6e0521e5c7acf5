"""The gathering job: parts that other jobs left become one verdict, one coverage, one record."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.checks import coverage, inventory, partitions, parts, suite_records
from pipeline.checks.check import Check
from pipeline.checks.partitions import Partitioning
from pipeline.checks.parts import Kept
from pipeline.checks.running import Context
from pipeline.checks.suite_part import Manner
from pipeline.checks.suite_records import Suite
from pipeline.checks.verdicts import Outcome, Verdict


@dataclass(frozen=True)
class Gathering:
    """Where the parts are, whether their coverage is merged, and what it must reach."""

    directory: Path
    cover: bool
    rule: coverage.Rule


async def run(context: Context, check: Check, gathering: Gathering) -> Outcome:
    """Judge the parts of the row's MIX_ENV as one suite.

    Raises UsageProblem for a file that is no part.
    """
    found = parts.read(gathering.directory, check.mix_env)
    hindrance = parts.hindrance(found, parts.sources(context.app))
    if hindrance:
        reason = f"{gathering.directory}: {hindrance}"
        return Outcome(check.name, Verdict.UNKNOWN, reason)
    files = await inventory.read(context, check)
    if isinstance(files, Outcome):
        return files
    done = [kept.part for kept in found]
    judgement = partitions.judge(done, files, found[0].count, whole=True)
    _remember(context.app, check.mix_env, found)
    outcome = Outcome(check.name, judgement.verdict, judgement.reason)
    if not gathering.cover or judgement.verdict is not Verdict.PASSED:
        return outcome
    since = time.time()
    lacking = parts.bring_coverage(found, gathering.directory, context.app)
    if lacking:
        return Outcome(check.name, Verdict.UNKNOWN, f"{gathering.directory}: {lacking}")
    partitioning = Partitioning(found[0].count, manner=Manner(cover=True), rule=gathering.rule)
    exported = [kept.number for kept in found if kept.files]
    covered, result = await partitions.cover(context, check, partitioning, exported, files, since)
    return Outcome(
        check.name,
        covered.verdict,
        f"{judgement.reason}, {covered.reason}",
        seconds=result.seconds if result else 0.0,
        output=result.output if result else "",
    )


def _remember(app: Path, env: str, found: Sequence[Kept]) -> None:
    """Put times and failures on record, as if the parts had run here."""
    before = (suite_records.load(app) or {}).get(env, Suite())
    seen = [part.seen for kept in found for part in (kept.part,) if part.seen]
    with suppress(OSError):  # they only help the next run
        suite_records.save(app, {env: suite_records.after(before, seen)})
