"""Where the numbers go: a table on the screen, results.json, and a chart for the README."""

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

HERE = Path(__file__).resolve().parent
FILE = HERE / "results.json"
_BAR, _GAP, _WIDTH, _LETTER = 18, 6, 720, 7
_COLOURS = ("#4b6cb7", "#c0793a", "#5a9367", "#8d6a9f")


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest value."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return that of the values."""
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, form: Callable[[float], str]) -> str:
        """Return all three for people."""
        return f"{form(self.median)} ({form(self.low)}…{form(self.high)})"


def progress(text: str) -> None:
    """Say how far it is."""
    print(f"  {text}", file=sys.stderr, flush=True)


def show(title: str, table: Sequence[Sequence[str]]) -> None:
    """Print a table, the first row its head."""
    print(f"\n{title}; {machine()}\n")
    print(markdown(table))


def markdown(table: Sequence[Sequence[str]]) -> str:
    """Return the table as Markdown."""
    head, *rows = (f"| {' | '.join(row)} |" for row in table)
    return "\n".join([head, f"|{'---|' * len(table[0])}", *rows])


def machine() -> str:
    """Return what this was measured on, and when."""
    cores = len(os.sched_getaffinity(0))
    system = platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    return f"{system}, {cores} cores, {time.strftime('%Y-%m-%d')}"


def record(part: str, values: Mapping[str, float], table: Sequence[Sequence[str]]) -> None:
    """Put one part's numbers into results.json, one flat object, and its table into PART.md."""
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    rounded = {name: round(value, 4) for name, value in values.items()}
    known |= {**rounded, f"{part}_machine": machine()}
    FILE.write_text(f"{json.dumps(known, indent=2, sort_keys=True)}\n")
    (HERE / f"{part}.md").write_text(
        f"{machine()}\n\n{markdown(table)}\n\n![the same as a chart]({part}.svg)\n"
    )


def chart(part: str, title: str, series: Mapping[str, Mapping[str, float]]) -> None:
    """Draw seconds as horizontal bars, a group for each name, a colour for each series, as SVG."""
    names = list(next(iter(series.values())))
    left = 12 + _LETTER * max(map(len, names))
    right = 50 + _LETTER * max(map(len, series))
    most = max(value for values in series.values() for value in values.values())
    row = len(series) * _BAR + _GAP
    lines = [f'<text x="4" y="16" font-weight="bold">{escape(title)}</text>']
    for number, name in enumerate(names):
        top = 28 + number * row
        lines.append(f'<text x="4" y="{top + row / 2}">{escape(name)}</text>')
        for place, (label, values) in enumerate(series.items()):
            width = values[name] / most * (_WIDTH - left - right)
            y = top + place * _BAR
            lines.append(
                f'<rect x="{left}" y="{y}" width="{width:.1f}" height="{_BAR - 3}" '
                f'fill="{_COLOURS[place % len(_COLOURS)]}"/>'
                f'<text x="{left + width + 6:.1f}" y="{y + 12}">'
                f"{_brief(values[name])} s{escape(label and f' ({label})')}</text>"
            )
    height = 34 + len(names) * row
    body = "\n".join(lines)
    (HERE / f"{part}.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n{body}\n</svg>\n'
    )


def _brief(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.2f}"
