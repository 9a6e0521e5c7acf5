"""The demo, played with the miniature release: what a newcomer without Elixir sees."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import settings
from tests.unit.sandbox.waiting import until

INV = Path(sys.executable).with_name("inv")
STORY = [
    "Elixir is not installed here: a miniature release",
    "Version 1.0.0 is deployed.",
    "GET /api/system: version 1.0.0 serves",
    "(exit 10, as it should be)",
    "GET /api/system: version 1.0.0 serves",
    "GET /api/system: version 3.0.0 serves",
    "GET /api/system: version 1.0.0 serves",
    "rolled-back",
    "The sandbox is gone",
]
Demo = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    """Return the directory for everything temporary of the demo."""
    directory = tmp_path / "tmp"
    directory.mkdir()
    return directory


@pytest.fixture
def demo(tmp_path: Path, temporary: Path) -> Demo:
    """Return what starts the demo on a machine without Elixir, and without `missing`."""

    def start(*missing: str, options: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        programs = tmp_path / "bin"
        programs.mkdir()
        for directory in ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"):
            for program in Path(directory).iterdir():
                link = programs / program.name
                if program.name not in ("mix", "elixir", *missing) and not link.is_symlink():
                    link.symlink_to(program)
        assert shutil.which("mix", path=str(programs)) is None
        return subprocess.Popen(
            [str(INV), "demo", *options],
            cwd=settings.PROJECT,
            env={**os.environ, "PATH": str(programs), "TMPDIR": str(temporary)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


def living(temporary: Path) -> list[str]:
    """Return the command lines of all that was started with this temporary directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if str(temporary).encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().decode("utf-8", "replace"))
        except OSError:
            continue  # it ended meanwhile, or is no process, or not ours
    return found


def read_until(demo: "subprocess.Popen[str]", sentence: str) -> str:
    said = ""
    for text in demo.stdout or ():
        said += text
        if sentence in text:
            return said
    pytest.fail(f"the demo never said {sentence!r}, but\n{said}")


@pytest.mark.parametrize("missing", [(), ("rsync", "curl")], ids=["all", "no rsync or curl"])
def test_the_demo_tells_the_whole_story_and_leaves_nothing(
    demo: Demo, temporary: Path, missing: tuple[str, ...]
):
    playing = demo(*missing)
    said, _ = playing.communicate(timeout=180)
    assert playing.returncode == 0, said
    at = 0
    for sentence in STORY:
        assert sentence in said[at:]
        at = said.index(sentence, at) + 1
    setup, version = said.index(" setup --env-file="), said.index("Version 1.0.0 is deployed.")
    assert len(said[setup:version].splitlines()) == 3  # the command, its first line, an empty one
    assert "Traceback" not in said
    assert "Warning" not in said
    assert list(temporary.iterdir()) == []
    assert living(temporary) == []


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGINT, 130, "ok     backup"),  # the activation begins, and is rolled back
        (signal.SIGTERM, 143, "ok     lock"),
        (signal.SIGHUP, 129, "GET /api/system"),
    ],
    ids=["INT", "TERM", "HUP"],
)
def test_an_interrupted_demo_leaves_nothing(
    demo: Demo, temporary: Path, number: signal.Signals, code: int, moment: str
):
    playing = demo()
    read_until(playing, moment)
    os.kill(playing.pid, number)
    said, _ = playing.communicate(timeout=180)
    assert playing.returncode == code, said
    assert list(temporary.iterdir()) == []
    assert living(temporary) == []


def test_a_kept_sandbox_obeys_the_printed_commands_until_ctrl_c(demo: Demo, temporary: Path):
    playing = demo(options=("--keep",))
    said = read_until(playing, "Ctrl-C here")
    lines = said.partition("In another terminal")[2].splitlines()
    typed = [line.strip() for line in lines if line.startswith("  ")]
    newest = next(line for line in typed if "plausible-3.0.0" in line)
    there, where = typed[:2]
    status = next(line for line in typed if line.endswith(" status"))
    script = "\n".join(("set -e", there, where, newest, status))
    ended = subprocess.run(
        ["sh", "-c", script], cwd="/", capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3.0.0" in ended.stdout.splitlines()[-1]
    os.kill(playing.pid, signal.SIGINT)
    said, _ = playing.communicate(timeout=180)
    assert (playing.returncode, "The sandbox is gone" in said) == (0, True)
    assert list(temporary.iterdir()) == []
    assert living(temporary) == []


def test_a_temporary_directory_that_no_server_could_have_is_refused(tmp_path: Path):
    odd = tmp_path / "a b"
    odd.mkdir()
    ended = subprocess.run(
        [str(INV), "demo"],
        cwd=settings.PROJECT,
        env={**os.environ, "TMPDIR": str(odd)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 2
    assert "set TMPDIR to another" in ended.stderr
    assert list(odd.iterdir()) == []


def test_a_killed_demo_leaves_no_process(demo: Demo, temporary: Path):
    playing = demo()
    read_until(playing, "version 1.0.0 serves")
    assert len(living(temporary)) > 1
    playing.kill()
    playing.communicate(timeout=180)
    until(lambda: living(temporary) == [])
