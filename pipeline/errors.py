"""The one family of errors a user may see, and the exit codes they end in.

Anything else that escapes is a defect of ours and may show a traceback.
"""

import functools
from collections.abc import Callable
from enum import IntEnum
from typing import ParamSpec, TypeVar

_INTERRUPTED = 130
"""What a shell reports for a program that Ctrl-C ended."""

P = ParamSpec("P")
R = TypeVar("R")


class ExitCode(IntEnum):
    """What `inv` and `fab` end with; docs/exit-codes.md says the same."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNKNOWN = 3
    ROLLED_BACK = 10
    ROLLBACK_FAILED = 11
    LOCKED = 12
    UNREACHABLE = 13


class Problem(Exception):
    """Something the user can act on.

    `message` is one line: what happened, where and why. `remedy` says what to do next,
    `detail` is the evidence (a tool's output, a journal), shown last.
    """

    code = ExitCode.CHECK_FAILED

    def __init__(self, message: str, *, remedy: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail = detail

    @property
    def heading(self) -> str:
        """What we say ourselves: the message, and the remedy below it."""
        return f"{self.message}\n  → {self.remedy}" if self.remedy else self.message

    def __str__(self) -> str:
        """Return message, remedy and detail, in that order, each on lines of its own."""
        return f"{self.heading}\n{self.detail.rstrip()}" if self.detail else self.heading


class UsageProblem(Problem):
    """A wrong option, setting or file; nothing was touched. Said in one line."""

    code = ExitCode.USAGE

    @property
    def heading(self) -> str:
        """Message and remedy in one line."""
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class BuildFailed(Problem):
    """The release could not be built; no server was touched."""


class RolledBack(Problem):
    """The new release did not serve; the one before it does again."""

    code = ExitCode.ROLLED_BACK


class RollbackFailed(Problem):
    """Neither the new release nor the one before it is known to serve."""

    code = ExitCode.ROLLBACK_FAILED


class Locked(Problem):
    """Another deploy holds the environment."""

    code = ExitCode.LOCKED


class Unreachable(Problem):
    """A host did not answer, or is not the host it claims to be, or refused the key."""

    code = ExitCode.UNREACHABLE


class MachineFailed(Problem):
    """The machine of the operator failed: its disk, its memory, a limit of processes or files.

    What the run was about is not known then.
    """

    code = ExitCode.UNKNOWN


def translated(error: Exception) -> Problem | None:
    """Return what a library raised for a failure of this machine as ours; None for a defect."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, MemoryError):
        return MachineFailed("this machine is out of memory")
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return MachineFailed("this machine allows no more threads", remedy="see `ulimit -u`")
    if isinstance(error, OSError):
        named = [repr(str(name)) for name in (error.filename, error.filename2) if name]
        why = error.strerror or str(error) or type(error).__name__
        return MachineFailed(f"this machine: {': '.join([why, *named])}")
    return None


def told(problem: Problem) -> str:
    """Return what stderr gets: our own lines, then the evidence as another program's words."""
    from pipeline import printable

    heading = printable.line(f"error: {problem.heading}")
    return f"{heading}\n{printable.block(problem.detail.rstrip())}".rstrip("\n")


def speaking(body: Callable[P, R]) -> Callable[P, R]:
    """Turn a Problem that leaves `body` into Invoke's Exit: its text on stderr, its code.

    The only place where our errors meet Invoke's; the commit hook does without its start.
    """

    @functools.wraps(body)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        from invoke.exceptions import Exit

        try:
            return body(*args, **kwargs)
        except Problem as problem:
            raise Exit(told(problem), code=int(problem.code)) from None
        except KeyboardInterrupt:
            raise Exit("interrupted", code=_INTERRUPTED) from None
        except Exception as error:
            if (known := translated(error)) is None:
                raise
            raise Exit(told(known), code=int(known.code)) from None

    return wrapper
