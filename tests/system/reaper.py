"""Outlives the tests to end what they made: also when they are killed.

`python -m tests.system.reaper LAB`: waits until standard input, a pipe whose other end only
the test process holds, says that this process ended or is done; then ends the lab.
"""

import sys
from pathlib import Path

from tests.system import leftovers


def main() -> None:
    """Wait for the end of input, then end the lab named by the first argument."""
    lab = Path(sys.argv[1])
    sys.stdin.read()
    with leftovers.lock():
        leftovers.end_lab(lab)


if __name__ == "__main__":
    main()
