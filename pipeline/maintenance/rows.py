"""One thing to look after: how often, what was found, and the command that shows it."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum

from pipeline.errors import ExitCode, Problem

_AT_ONCE = 6
"""Rows looked at side by side: most wait for a network."""
_NAMED = 4


class Period(StrEnum):
    """How often the document asks for it."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"


class State(StrEnum):
    """DUE: somebody has to act. UNKNOWN: nobody could look; never the same as fine."""

    OK = "ok"
    DUE = "due"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Found:
    """What a look at one thing gave."""

    state: State
    evidence: str


@dataclass(frozen=True)
class Duty:
    """One thing to look after; `look` may raise Problem, which makes it unknown."""

    period: Period
    what: str
    command: str
    look: Callable[[], Found]


@dataclass(frozen=True)
class Row:
    """A duty and what was found."""

    period: Period
    what: str
    state: State
    evidence: str
    command: str


def look(duties: Sequence[Duty]) -> list[Row]:
    """Look after all of them, side by side; return them in their order."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(_looked, duties))
    return [
        Row(duty.period, duty.what, one.state, one.evidence, duty.command)
        for duty, one in zip(duties, found, strict=True)
    ]


def some(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def exit_code(rows: Sequence[Row]) -> ExitCode:
    """Return 1 if something is due, else 3 if something is not known."""
    states = {row.state for row in rows}
    if State.DUE in states:
        return ExitCode.CHECK_FAILED
    return ExitCode.UNKNOWN if State.UNKNOWN in states else ExitCode.DONE


def _looked(duty: Duty) -> Found:
    try:
        return duty.look()
    except Problem as problem:
        return Found(State.UNKNOWN, problem.message)
