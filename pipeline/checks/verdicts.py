"""What can be said of a check that was to run, and what a whole run ends in."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.checks.findings import Finding
from pipeline.errors import ExitCode
from pipeline.output import Compact


class Verdict(StrEnum):
    """Only `passed` and `reused` are green. `unknown` means that nobody can tell."""

    PASSED = "passed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SKIPPED = "skipped"
    REUSED = "reused"


@dataclass(frozen=True)
class Judgement:
    """A verdict and why, in half a line; a plain pass needs no reason."""

    verdict: Verdict
    reason: str = ""


PASSED = Judgement(Verdict.PASSED)


def failed(reason: str) -> Judgement:
    """Return the verdict that the check found something wrong."""
    return Judgement(Verdict.FAILED, reason)


def unknown(reason: str) -> Judgement:
    """Return the verdict that the check says nothing about the code."""
    return Judgement(Verdict.UNKNOWN, reason)


def skipped(reason: str) -> Judgement:
    """Return the verdict that the check was not run, for a reason that is no one's fault."""
    return Judgement(Verdict.SKIPPED, reason)


@dataclass(frozen=True, repr=False)
class Outcome:
    """How one check ended. `exit_code` is None unless its program ended by itself.

    `findings` is None where they are to be read from the output, as people see it.
    """

    check: str
    verdict: Verdict
    reason: str = ""
    seconds: float = 0.0
    exit_code: int | None = None
    output: Compact = Compact()  # noqa: RUF009 - a descriptor
    findings: tuple[Finding, ...] | None = None

    def __repr__(self) -> str:
        """Return all but the output, which may be large.

        asyncio.run makes a repr of its task, with the result, when it puts the handler of SIGINT
        back (signal.signal asks an enum, whose ValueError names the value): 350 MB for 20 MB of
        output, measured with Python 3.11.
        """
        return f"Outcome({self.check!r}, {self.verdict!r}, {self.reason!r}, {self.exit_code!r})"


def overall(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the verdict of a run: one failure fails it, else one unknown makes it unknown.

    A run in which nothing passed says nothing, so it is unknown too.
    """
    if Verdict.FAILED in verdicts:
        return Verdict.FAILED
    green = Verdict.PASSED in verdicts or Verdict.REUSED in verdicts
    return Verdict.PASSED if green and Verdict.UNKNOWN not in verdicts else Verdict.UNKNOWN


def exit_code(verdicts: Sequence[Verdict]) -> ExitCode:
    """Return the exit code of a run with these verdicts; see docs/exit-codes.md."""
    return {
        Verdict.PASSED: ExitCode.DONE,
        Verdict.FAILED: ExitCode.CHECK_FAILED,
    }.get(overall(verdicts), ExitCode.UNKNOWN)
