"""What came out of all rounds: the table, the numbers of results.json, the chart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import results
from benchmarks.deploy.bench import BAD, FAR, LINES, NEAR, Kind, Mishap, Run
from benchmarks.deploy.peers import Peer
from benchmarks.results import Spread

_HEAD = (
    "",
    "version",
    *(f"seconds, {kind.name}" for kind in LINES),
    "remote executions",
    "sent for 2 %",
    "sent for nothing new",
    "down",
    "failed requests",
    "disk added",
    "exit, broken release",
    "serves after it",
    "serves after SIGKILL in the outage",
)


@dataclass(frozen=True)
class Found:
    """Everything that was measured, deploys by line and side; a size is in bytes."""

    runs: Mapping[tuple[Kind, str], Sequence[Run]]
    bare: Sequence[float]
    """Seconds without an answer of plain stops and starts."""
    again: Mapping[str, int]
    """Bytes that each side sends for a release that is there already."""
    mishaps: Mapping[str, Mishap]
    size: int

    def seconds(self, kind: Kind, side: str) -> float:
        """Return the median time of one side's deploys over one kind of line."""
        return median(run.seconds for run in self.runs[(kind, side)])

    def down(self, side: str) -> float:
        """Return the median downtime of one side's deploys."""
        return median(run.down for run in self.runs[(NEAR, side)])


def table(found: Found, sides: Sequence[Peer]) -> list[list[str]]:
    """Return the rows for people, their head first."""
    bare = Spread.of(found.bare).shown("{:.2f} s".format)
    before = _HEAD.index("down") - 1
    last = ["bare stop; start", *[""] * before, bare, *[""] * (len(_HEAD) - before - 2)]
    return [list(_HEAD), *(_row(found, side) for side in sides), last]


def values(found: Found, sides: Sequence[Peer]) -> dict[str, float]:
    """Return the numbers for results.json; a ratio over 1 says that ours is faster."""
    ours = found.runs[(NEAR, "ours")]
    numbers = {
        "downtime_ratio": found.down("ours") / median(found.bare),
        "downtime_seconds": found.down("ours"),
        "downtime_bare_seconds": median(found.bare),
        "bytes_2pct": median(run.sent for run in ours) / found.size,
        "bytes_0pct": found.again["ours"] / found.size,
        "ours_80ms_seconds": found.seconds(FAR, "ours"),
    }
    for name in (side.name for side in sides if side.name != "ours"):
        numbers |= {
            f"{name}_80ms_ratio": found.seconds(FAR, name) / found.seconds(FAR, "ours"),
            f"{name}_10mbit_ratio": found.seconds(BAD, name) / found.seconds(BAD, "ours"),
            f"{name}_downtime_seconds": found.down(name),
        }
    return numbers


def publish(found: Found, sides: Sequence[Peer], title: str) -> None:
    """Print the table, record it with its numbers, draw the chart."""
    rows = table(found, sides)
    results.show(title, rows)
    results.record("deploy", values(found, sides), rows)
    bars = {
        kind.name: {side.name: found.seconds(kind, side.name) for side in sides} for kind in LINES
    }
    results.chart("deploy", "Seconds for one deploy", bars)


def _row(found: Found, side: Peer) -> list[str]:
    near = found.runs[(NEAR, side.name)]
    mishap = found.mishaps[side.name]
    times = (Spread.of([run.seconds for run in found.runs[(kind, side.name)]]) for kind in LINES)
    return [
        side.name,
        side.version(),
        *(spread.shown("{:.1f} s".format) for spread in times),
        f"{median(run.executions for run in near):.0f}",
        f"{median(run.sent for run in near) / found.size:.2%}",
        f"{found.again[side.name] / found.size:.2%}",
        Spread.of([run.down for run in near]).shown("{:.2f} s".format),
        f"{median(run.failed for run in near):.0f}",
        f"{median(run.added for run in near) / 1e6:.1f} MB",
        str(mishap.exit_code),
        mishap.after_broken or "nothing",
        mishap.after_kill or "nothing",
    ]
