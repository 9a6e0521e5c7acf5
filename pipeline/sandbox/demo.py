"""`inv demo`: the whole life of a release on a throw-away host, told by the real commands."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from rich.console import Console
from rich.markup import escape

from pipeline import descendants
from pipeline.errors import ExitCode, Problem, UsageProblem
from pipeline.sandbox import miniature
from pipeline.sandbox.host import NAME, Sandbox

_GIVE_UP_SECONDS = 30
"""The longest an interrupted command may take; a deploy first rolls back what it began."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_SIGNALLED = 128
ELIXIR_COMMIT = "e11c51" * 6 + "beef"
Builder = Callable[[str, str], Path]


@dataclass(frozen=True)
class Stage:
    """What the acts of the demo share."""

    sandbox: Sandbox
    project: Path
    console: Console

    def tell(self, text: str) -> None:
        """Say what comes next."""
        self.console.print(f"\n[bold cyan]{escape(text)}[/]", highlight=False)

    def command(self, *words: str, expect: int = 0, brief: bool = False, **variables: str) -> None:
        """Show a command line and run it; Problem if it does not exit with `expect`.

        `brief`: of its output only the first line is shown, unless it goes wrong.
        """
        self.console.print(f"[bold]$ {escape(' '.join(words))}[/]", highlight=False, soft_wrap=True)
        sys.stdout.flush()
        program = Path(sys.executable).with_name(words[0])
        environ = {**os.environ, **self.sandbox.environ(), **variables}
        with tempfile.TemporaryFile() as held:
            argv = [str(program), *words[1:]]
            code = _run(argv, self.project, environ, held if brief else None)
            held.seek(0)
            said = held.read().decode("utf-8", "replace")
        shown = said if code != expect else said.partition("\n")[0]
        if shown:
            self.console.print(escape(shown), highlight=False, soft_wrap=True)
        if code != expect:
            raise Problem(
                f"the demo went wrong: `{' '.join(words)}` exited {code}, but {expect} was expected"
            )
        if expect:
            self.console.print(f"[dim](exit {expect}, as it should be)[/]", highlight=False)

    def serving(self) -> str:
        """Return the version that answers now, "" if nothing does."""
        url = f"http://127.0.0.1:{self.sandbox.http}/api/system"
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return str(json.load(answer)["build"]["version"])
        except urllib.error.URLError:
            return ""

    def expect(self, version: str) -> None:
        """Ask the service itself what serves; Problem if it is not `version`."""
        found = self.serving()
        if found != version:
            raise Problem(f"the demo went wrong: {found or 'nothing'} serves, not {version}")
        self.console.print(f"[green]GET /api/system: version {version} serves[/]", highlight=False)


def run(project: Path, *, keep: bool = False) -> int:
    """Play the demo from the checkout `project`; return the exit code.

    `keep`: the sandbox stays until a signal ends it, for commands from another terminal.

    Raises UsageProblem where it cannot run at all, Problem when anything differs from the story.
    """
    if not Path("/proc/uptime").exists():
        raise UsageProblem("the sandbox host needs Linux: the server's scripts read /proc/uptime")
    if missing := [name for name in ("flock", "sha256sum") if shutil.which(name) is None]:
        raise UsageProblem(
            f"{', '.join(missing)} not found", remedy="install util-linux, coreutils"
        )
    directory = tempfile.gettempdir()
    if not re.fullmatch(r"[\w./-]+", directory, re.ASCII):
        raise UsageProblem(
            f"the temporary directory {directory!r} has characters that paths of a server may not",
            remedy="set TMPDIR to another",
        )
    console = Console()
    curl = "" if shutil.which("curl") else "curl, "
    console.print(
        "A sandbox: an SSH server on 127.0.0.1 whose commands run here, below one temporary "
        "directory. Stand-ins take the place of sudo, systemctl, systemd-run, journalctl, "
        f"useradd, usermod, groupadd, getent, {curl}visudo and chown. SSH, the transfer of files, "
        "the scripts, the processes and the health checks are real.",
        highlight=False,
    )
    with _ending_on_signals(), descendants.guarded(), Sandbox() as sandbox:
        stage = Stage(sandbox, project, console)
        try:
            _play(stage, _builder(stage))
            if keep:
                _stay(stage)
        finally:
            _ignore_signals()  # what follows takes a moment and must not be cut short
    console.print("\nThe sandbox is gone, and nothing of it is left.", highlight=False)
    return int(ExitCode.DONE)


