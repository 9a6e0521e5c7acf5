"""What libraries raise, at each boundary of a command with a host, is one line and its code."""

import errno
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
from invoke.exceptions import Exit
from paramiko import ChannelException, SSHException

import fabfile
from pipeline.remote import execute
from pipeline.sandbox.host import NAME, Sandbox

RAISED: dict[str, tuple[Callable[[], Exception], int]] = {
    "SSHException": (lambda: SSHException("broken"), 13),
    "ChannelException": (lambda: ChannelException(2, "Connect failed"), 13),
    "EOFError": (EOFError, 13),
    "socket closed": (lambda: OSError("Socket is closed"), 13),
    "reset": (lambda: ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"), 13),
    "timeout": (lambda: TimeoutError("timed out"), 13),
    "no route": (lambda: OSError(errno.EHOSTUNREACH, "No route to host"), 13),
    "disk full": (lambda: OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), 3),
    "files": (lambda: OSError(errno.EMFILE, "Too many open files"), 3),
    "threads": (lambda: RuntimeError("can't start new thread"), 3),
}
BOUNDARIES = (
    "fabric.Connection.open",
    "paramiko.Transport.open_session",
    "paramiko.Channel.sendall",
    "paramiko.Channel.recv",
)


@pytest.fixture(scope="module")
def host() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def status(host: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Exit]:
    """Return what runs `fab status` in this process, and gives how it ended."""
    monkeypatch.setenv("QUSTO_HOSTS", str(host.hosts_file))

    def run() -> Exit:
        with pytest.raises(Exit) as caught:
            fabfile.ns["status"].body(SimpleNamespace(original_host=NAME))
        return caught.value

    return run


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("raised", RAISED)
def test_each_error_at_each_boundary_is_one_line_that_names_the_host(
    status: Callable[[], Exit], monkeypatch: pytest.MonkeyPatch, boundary: str, raised: str
):
    make, code = RAISED[raised]

    def fail(*_: object, **__: object) -> None:
        raise make()

    monkeypatch.setattr(boundary, fail)
    monkeypatch.setattr("pipeline.remote.connection._ATTEMPTS", 1)
    monkeypatch.setattr(execute, "LOGIN", 1.0)
    ended = status()
    first, *_ = str(ended.message).splitlines()
    assert first.startswith("error: ")
    assert "127.0.0.1" in first
    assert ended.code in (code, 13), first


def test_an_answer_that_makes_no_sense_is_unknown(host: Sandbox, status: Callable[[], Exit]):
    broken = host.directory / "bin/df"
    broken.write_text("#!/bin/sh\necho\necho a b c much\n")
    broken.chmod(0o755)
    (host.directory / "host/var/www/qusto" / NAME).mkdir(parents=True, exist_ok=True)
    try:
        ended = status()
    finally:
        broken.unlink()
    assert ended.code == 13
    assert "cannot be understood" in str(ended.message).splitlines()[0]


def test_a_defect_of_ours_shows_itself_and_says_where(
    host: Sandbox, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("QUSTO_HOSTS", str(host.hosts_file))
    monkeypatch.setattr("paramiko.Transport.open_session", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        fabfile.ns["status"].body(SimpleNamespace(original_host=NAME))
    assert any("127.0.0.1" in note for note in caught.value.__notes__)
