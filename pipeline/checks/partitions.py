"""`mix test` in partitions, and the proof that together they are the whole suite.

The split is mix's own, so that a partition means the same here and in CI: test files sorted by
path, file number i to partition i mod N (Mix.Tasks.Test, filter_by_partition).
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.checks import readers, running
from pipeline.checks.check import Check
from pipeline.checks.running import Context
from pipeline.checks.verdicts import Judgement, Outcome, Verdict, failed, overall, unknown
from pipeline.process import Result

_LISTING = (
    "paths = Mix.Project.config()[:test_paths] || [~s(test)]; "
    "pattern = Mix.Project.config()[:test_pattern] || ~s(*_test.exs); "
    "for path <- Mix.Utils.extract_files(paths, pattern), do: IO.puts([~s(FILE ), path])"
)


SHORT = 20.0
"""Seconds below which `inv check` does not cut the suite."""


@dataclass(frozen=True)
class Partitioning:
    """How to cut the suite: `count` pieces, all of them or only number `single` (from 1)."""

    count: int
    single: int | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """The partitions to run."""
        return (self.single,) if self.single else tuple(range(1, self.count + 1))


@dataclass(frozen=True)
class Part:
    """One partition that has run."""

    number: int
    files: tuple[str, ...]
    result: Result
    judgement: Judgement
    tally: readers.Tally | None


def share(files: Sequence[str], number: int, count: int) -> tuple[str, ...]:
    """Return the files of partition `number` (from 1) of `count`, as mix deals them out."""
    return tuple(sorted(files)[number - 1 :: count])


def shared_database(app: Path) -> str:
    """Return why partitions must not run at the same time, or nothing if they may.

    They may when the configuration puts MIX_TEST_PARTITION into a name, or names no database.
    Qusto's config/.env.test names one for all and overrides the environment (Envy).
    """
    texts = {
        path.relative_to(app): path.read_text("utf-8", "replace")
        for path in (app / "config/.env.test", *sorted((app / "config").glob("*.exs")))
        if path.is_file()
    }
    if any("MIX_TEST_PARTITION" in text for text in texts.values()):
        return ""
    for name, text in texts.items():
        if re.search(r"^\s*(?:export\s+)?DATABASE_URL=|^\s*database:\s", text, re.MULTILINE):
            return f"{name} names one database for all partitions"
    return ""


def worthwhile(most: int, seconds: float, jobs: int) -> int:
    """Return how many partitions, at most `most`, a suite is worth that took `seconds` last time.

    Each starts a BEAM and the application anew, so a short suite is done sooner in one piece (the
    sample app's on two cores: 3.0 s in one, 4.8 s in six), and more pieces than programs at once
    only add starts. A suite near the limit may alternate, since a pieced one takes less.
    """
    return 1 if seconds < SHORT else min(most, jobs)


async def run(context: Context, check: Check, partitioning: Partitioning) -> Outcome:
    """Run the partitions, at once if they have nothing in common, and judge them as one suite."""
    files = await _inventory(context, check)
    if isinstance(files, Outcome):
        return files
    if not files:
        return Outcome(check.name, Verdict.UNKNOWN, "no test file: nothing would be tested")
    count = partitioning.count
    numbers = partitioning.numbers
    shared = shared_database(context.app) if len(numbers) > 1 else ""
    done: list[Part] = []

    async def one(number: int) -> None:
        part = await _run_part(context, check, number, count, share(files, number, count))
        done.append(part)
        if len(numbers) > 1:
            context.listener.noted(check, f"{len(done)} of {len(numbers)} partitions")

    if shared or len(numbers) == 1:
        for number in numbers:
            await one(number)
    else:
        await asyncio.gather(*(one(number) for number in numbers))
    parts = sorted(done, key=lambda part: part.number)
    judgement = judge(parts, files, count, whole=partitioning.single is None)
    if shared and judgement.verdict is Verdict.PASSED:
        judgement = replace(judgement, reason=f"{judgement.reason}, one by one: {shared}")
    return Outcome(
        check=check.name,
        verdict=judgement.verdict,
        reason=judgement.reason,
        seconds=max(part.result.began + part.result.seconds for part in parts)
        - min(part.result.began for part in parts),
        output=_transcript(parts, count),
    )


def judge(parts: Sequence[Part], files: Sequence[str], count: int, *, whole: bool) -> Judgement:
    """Return the verdict of the parts together; `whole` if they should be the complete suite."""
    verdict = overall([part.judgement.verdict for part in parts])
    if verdict is not Verdict.PASSED:
        named = [
            f"partition {part.number}: {part.judgement.reason}"
            if count > 1
            else part.judgement.reason
            for part in parts
            if part.judgement.verdict is verdict
        ]
        return (failed if verdict is Verdict.FAILED else unknown)("; ".join(named))
    covered = sorted(file for part in parts for file in part.files)
    if whole and covered != sorted(files):
        return unknown(f"the partitions hold {len(covered)} of {len(files)} test files")
    ran = sum(part.tally.ran for part in parts if part.tally)
    excluded = sum(part.tally.excluded for part in parts if part.tally)
    if not ran:
        return unknown(f"no test ran ({excluded} excluded)")
    pieces = f" in {len(parts)} partitions" if len(parts) > 1 else ""
    left = f" ({excluded} excluded)" if excluded else ""
    return Judgement(Verdict.PASSED, f"{ran} tests{left}{pieces}")


async def _run_part(
    context: Context, check: Check, number: int, count: int, files: tuple[str, ...]
) -> Part:
    if count > 1:
        result = await context.execute(
            check,
            argv=(*check.argv, "--partitions", str(count)),
            extra={"MIX_TEST_PARTITION": str(number)},
        )
    else:
        result = await context.execute(check)
    judgement = running.judge(check, result, {"files": str(len(files))})
    return Part(number, files, result, judgement, readers.tally(result.output))


async def _inventory(context: Context, check: Check) -> list[str] | Outcome:
    """Return the test files as mix sees them; mix itself is only asked if mix.exs says where."""
    app = context.app
    if not re.search(r"\b(test_paths|test_pattern)\b", (app / "mix.exs").read_text("utf-8")):
        return sorted(
            str(path.relative_to(app))
            for path in (app / "test").rglob("*_test.exs")
            if not any(part.startswith(".") for part in path.relative_to(app).parts)
        )
    argv = ("mix", "run", "--no-start", "--no-compile", "--no-deps-check", "-e", _LISTING)
    result = await context.execute(check, argv=argv)
    judgement = running.judge(replace(check, read=readers.mix), result, {})
    if judgement.verdict is not Verdict.PASSED:
        reason = f"mix does not list its test files: {judgement.reason}"
        return running.outcome(check, result, unknown(reason))
    return sorted(re.findall(r"^FILE (.+)$", result.output, re.MULTILINE))


def _transcript(parts: Sequence[Part], count: int) -> str:
    """Return what the parts printed, without the passed ones when some did not pass."""
    if count == 1:
        return parts[0].result.output
    bad = [part for part in parts if part.judgement.verdict is not Verdict.PASSED]
    return "".join(
        f"partition {part.number} of {count} ({len(part.files)} files): "
        f"MIX_TEST_PARTITION={part.number} mix test --partitions {count}\n{part.result.output}\n"
        for part in bad or parts
    )
