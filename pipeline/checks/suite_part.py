"""One `mix test` of the suite: run, evidence gathered, judged."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline import scratch
from pipeline.checks import coverage, quiet, running, suite_evidence
from pipeline.checks.check import Check
from pipeline.checks.running import Context
from pipeline.checks.suite_evidence import Evidence
from pipeline.checks.suite_records import Seen
from pipeline.checks.tools import exunit
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown
from pipeline.process import Exited, Result

_SHOWN = 5


@dataclass(frozen=True)
class Part:
    """One partition that has run. `files` are those it was to run, `evidence` what it did."""

    number: int
    files: tuple[str, ...]
    result: Result
    judgement: Judgement
    tally: exunit.Tally | None
    evidence: Evidence | None = None
    by_hand: str = ""
    """What to type to have it again, without what only serves us."""

    @property
    def seen(self) -> Seen | None:
        """What goes on record; None if the run says nothing about its tests."""
        if self.judgement.verdict not in (Verdict.PASSED, Verdict.FAILED):
            return None
        return Seen(self.files, self.evidence, green=self.judgement.verdict is Verdict.PASSED)


@dataclass(frozen=True)
class Manner:
    """How tests are run: with coverage, and whether lines of Logger make them fail."""

    cover: bool = False
    quiet: bool = False


PLAIN = Manner()


async def run(
    context: Context,
    check: Check,
    number: int,
    files: tuple[str, ...],
    words: tuple[str, ...],
    extra: Mapping[str, str],
    manner: Manner = PLAIN,
) -> Part:
    """Run mix test with these words and variables beside its own; it should run `files`."""
    argv = (*check.argv, *words, *(coverage.options(number) if manner.cover else ()))
    with scratch.directory("evidence") as directory:
        injected = suite_evidence.command(argv, context.app, directory)
        # Alone and plain it may run where the compiler did.
        warm = not extra and not words and not manner.cover
        result = await context.execute(check, argv=injected, extra=extra, warm=warm)
        evidence = suite_evidence.read(directory)
    facts = {"files": str(len(files))}
    if injected != argv:
        facts |= evidence.facts if evidence else {"suites": "0"}
    if extra or words:
        facts["partial"] = "1"
    judgement = running.judge(check, result, facts)
    tally = exunit.heard(result.output, facts)
    if (
        manner.cover
        and tally
        and isinstance(result.ended, Exited)
        and coverage.part_is_fine(result.output, result.ended.code, tally.failed)
    ):
        judgement = Judgement(Verdict.PASSED, f"{tally.ran} tests")
    if manner.cover and (absent := coverage.absent_tool(result.output)):
        judgement = unknown(absent)
    if manner.quiet and judgement.verdict is Verdict.PASSED:
        judgement = _quiet(result.output) or judgement
    shown = [f"{name}={value}" for name, value in extra.items() if name == "MIX_TEST_PARTITION"]
    return Part(number, files, result, judgement, tally, evidence, " ".join([*shown, *argv]))


def _quiet(output: str) -> Judgement | None:
    """Return the verdict on tests that print log lines; none if they print none."""
    lines = quiet.log_lines(output)
    if lines:
        first = "; ".join(lines[:_SHOWN])
        more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        return failed(f"the tests print log lines (quiet_tests): {first}{more}")
    if "bytes of output left out …]" in output:
        return unknown("too much output to tell whether the tests print log lines (quiet_tests)")
    return None
