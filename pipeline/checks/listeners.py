"""Who tells the people of a run while it goes on: a live board, plain lines, or nobody."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO, TypeAlias

from pipeline import printable
from pipeline.checks import annotations
from pipeline.checks.check import Check
from pipeline.checks.readers import plain
from pipeline.checks.running import Listener
from pipeline.checks.verdicts import Outcome, Verdict

SILENCE = 30.0
"""Seconds after which a run without a terminal says that it is still alive; CI systems kill jobs
that print nothing for minutes (tox#1142)."""

Annotate: TypeAlias = Callable[[Check, Outcome], list[str]]
"""From an outcome to the lines that tell a CI system where its findings are."""

LOUD = frozenset({Verdict.FAILED, Verdict.UNKNOWN})
"""Verdicts of which the output is shown."""

_RULE = 100
"""Columns of the lines around an output."""


@contextmanager
def listening(
    stream: TextIO, environ: Mapping[str, str], *, json: bool, app: Path
) -> Iterator[Listener]:
    """Yield the listener that fits: none for JSON, a board on a terminal, else lines.

    In GitHub Actions the lines come with groups and with annotations of the findings in `app`.
    """
    if json:
        yield Nobody()
        return
    wants_colours = bool(environ.get("FORCE_COLOR")) or stream.isatty()
    if wants_colours and not environ.get("CI"):
        from pipeline.checks.board import Board

        with Board(stream) as board:
            yield board
        return
    github = environ.get("GITHUB_ACTIONS") == "true"
    root = annotations.repository(app, environ)
    annotate = partial(annotations.lines, app=app, root=root) if github else _nowhere
    colours = wants_colours and not environ.get("NO_COLOR")
    yield Lines(stream, groups=github, colours=colours, annotate=annotate)


def _nowhere(_check: Check, _outcome: Outcome) -> list[str]:
    return []


class Nobody:
    """Hears all and says nothing."""

    def started(self, check: Check) -> None:
        """See Listener."""

    def noted(self, check: Check, note: str) -> None:
        """See Listener."""

    def finished(self, check: Check, outcome: Outcome) -> None:
        """See Listener."""

    def beat(self) -> None:
        """See Listener."""


class Lines:
    """A line for each start and end, and each check's output as one block when it ends."""

    def __init__(
        self,
        stream: TextIO,
        *,
        groups: bool,
        colours: bool = False,
        annotate: Annotate = _nowhere,
    ) -> None:
        self._stream = stream
        self._groups = groups
        self._colours = colours
        self._annotate = annotate
        self._running: dict[str, float] = {}
        self._spoke = time.monotonic()

    def started(self, check: Check) -> None:
        """Print the command."""
        self._running[check.name] = time.monotonic()
        self._say(f"start   {check.name}: {check.command}")

    def noted(self, check: Check, note: str) -> None:
        """Print the note."""
        self._say(f"        {check.name}: {note}")

    def finished(self, check: Check, outcome: Outcome) -> None:
        """Print the verdict, and the output where it matters: in GitHub, all folded away."""
        self._running.pop(check.name, None)
        line = headline(outcome)
        if self._groups and outcome.output:
            said = printable.block(plain(outcome.output), tokens=True)
            self._say(f"::group::{line}\n{said}::endgroup::")
        else:
            self._say(line)
            if outcome.verdict in LOUD:
                write_block(self._stream, check, outcome, colours=self._colours)
        for said in self._annotate(check, outcome):
            self._say(said)

    def beat(self) -> None:
        """After a long silence, name what still runs."""
        now = time.monotonic()
        if self._running and now - self._spoke > SILENCE:
            names = (f"{name} ({_age(now - began)})" for name, began in self._running.items())
            self._say(f"still running: {', '.join(names)}")

    def _say(self, text: str) -> None:
        self._spoke = time.monotonic()
        self._stream.write(f"{text}\n")
        self._stream.flush()


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds // 60:.0f} min"


def headline(outcome: Outcome) -> str:
    """Return verdict, check, time and reason in one line."""
    seconds = f" in {outcome.seconds:.1f} s" if outcome.seconds else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    return printable.inert(f"{outcome.verdict:<7} {outcome.check}{seconds}{reason}")


def write_block(stream: TextIO, check: Check, outcome: Outcome, *, colours: bool) -> None:
    """Write a check's output in one piece, between lines that say whose it is."""
    if not outcome.output.strip():
        return
    encoding = stream.encoding or "utf-8"
    line = "─" if "utf" in encoding.lower() else "-"
    output = outcome.output if colours else plain(outcome.output)
    text = printable.visible(output, colours=colours).rstrip("\n")
    title = f"{line * 2} {check.name}: {check.command} "
    block = f"{title:{line}<{_RULE}}\n{text}\n{line * _RULE}\n"
    stream.write(block.encode(encoding, "replace").decode(encoding))
