"""Releases of the sample app, built for real with the machine's Elixir, each once per test run."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline.release import artifact, build

COMMIT = "c0ffee" * 6 + "beef"


@dataclass(frozen=True)
class Builder:
    """Builds variants of the sample app from a copy of it; the checkout stays as it is."""

    app: Path
    once: Callable[[str, Callable[[Path], None]], Path]

    def __call__(self, version: str, faults: str = "", extra_migrations: int = 0) -> Path:
        """Return the artifact of `version`, with `faults` (QUSTO_BREAK) built in."""
        name = f"release-{version}-{faults.replace(',', '-') or 'good'}-{extra_migrations}"

        def make(directory: Path) -> None:
            tree = directory / "plausible"  # the artifact is named after it
            environ = {
                **os.environ,
                "MIX_ENV": "prod",
                "MIX_BUILD_PATH": str(directory / "build"),
                "APP_VERSION": version,
                "APP_COMMIT": COMMIT,
                "QUSTO_BREAK": faults,
                "QUSTO_EXTRA_MIGRATION": str(extra_migrations),
            }
            words = ["mix", "release", "plausible", "--overwrite", "--quiet", "--path", str(tree)]
            subprocess.run(words, cwd=self.app, env=environ, stdin=subprocess.DEVNULL, check=True)
            facts = build.facts(self.app, tree, "prod", commit=COMMIT)
            artifact.pack(tree, facts, directory)
            shutil.rmtree(tree)
            shutil.rmtree(directory / "build")

        return next(self.once(name, make).glob("*.tar.gz"))
