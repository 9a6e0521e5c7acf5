"""A real sshd for the tests of connections."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.remote.sshd import Sshd, running


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and no agent."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(mode=0o700, parents=True)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """An sshd with host keys of three types; tests get it by `sshd`."""
    tmp = tmp_path_factory.mktemp("sshd")
    with running(tmp / "d", tmp) as made:
        yield made


@pytest.fixture
def sshd(daemon: Sshd, home: Path) -> Sshd:
    """The module's sshd, seen from an empty home directory."""
    return Sshd(daemon.port, daemon.root, home)
