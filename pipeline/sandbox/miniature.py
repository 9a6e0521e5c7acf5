"""A miniature release for machines without Elixir: the shape of a mix release, in Python.

Same commands (`start`, `eval`), same routes, same migrations to list and run; the demo says so.
"""

import platform
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from pipeline.release import artifact
from pipeline.release.artifact import Artifact
from pipeline.release.manifest import Facts

SOURCES = Path(__file__).parent / "miniature_release"
COMMIT = "5a9d0b0c" * 5


def build(version: str, *, faults: str, into: Path) -> Artifact:
    """Pack a miniature release into `into`; `faults` is "" or "health" (never healthy)."""
    tree = into / f"tree-{version}"
    (tree / "bin").mkdir(parents=True)
    (tree / "releases" / version).mkdir(parents=True)
    start = (SOURCES / "plausible.sh").read_text("utf-8")
    (tree / "bin/plausible").write_text(f"#!/bin/sh\npython={shlex.quote(sys.executable)}\n{start}")
    (tree / "bin/plausible").chmod(0o755)
    shutil.copy(SOURCES / "server.py", tree / "server.py")
    (tree / "releases/start_erl.data").write_text(f"0 {version}")
    (tree / "version").write_text(version)
    (tree / "commit").write_text(COMMIT)
    (tree / "faults").write_text(faults)
    facts = Facts(
        app="plausible",
        version=version,
        commit=COMMIT,
        dirty=False,
        branch="",
        mix_env="miniature",
        built_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        elixir="",
        erts="",
        os=platform.platform(),
        arch=platform.machine(),
        libc="",
    )
    packed = artifact.pack(tree, facts, into)
    shutil.rmtree(tree)
    return packed
