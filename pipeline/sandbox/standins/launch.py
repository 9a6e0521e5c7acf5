"""Starting the supervisor of a unit, with nothing of ours inherited by it."""

import os
import subprocess
import sys

from pipeline.sandbox.standins import units

_PROJECT = sys.path[0]
_RUN = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from pipeline.sandbox.standins import supervisor; sys.exit(supervisor.main(sys.argv[1:]))"
)


def launch(unit: str, lock: int, transient: tuple[str, ...] = ()) -> str:
    """Start the unit whose lock we hold; return `active`, `done` or `failed`.

    `transient` is the user's name and the command line of a unit without a file.
    """
    units.change(unit, supervisor=0, Result="success")
    reading, writing = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-ISc", _RUN, _PROJECT, unit, str(lock), str(writing), *transient],
        env=units.inherited(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock, writing),
        start_new_session=True,
    )
    os.close(writing)
    os.close(lock)
    with open(reading, encoding="ascii") as answer:
        word = answer.read()
    child.returncode = 0  # it lives on, as a child of init: not ours to wait for
    return word or "failed"
