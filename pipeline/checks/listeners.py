"""Who tells the people of a run while it goes on: a live board, plain lines, or nobody."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.checks import annotations
from pipeline.checks.check import Check
from pipeline.checks.readers import plain
from pipeline.checks.report import STYLES
from pipeline.checks.running import Listener
from pipeline.checks.verdicts import Outcome, Verdict

SILENCE = 30.0
"""Seconds after which a run without a terminal says that it is still alive; CI systems kill jobs
that print nothing for minutes (tox#1142)."""

Annotate: TypeAlias = Callable[[Check, Outcome], list[str]]
"""From an outcome to the lines that tell a CI system where its findings are."""

_LOUD = frozenset({Verdict.FAILED, Verdict.UNKNOWN})


@contextmanager
def listening(
    console: Console, environ: Mapping[str, str], *, json: bool, app: Path
) -> Iterator[Listener]:
    """Yield the listener that fits: none for JSON, a board on a terminal, else lines.

    In GitHub Actions the lines come with groups and with annotations of the findings in `app`.
    """
    if json:
        yield Nobody()
    elif console.is_terminal and not environ.get("CI"):
        with Board(console) as board:
            yield board
    else:
        github = environ.get("GITHUB_ACTIONS") == "true"
        root = annotations.repository(app, environ)
        annotate = partial(annotations.lines, app=app, root=root) if github else _nowhere
        yield Lines(console, groups=github, annotate=annotate)


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

    def __init__(self, console: Console, *, groups: bool, annotate: Annotate = _nowhere) -> None:
        self._console = console
        self._groups = groups
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
            # Between the stop tokens a tool's output cannot give commands to the runner.
            token = secrets.token_hex(16)
            self._say(f"::group::{line}\n::stop-commands::{token}")
            self._say(plain(outcome.output))
            self._say(f"::{token}::\n::endgroup::")
        else:
            self._say(line)
            if outcome.verdict in _LOUD:
                print_block(self._console, check, outcome)
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
        self._console.out(text, highlight=False)


class Board:
    """One line for each running check, redrawn in place; blocks of output at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[str, float] = {}
        self._notes: dict[str, str] = {}
        self._blocks: list[tuple[Check, Outcome]] = []
        self._live = Live(
            get_renderable=self._draw, console=console, auto_refresh=False, transient=True
        )

    def __enter__(self) -> "Board":
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        for check, outcome in self._blocks:
            print_block(self._console, check, outcome)

    def started(self, check: Check) -> None:
        """Add its line."""
        self._running[check.name] = time.monotonic()

    def noted(self, check: Check, note: str) -> None:
        """Put the note on its line."""
        self._notes[check.name] = note

    def finished(self, check: Check, outcome: Outcome) -> None:
        """Move its line above the board, and keep its output for the end."""
        self._running.pop(check.name, None)
        if outcome.verdict is not Verdict.SKIPPED:
            self._console.print(
                Text(headline(outcome), STYLES[outcome.verdict]), highlight=False, soft_wrap=True
            )
        if outcome.verdict in _LOUD:
            self._blocks.append((check, outcome))

    def beat(self) -> None:
        """Draw anew."""
        self._live.refresh()

    def _draw(self) -> Text:
        now = time.monotonic()
        return Text("\n").join(
            Text(f"running {name:<16} {now - began:6.1f} s  {self._notes.get(name, '')}", "cyan")
            for name, began in self._running.items()
        )


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds // 60:.0f} min"


def headline(outcome: Outcome) -> str:
    """Return verdict, check, time and reason in one line."""
    seconds = f" in {outcome.seconds:.1f} s" if outcome.seconds else ""
    reason = f": {outcome.reason}" if outcome.reason else ""
    return f"{outcome.verdict:<7} {outcome.check}{seconds}{reason}"


def print_block(console: Console, check: Check, outcome: Outcome) -> None:
    """Print a check's output in one piece, between lines that say whose it is."""
    if not outcome.output.strip():
        return
    line = "─" if "utf" in console.encoding.lower() else "-"
    console.rule(f"{check.name}: {check.command}", style="dim", align="left", characters=line)
    # Written past rich, which would take long to lay out a megabyte; its colours only if wanted.
    text = outcome.output if console.color_system else plain(outcome.output)
    encoded = text.rstrip("\n").encode(console.encoding, "replace").decode(console.encoding)
    console.file.write(f"{encoded}\n")
    console.rule(style="dim", characters=line)
