"""The table that ends `make faults`: `python -m tests.system.faults_table REPORT.jsonl`.

Reads one JSON row per fault that passed, prints what happened by fault and command, and writes
all rows as one JSON list beside the report.
"""

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

Rows = list[dict[str, Any]]


def read(report: Path) -> Rows:
    """Return the rows of the report, in a fixed order."""
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    return sorted(rows, key=lambda row: [row[key] for key in ("fault", "command", "when")])


def table(rows: Rows) -> str:
    """Return one Markdown line per fault and command; seconds from the fault to the invariant."""
    groups: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows:
        groups[row["fault"], row["command"]].append(row)
    lines = [
        "| fault | command | rows | how they ended | seconds to settle: median, most |",
        "|---|---|---|---|---|",
    ]
    for (fault, command), group in groups.items():
        counted = Counter(row["outcome"] for row in group).most_common()
        ends = ", ".join(f"{number} {outcome}" for outcome, number in counted)
        seconds = sorted(row["seconds"] for row in group)
        times = f"{seconds[len(seconds) // 2]:.1f}, {seconds[-1]:.1f}"
        lines.append(f"| {fault} | {command} | {len(group)} | {ends} | {times} |")
    return "\n".join(lines)


if __name__ == "__main__":
    source = Path(sys.argv[1])
    found = read(source)
    source.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n")
    sys.stdout.write(table(found) + "\n")
