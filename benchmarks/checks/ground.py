"""The copy of the sample app that all sides check, and what is done to it between two runs."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.checks.runs import run

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "examples/qusto"
INV = (sys.executable, "-m", "invoke", "--search-root", str(ROOT))


_COUNTING = """\
#!/bin/sh
echo >>"$BEAM_STARTS"
exec %s "$@"
"""
"""In the place of erl, for all sides alike."""


def require() -> None:
    """End with a message where something is missing that cannot be installed from here."""
    for program in ("mix", "node", "git", "xargs"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    if not (APP / "assets/node_modules").is_dir():
        sys.exit("npm packages are missing: bootstrap/npm.sh")


def place(directory: Path) -> tuple[Path, dict[str, str]]:
    """Copy the sample app, built and with its npm packages, into a git repository of its own.

    Returns it with the environment of all sides, in which each start of a BEAM leaves a line in
    the file BEAM_STARTS.
    """
    app = directory / "qusto"
    run(("cp", "-a", str(APP), str(app)), directory, os.environ)
    home = directory / "home"
    home.mkdir()
    own = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    own |= {f"GIT_{role}_{what}": "b@example.org" for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")}  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "MIX_ENV")}
    env |= own
    tools = directory / "tools"
    tools.mkdir()
    (tools / "erl").write_text(_COUNTING % shutil.which("erl"))
    (tools / "erl").chmod(0o755)
    env |= {"PATH": f"{tools}:{env['PATH']}", "BEAM_STARTS": str(directory / "beam-starts")}
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        run(("git", *words), app, env)
    run(("mix", "compile"), app, env | {"MIX_ENV": "test"})
    return app, env


class Changes:
    """What happens to the application between two runs."""

    def __init__(self, app: Path, env: Mapping[str, str]) -> None:
        self._app = app
        self._env = env
        self._source = app / "lib/plausible_release.ex"
        self._text = self._source.read_text()

    def one_file(self) -> None:
        """Change one source file, in a way that changes no behaviour."""
        self._source.write_text(f"{self._text}\n# {time.time_ns()}\n")

    def one_file_staged(self) -> None:
        """Change one source file and stage it."""
        self.one_file()
        run(("git", "add", "-A"), self._app, self._env)

    def no_build(self) -> None:
        """Remove everything that was compiled."""
        shutil.rmtree(self._app / "_build", ignore_errors=True)

    def no_build_staged(self) -> None:
        """Remove everything that was compiled, with a change staged."""
        self.no_build()
        self.one_file_staged()


def prek() -> str:
    """Return the path of prek, installed from PyPI if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "qusto-pipeline/prek"
    if not (home / "bin/prek").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "prek"], check=True)
    return str(home / "bin/prek")
