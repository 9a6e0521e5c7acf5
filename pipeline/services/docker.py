"""Containers through docker compose: what to call, and what its failures mean to the user."""

import hashlib
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Problem
from pipeline.process import environment

WAIT = 120
"""Seconds for the health checks, after images have been fetched."""

PATIENCE = 30.0
"""Seconds for a short question to docker."""

_LOG_LINES = 20
_STDERR = 2

_NEUTRAL = Path("/")
"""Where docker is called: compose reads an .env file where it stands, and the application has one
that is for other eyes."""

_COMPOSE = ("docker", "compose")
_OTHERWISE = "or run the services yourself at the addresses that the application names"


@dataclass(frozen=True)
class Said:
    """How a call of docker ended: its exit code, and its two streams."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """The containers of one application: compose keeps projects apart by their name."""

    name: str
    environ: Mapping[str, str]

    def up(self, file: str, secrets: Mapping[str, str], *names: str) -> None:
        """Start and wait for the health checks; Problem with the last words of what failed."""
        words = ("--file", "-", "up", "--detach", "--wait", "--wait-timeout", str(WAIT), *names)
        # Images come from a network: compose shows how far they are, and only Ctrl-C ends it.
        ended = subprocess.run(
            self._argv(*words),
            cwd=_NEUTRAL,
            env=environment(self.environ, secrets),
            input=file,
            stdout=_STDERR,
            text=True,
            check=False,
        )
        if ended.returncode:
            raise Problem(
                f"docker compose did not get {', '.join(names)} to work (exit {ended.returncode})",
                remedy="its own words are above; inv services.down removes what is left",
                detail="\n".join(self.last_words(name) for name in names),
            )

    def last_words(self, name: str) -> str:
        """Return the last lines of a container's log, under a line that says whose they are."""
        ended = self._compose(
            "logs", "--no-color", "--no-log-prefix", "--tail", str(_LOG_LINES), name
        )
        words = _tail(ended.out + ended.err)
        return f"--- {name} said\n{words}" if words else f"--- {name} said nothing"

    def containers(self) -> list[str]:
        """Return the ids of what this project has, running or not."""
        ended = self._compose("ps", "--all", "--quiet")
        if ended.code:
            raise Problem(f"docker compose ps: {_first(ended.err)}")
        return ended.out.split()

    def down(self) -> None:
        """Stop and remove the containers, with their data."""
        ended = self._compose("down", "--volumes", "--remove-orphans", timeout=120.0)
        if ended.code:
            raise Problem(f"docker compose down: {_first(ended.err)}", detail=_tail(ended.err))

    def _argv(self, *words: str) -> tuple[str, ...]:
        return (*_COMPOSE, "--project-name", self.name, *words)

    def _compose(self, *words: str, timeout: float = PATIENCE) -> Said:
        return _run(self._argv(*words), environment(self.environ, {}), timeout)


def project(app: Path, environ: Mapping[str, str]) -> Project:
    """Return the application's project. Raises Problem where docker cannot work, and why."""
    if shutil.which("docker", path=environ.get("PATH")) is None:
        remedy = f"install Docker with its compose plugin, {_OTHERWISE}"
        raise Problem("docker is not installed", remedy=remedy)
    base = environment(environ, {})
    if _run((*_COMPOSE, "version"), base).code:
        raise Problem(
            "docker has no compose plugin: `docker compose version` fails",
            remedy=f"install the compose plugin of Docker (version 2.17 or later), {_OTHERWISE}",
        )
    engine = _run(("docker", "version", "--format", "{{.Server.Version}}"), base)
    if engine.code:
        raise Problem(
            f"docker's engine does not answer: {_first(engine.err)}",
            remedy=f"start it (systemctl start docker, or Docker Desktop), {_OTHERWISE}",
        )
    place = hashlib.sha256(str(app.resolve()).encode()).hexdigest()[:8]
    return Project(f"qusto-services-{place}", environ)


def _run(argv: tuple[str, ...], environ: Mapping[str, str], timeout: float = PATIENCE) -> Said:
    try:
        ended = subprocess.run(
            argv,
            cwd=_NEUTRAL,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Said(124, "", f"no answer within {timeout:g} s")
    except OSError as error:
        return Said(126, "", f"{argv[0]}: {error.strerror}")
    return Said(ended.returncode, ended.stdout, ended.stderr)


def _first(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "it says nothing")


def _tail(text: str) -> str:
    return "\n".join(text.splitlines()[-_LOG_LINES:])
