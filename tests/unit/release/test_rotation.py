"""authorized_keys edited on the host: options kept, other keys kept, never without a key."""

import subprocess
from pathlib import Path

import pytest

from pipeline.release import rotation, shell
from pipeline.remote.inventory import environments
from tests.programs import SHELLS
from tests.system.keys import make_keys

OLD = "ssh-ed25519 AAAAold+/="
NEW = "ssh-ed25519 AAAAnew+/="
OTHER = "ssh-rsa AAAAother colleague@laptop"


def edit(
    home: Path, interpreter: tuple[str, ...], **changes: str
) -> "subprocess.CompletedProcess[str]":
    variables = {"ADD": "", "BESIDE": "", "REMOVE": "", "KEEP": OLD, **changes}
    return subprocess.run(
        [*interpreter, "-c", shell.render("authorize", **variables)],
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".ssh").mkdir()
    file = tmp_path / ".ssh/authorized_keys"
    file.write_text(f'{OTHER}\nfrom="10.0.0.0/8",restrict {OLD} deploy@ci\n')
    file.chmod(0o600)
    return tmp_path


def lines(home: Path) -> list[str]:
    return (home / ".ssh/authorized_keys").read_text().splitlines()


@pytest.mark.parametrize("interpreter", SHELLS)
def test_new_key_gets_the_options_of_the_old_one_and_outlives_it(
    home: Path, interpreter: tuple[str, ...]
):
    before = lines(home)
    assert edit(home, interpreter, ADD=NEW, BESIDE=OLD).stdout == "changed\n"
    assert lines(home) == [*before, f'from="10.0.0.0/8",restrict {NEW}']
    assert edit(home, interpreter, ADD=NEW, BESIDE=OLD).stdout == "there\n"
    assert edit(home, interpreter, REMOVE=OLD, KEEP=NEW).stdout == "changed\n"
    assert lines(home) == [OTHER, f'from="10.0.0.0/8",restrict {NEW}']
    assert (home / ".ssh/authorized_keys").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (home / ".ssh").iterdir()] == ["authorized_keys"]


@pytest.mark.parametrize("interpreter", SHELLS)
def test_file_that_would_not_hold_the_key_that_stays_is_left_alone(
    home: Path, interpreter: tuple[str, ...]
):
    before = lines(home)
    ended = edit(home, interpreter, REMOVE=OLD, KEEP=NEW)
    assert ended.returncode == 5
    assert "no line of authorized_keys would hold" in ended.stderr
    assert lines(home) == before
    (home / ".ssh/authorized_keys").unlink()
    assert edit(home, interpreter, ADD=NEW, BESIDE=OLD).returncode == 4


def test_environments_with_one_key_are_told(tmp_path: Path):
    one, other = make_keys(tmp_path / "one"), make_keys(tmp_path / "other")
    path = tmp_path / "hosts.toml"
    path.write_text(
        f'[staging]\nhosts = ["a"]\nkey_file = "{one.private}"\n'
        f"[production]\nhosts = [\"b\"]\nkey = '''{one.text}'''\n"
        f'[preview]\nhosts = ["c"]\nkey_file = "{other.private}"\n'
        '[elsewhere]\nhosts = ["d"]\nkey = "${NOT_SET_HERE}"\n'
    )
    known = {found.name: found for found in environments(path, {})}
    assert set(known) == {"staging", "production", "preview"}
    assert rotation.shared_with(known["staging"], list(known.values())[1:]) == ["production"]
    assert rotation.shared_with(known["preview"], [known["staging"]]) == []
