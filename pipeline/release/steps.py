"""The visible run: named steps, one line each when they end, with their times.

Rich takes as long to import as a host takes to answer, so it is imported while one does.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from threading import Event, Thread
from typing import TYPE_CHECKING

from pipeline import printable

if TYPE_CHECKING:
    from rich.console import Console


SILENCE = 30.0
"""Seconds after which a running step says so where no terminal shows it; CI systems end jobs that
print nothing for minutes."""


@dataclass
class Step:
    """One step while it runs; `note` is what its line says besides name and time."""

    name: str
    note: str = ""
    seconds: float = 0.0
    failed: bool = False


@dataclass
class Steps:
    """The steps of one command and where they are told. At a terminal a running step is shown.

    `make` returns the console; it is not called before there is something to be told.
    """

    make: "Callable[[], Console]"
    terminal: bool
    done: list[Step] = field(default_factory=list)

    @cached_property
    def console(self) -> "Console":
        """Where the steps are told."""
        return self.make()

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Time the block as a step called `name`; a block that raises is told as failed."""
        step = Step(name)
        began = time.monotonic()
        running = self.console.status(f"{name} …") if self.terminal else self._heard(step)
        try:
            with running:
                yield step
        except BaseException:
            step.failed = True
            self._tell("red", "failed", step, time.monotonic() - began)
            raise
        self._tell("green", "ok", step, time.monotonic() - began)

    def times(self) -> list[tuple[str, float]]:
        """Return the steps so far with their seconds."""
        return [(step.name, round(step.seconds, 3)) for step in self.done]

    def say(self, text: str) -> None:
        """Print a line that belongs to no step; `text` is taken as it is."""
        self.console.print(shown(text), highlight=False, soft_wrap=True)

    @contextmanager
    def _heard(self, step: Step) -> Iterator[None]:
        """Print a line of the running step after every SILENCE seconds."""
        ended = Event()

        def beat() -> None:
            seconds = 0.0
            while not ended.wait(SILENCE):
                seconds += SILENCE
                self.say(f"  …      {step.name:<11} {seconds:6.1f} s so far")

        thread = Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _tell(self, colour: str, word: str, step: Step, seconds: float) -> None:
        step.seconds = seconds
        self.done.append(step)
        line = f"  [{colour}]{word:<6}[/] {step.name:<11} {seconds:6.1f} s"
        self.console.print(f"{line}  {shown(step.note)}".rstrip(), highlight=False, soft_wrap=True)


def shown(text: str) -> str:
    """Return `text` for a console: as it may be printed, and with no markup in it."""
    from rich.markup import escape

    return escape(printable.line(text))


def amount(count: int | None) -> str:
    """Return `megabytes`, or that nobody knows."""
    return "an unknown amount" if count is None else megabytes(count)


def megabytes(count: int) -> str:
    """Return a number of bytes for people: 812 B, 3.4 kB, 12.0 MB."""
    if count < 1000:
        return f"{count} B"
    if count < 1_000_000:
        return f"{count / 1000:.1f} kB"
    return f"{count / 1_000_000:.1f} MB"


def count(number: int, noun: str) -> str:
    """Return "no migrations", "1 migration", "2 migrations"."""
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