def _play(stage: Stage, build: Builder) -> None:
    host = ("-H", NAME)
    directory = stage.sandbox.directory
    stage.tell("The host is made ready: users, directories, units, sudo lines, environment.")
    stage.command("fab", *host, "setup", f"--env-file={stage.sandbox.env_file}", brief=True)
    stage.tell("Version 1.0.0 is deployed.")
    stage.command("fab", *host, "deploy", f"--artifact={build('1.0.0', '')}")
    stage.expect("1.0.0")
    first = next((directory / f"host/var/www/qusto/{NAME}/releases").iterdir()).name
    stage.tell("Version 2.0.0 starts, but never becomes healthy: it is rolled back by itself.")
    bad = build("2.0.0", "health")
    stage.command("fab", *host, "deploy", f"--artifact={bad}", expect=int(ExitCode.ROLLED_BACK))
    stage.expect("1.0.0")
    stage.tell("Version 3.0.0 is good.")
    stage.command("fab", *host, "deploy", f"--artifact={build('3.0.0', '')}")
    stage.expect("3.0.0")
    stage.tell("Someone wants the first release back.")
    stage.command("fab", *host, "rollback", f"--to={first}")
    stage.expect("1.0.0")
    stage.tell("What is there, what happened, what serves:")
    stage.command("fab", *host, "releases")
    stage.command("fab", *host, "history")
    stage.command("fab", *host, "status")


def _stay(stage: Stage) -> None:
    """Print what can be typed elsewhere, and wait for the signal that ends the sandbox."""
    sandbox = stage.sandbox
    fab = shlex.quote(str(Path(sys.executable).with_name("fab")))
    artifacts = sorted(sandbox.directory.glob("dist/plausible-*.tar.gz"))
    lines = [
        f"cd {shlex.quote(str(stage.project))}",
        f"export QUSTO_HOSTS={sandbox.hosts_file}",
        *(f"{fab} -H {NAME} deploy --artifact={artifact}" for artifact in artifacts),
        *(f"{fab} -H {NAME} {task}" for task in ("status", "rollback", "history", "logs")),
        f"curl http://127.0.0.1:{sandbox.http}/api/system",
    ]
    stage.tell("The sandbox stays. In another terminal type, for example:")
    for line in lines:
        stage.console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    stage.console.print(
        f"Ctrl-C here (or kill {os.getpid()}) ends it; nothing of it will be left.", highlight=False
    )
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


def _run(
    argv: list[str], directory: Path, environ: dict[str, str], output: IO[bytes] | None
) -> int:
    """Run a program to its end; if we are interrupted, so is it, and we wait until it is gone.

    It has a process group of its own, so that Ctrl-C comes to it from us, and once.
    """
    child = subprocess.Popen(
        argv, cwd=directory, env=environ, process_group=0, stdout=output, stderr=output
    )
    try:
        return child.wait()
    except BaseException:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(_GIVE_UP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        raise


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let INT, TERM and HUP end the demo in an orderly way; a second one changes nothing."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def end(number: int, _frame: FrameType | None) -> None:
        _ignore_signals()
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(_SIGNALLED + number)

    for number in _SIGNALS:
        if before[number] != signal.SIG_IGN or number == signal.SIGINT:  # nohup stays in force
            signal.signal(number, end)
    try:
        yield
    finally:
        for number in _SIGNALS:
            signal.signal(number, before[number])


def _ignore_signals() -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _builder(stage: Stage) -> Builder:
    """Return what makes artifacts: mix on the sample app, or the miniature release."""
    dist = stage.sandbox.directory / "dist"
    if shutil.which("mix") is None:
        stage.tell("Elixir is not installed here: a miniature release stands in for the app.")
        return lambda version, faults: miniature.build(version, faults=faults, into=dist).path
    app = stage.sandbox.directory / "app"
    # Without the npm packages, whose installation would take longer than the rest together.
    left_out = shutil.ignore_patterns("_build", "deps", "node_modules", "assets", "tracker")
    shutil.copytree(stage.project / "examples/qusto", app, ignore=left_out)
    stage.tell("The sample app is checked.")
    stage.command("inv", "check", f"--app={app}", "--only=compile,format,unused-deps,test")

    def build(version: str, faults: str) -> Path:
        stage.command(
            "inv",
            "build",
            f"--app={app}",
            f"--dist={dist}",
            APP_VERSION=version,
            APP_COMMIT=ELIXIR_COMMIT,
            QUSTO_BREAK=faults,
        )
        return next(dist.glob(f"plausible-{version}-*.tar.gz"))

    return build
