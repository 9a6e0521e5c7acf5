"""A framed script runs the same under every login shell, and its answer is told from all noise."""

import os
import subprocess
from pathlib import Path

import pytest

from pipeline.remote.framing import PATH, Answer, Frame, frame
from tests import programs

REQUIRED = ("dash", "bash", "busybox sh", "tcsh")
SHELLS = (*REQUIRED, "bsd-csh", "fish", "mksh", "zsh")


def answered(
    words: list[str], framed: Frame, stdin: bytes = b"", **environ: str
) -> tuple[Answer, list[str]]:
    """Let a login shell run the frame's command line, as sshd does."""
    ended = subprocess.run(
        [*words, "-c", framed.command],
        input=framed.payload + stdin,
        capture_output=True,
        env={"HOME": "/", "PATH": os.environ["PATH"], **environ},
    )
    answer = Answer(framed.nonce)
    lines = answer.take(ended.stdout)
    answer.take_err(ended.stderr)
    return answer, lines


@pytest.mark.parametrize("shell", SHELLS)
def test_a_script_runs_in_its_own_environment_whatever_the_login_shell_is(shell: str):
    words = shell.split()
    if shell in REQUIRED:
        programs.need(words[0])
    elif not programs.find(words[0]):
        pytest.skip(f"{words[0]} is not installed")
    script = """set -eu
cat                                  # its own standard input, to the end
printf '%s\\n' "it's a\\b! $HOME $#" '!x'
env | grep -v ^_= | sort
umask
echo oops >&2
printf unfinished
exit 7"""
    answer, lines = answered(words, frame(script), b"fed\n", LC_ALL="C.UTF-8", EXTRA="from login")
    own = [line for line in lines if not line.startswith(("OLDPWD=", "PWD="))]
    assert own == [
        "fed",
        "it's a\\b! / 0",
        "!x",
        "HOME=/",
        "LC_ALL=C",
        f"PATH={PATH}",
        "0022",
        "unfinished",
    ]
    assert (answer.code, answer.err) == (7, "oops\n")
    assert answer.out.endswith("0022\nunfinished")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("echo Welcome; echo warning >&2; ", "; echo bye; echo bye >&2"),
        (r"printf '\033]0;a title\007'; printf half >&2; ", "; printf bye"),
        ("set -x; ", ""),
        ("head -c 200000 /dev/zero; ", ""),
        ("exec 2>&1; ", ""),
    ],
)
def test_what_the_login_prints_is_not_part_of_the_answer(before: str, after: str):
    framed = frame("echo answer; echo error >&2")
    line = Frame(framed.nonce, f"{before}{framed.command}{after}", framed.payload)
    answer, lines = answered(["bash"], line)
    assert lines == (["answer", "error"] if "2>&1" in before else ["answer"])
    assert (answer.code, answer.err) == (0, "" if "2>&1" in before else "error\n")


def test_an_answer_that_comes_in_pieces_is_the_same():
    framed = frame("echo one; printf two")
    done = subprocess.run(["sh", "-c", framed.command], input=framed.payload, capture_output=True)
    answer = Answer(framed.nonce)
    lines = [line for byte in done.stdout for line in answer.take(bytes([byte]))]
    assert (lines, answer.out, answer.code) == (["one", "two"], "one\ntwo", 0)


@pytest.mark.parametrize(
    "login",
    [
        "echo This account is currently not available.; exit 1",
        "cat",  # echoes what it is sent, nonce and script
        'echo "$0" forbids "$*"; exit 0',
    ],
)
def test_a_login_that_runs_something_else_has_no_answer_but_words(login: str, tmp_path: Path):
    shell = tmp_path / "shell"
    shell.write_text(f"#!/bin/sh\n{login}\n")
    shell.chmod(0o755)
    framed = frame("echo never")
    answer, lines = answered([str(shell)], framed)
    assert (answer.begun, answer.code, lines) == (False, None, [])
    assert answer.noise


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox sh"])
@pytest.mark.parametrize("eater", ["read line; ", "cat >/dev/null; ", "head -c 100 >/dev/null; "])
def test_a_script_that_did_not_arrive_whole_is_not_run(shell: str, eater: str):
    programs.need(shell.split()[0])
    framed = frame("true\n" * 50 + "echo ran")
    line = Frame(framed.nonce, f"{eater}{framed.command}", framed.payload)
    answer, lines = answered(shell.split(), line, b"more\n" * 100)
    assert (answer.torn, answer.begun, answer.code, lines) == (True, False, None, [])


def test_a_script_that_is_cut_off_has_no_exit_code():
    framed = frame("echo first; kill -9 $$")
    answer, lines = answered(["sh"], framed)
    assert (answer.begun, answer.code, lines) == (True, None, ["first"])


def test_words_of_a_login_are_short_and_have_no_control_characters():
    answer = Answer("0123456789abcdef")
    answer.take(b"\x1b[2J\x1b]0;title\x07You are not welcome\r\n" + b"x" * 100_000)
    assert answer.noise.splitlines()[0] == "[2J ]0;title You are not welcome"
    assert len(answer.noise) < 10_000
    assert "\x1b" not in answer.noise
