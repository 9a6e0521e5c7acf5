"""The live board: who runs, redrawn in place."""

import time
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pipeline.checks.check import Check
from pipeline.checks.listeners import LOUD, headline, write_block
from pipeline.checks.present import STYLES
from pipeline.checks.verdicts import Outcome, Verdict


class Board:
    """One line for each running check, redrawn in place; blocks of output at the end."""

    def __init__(self, stream: TextIO) -> None:
        console = Console(file=stream, highlight=False)
        self._stream = stream
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
        colours = self._console.color_system is not None
        for check, outcome in self._blocks:
            write_block(self._stream, check, outcome, colours=colours)

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
        if outcome.verdict in LOUD:
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
