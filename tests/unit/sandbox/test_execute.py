"""Running a script on a host: what is slow is told apart, and what broke is no answer."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from fabric import Connection

from pipeline.errors import Unreachable
from pipeline.remote import execute
from pipeline.remote.framing import Frame, frame


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return what gives every login from now on a start-up of these words."""

    def begin_with(words: str) -> None:
        def framed(script: str) -> Frame:
            made = frame(script)
            return replace(made, command=f"{words}\n{made.command}")

        monkeypatch.setattr(execute, "frame", framed)

    return begin_with


def refusal(line: Connection, script: str = "echo never", timeout: float = 60) -> str:
    with pytest.raises(Unreachable) as caught:
        execute.sh(line, script, timeout=timeout)
    return str(caught.value)


def test_a_slow_login_is_not_taken_for_a_silent_line(
    line: Connection, login: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(execute, "LOGIN", 0.6)
    login("echo please wait; sleep 3")
    said = refusal(line)
    assert "127.0.0.1: the login takes longer than 0.6 s, though the host answers" in said
    assert "please wait" in said


def test_a_silent_script_is_not_taken_for_a_slow_login(line: Connection):
    said = refusal(line, "echo begun; sleep 3", timeout=0.6)
    assert "our script there has been silent for 0.6 s, though the host answers" in said
    assert "begun" in said


def test_a_silent_line_is_told_by_a_keepalive_that_nobody_answers(
    line: Connection, monkeypatch: pytest.MonkeyPatch
):
    never = threading.Event()
    monkeypatch.setattr(execute, "_PROBE", 0.2)
    monkeypatch.setattr("paramiko.Transport.global_request", lambda *_, **__: never.wait(5))
    assert "the line is silent" in refusal(line, "sleep 3", timeout=0.3)
    never.set()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("echo go away >&2; exit 4", "ran no script of ours (exit 4); it said: go away"),
        ("exit 0", "ran no script of ours and said nothing (exit 0)"),
        ("read -r eaten", "took away what was sent for our script"),
        ("kill -9 $$", "ran no script of ours"),
    ],
)
def test_a_login_that_ends_gives_no_answer(
    line: Connection,
    login: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    said: str,
):
    login(words)
    monkeypatch.setattr(execute, "_NUDGE", 0.2)
    assert said in refusal(line).splitlines()[0]
    with pytest.raises(Unreachable, match=r"ran no script|took away"):
        execute.Held(line, "echo held")


def test_a_script_that_is_cut_off_gives_no_answer(line: Connection):
    said = refusal(line, "echo first; kill -9 $$")
    assert "was cut off there" in said.splitlines()[0]
    assert "first" in said
    with pytest.raises(Unreachable, match="was cut off there"):
        execute.Held(line, "kill -9 $$")


def test_input_that_is_sent_late_or_again_reaches_each_script(line: Connection):
    given = execute.Input()
    given.send(b"one\n")
    assert execute.sh(line, "read -r line; echo $line", stdin=given).out == "one\n"
    threading.Timer(0.2, given.send, (b"two\n",)).start()
    assert execute.sh(line, "read -r a; read -r b; echo $a $b", stdin=given).out == "one two\n"


def test_errors_of_a_noisy_login_are_not_the_scripts(
    line: Connection, login: Callable[[str], None]
):
    login("echo mesg: not a tty >&2; printf title")
    ended = execute.sh(line, "echo fine; printf half; echo bad >&2; exit 3")
    assert (ended.code, ended.out, ended.err) == (3, "fine\nhalf", "bad\n")
