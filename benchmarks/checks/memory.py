"""The runner's own memory while 20 programs run at once and print megabytes."""

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.checks.runs import run

PRINTING = {
    "20 checks that sleep": "sleep 3",
    "20 checks that print 3 MB in one line": "head -c 3000000 /dev/zero; sleep 3",
    "20 checks that print 3 MB in lines": "yes 'lib/a.ex:12: x' | head -c 3000000; sleep 3",
    # A character beyond the basic plane makes Python hold a text in four bytes each.
    "20 checks that print 3 MB and emoji": "yes '🎉 lib/a.ex:12: x' | head -c 3000000; sleep 3",
    "20 checks that print 30 MB": "yes 'lib/a.ex:12: x' | head -c 30000000; sleep 3",
}

_SCRIPT = """
import sys, time
from pathlib import Path
from pipeline.checks import commands, table
from pipeline.checks.check import Check
from pipeline.checks.listeners import Nobody
from pipeline.checks.plan import Planned
from pipeline.checks.run import Pace, run
script = sys.argv[1]
rows = [Planned(Check(f"row{n}", "", ("sh", "-c", script), ())) for n in range(20)]
began = time.monotonic()
ran = run(Path.cwd(), rows, Nobody(), Pace(20, dict.fromkeys((r.check.name for r in rows), 1.0)),
          {})
assert all(o.verdict == "passed" for o in ran.outcomes), ran
assert time.monotonic() - began < 15, "the rows did not run at the same time"
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def runner(app: Path, env: Mapping[str, str], script: str) -> float:
    """Return the runner's own peak memory in MB while `script` runs 20 times at once."""
    ended = run((sys.executable, "-c", _SCRIPT, script), app, env)
    return int(ended.output.split()[-1]) / 1024
