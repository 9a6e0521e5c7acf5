"""The releases that every side deploys: the sample app, with 2 % of its bytes new each time."""

import os
import random
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pipeline.release import artifact, build

ROOT = Path(__file__).resolve().parents[2]
SHARE = 0.02


@dataclass(frozen=True)
class Release:
    """One release: its tree, our artifact of it, and the plain tarball that peers send."""

    version: str
    tree: Path
    artifact: Path
    tarball: Path

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum(path.stat().st_size for path in self.tree.rglob("*") if path.is_file())


class Shop:
    """Builds releases below `directory`, from a copy of the sample app."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._app = directory / "app"
        ignored = shutil.ignore_patterns("_build", "node_modules")
        shutil.copytree(ROOT / "examples/qusto", self._app, ignore=ignored)

    def build(self, version: str, faults: str = "", extra_migrations: int = 0) -> Release:
        """Build a release; `faults` as docs/sample-app.md names them."""
        place = self._directory / version
        tree = place / "plausible"  # the artifact is named after it
        environ = {
            **os.environ,
            "MIX_ENV": "prod",
            "APP_VERSION": version,
            "QUSTO_BREAK": faults,
            "QUSTO_EXTRA_MIGRATION": str(extra_migrations),
        }
        words = ["mix", "release", "plausible", "--overwrite", "--quiet", "--path", str(tree)]
        subprocess.run(words, cwd=self._app, env=environ, stdin=subprocess.DEVNULL, check=True)
        size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
        # Incompressible, as images and minified scripts nearly are; in files like theirs.
        new = random.Random(version).randbytes(int(size * SHARE))
        assets = tree / "assets"
        assets.mkdir()
        for number in range(20):
            (assets / f"{number}.bin").write_bytes(new[number::20])
        commit = f"{random.Random(version).getrandbits(160):040x}"
        facts = build.facts(self._app, tree, "prod", commit=commit)
        packed = artifact.pack(tree, facts, place)
        tarball = place / "plain.tar.gz"
        subprocess.run(["tar", "-czf", tarball, "-C", tree, "."], check=True)
        return Release(version, tree, packed.path, tarball)
