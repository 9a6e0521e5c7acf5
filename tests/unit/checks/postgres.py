"""A PostgreSQL of a test's own: a private cluster on a socket in a directory of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.programs import find

USER = "nobody" if os.geteuid() == 0 else None
"""PostgreSQL refuses to run as root."""


@contextmanager
def cluster() -> Iterator[dict[str, str]]:
    """Run one, and give the variables with which psql finds it; nothing of it is left."""
    programs = Path(find("initdb") or "").parent
    # Not below pytest's directories: they are root's alone, and the path of a socket is short.
    with tempfile.TemporaryDirectory(prefix="pg-") as directory:
        top = Path(directory)
        if USER:
            shutil.chown(top, USER)
        data = str(top / "data")
        options = f"-k {top} -c listen_addresses= -c fsync=off"
        _run(programs / "initdb", "-D", data, "-A", "trust", "-U", "tests", "--no-sync", cwd=top)
        ctl = (programs / "pg_ctl", "-D", data, "-w", "-t", "60")
        _run(*ctl, "-l", str(top / "log"), "-o", options, "start", cwd=top)
        try:
            yield {"PGHOST": str(top), "PGUSER": "tests"}
        finally:
            _run(*ctl, "-m", "immediate", "stop", cwd=top)


def _run(*argv: str | Path, cwd: Path) -> None:
    ended = subprocess.run(
        argv,
        cwd=cwd,
        user=USER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout
