"""Keys as secret stores give them: read whatever became of line ends, refused with a reason."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.errors import UsageProblem
from pipeline.remote import keys
from pipeline.remote.inventory import Environment
from tests.system.keys import make_keys
from tests.unit.release.test_activation import ENVIRONMENT

PASSPHRASE = "correct horse"


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_keys(tmp_path_factory.mktemp("keys") / "plain").text


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, plain: str) -> Path:
    path = tmp_path_factory.mktemp("keys") / "locked"
    path.write_text(plain)
    path.chmod(0o600)
    words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", PASSPHRASE, "-f", str(path)]
    subprocess.run(words, check=True)
    return path


def environment(**settings: str) -> Environment:
    return msgspec.structs.replace(ENVIRONMENT, **settings)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text,
        str.strip,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.strip().replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\\n"),
        lambda text: f"\n\n{text}\n\n",
        lambda text: text.replace("\n", " "),
        lambda text: text.replace("\n", ""),
        lambda text: text.replace("\n", "\\r\\n"),
        lambda text: f'"{text.strip()}"',
        lambda text: "'" + text.replace("\n", "\\n") + "'",
        lambda text: "\n".join(f"    {line}" for line in text.splitlines()),
        lambda text: "\ufeff" + text.replace("\n", "\r"),
        lambda text: base64.b64encode(text.encode()).decode(),
    ],
)
def test_what_a_secrets_store_did_to_a_key_is_repaired(plain: str, spoil: Callable[[str], str]):
    whole = keys.private_key(plain, "`key`")
    assert keys.public_line(keys.private_key(spoil(plain), "`key`")) == keys.public_line(whole)


@pytest.mark.parametrize("setting", ["key", "key_file"])
def test_encrypted_key_is_lent_decrypted(locked: Path, plain: str, setting: str):
    value = locked.read_text() if setting == "key" else str(locked)
    text = keys.text_of(environment(**{setting: value, "key_passphrase": PASSPHRASE}))
    assert "ENCRYPTED" not in text
    same = keys.public_line(keys.private_key(text, "`key`"))
    assert same == keys.public_line(keys.private_key(plain, "`key`"))


@pytest.mark.parametrize(
    ("settings", "said", "remedy"),
    [
        ({}, "is encrypted", "key_passphrase"),
        ({"key_passphrase": "wrong one"}, "is not opened by `key_passphrase`", "check"),
    ],
)
def test_key_that_stays_locked_says_why_and_never_what(
    locked: Path, settings: dict[str, str], said: str, remedy: str
):
    given = environment(key=locked.read_text(), **settings)
    with pytest.raises(UsageProblem, match=said) as raised:
        keys.private_key(keys.text_of(given), "`key`")
    assert remedy in str(raised.value)
    assert "wrong one" not in str(raised.value)
    assert locked.read_text().splitlines()[1] not in str(raised.value)


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_every_form_of_a_key_is_read(tmp_path: Path, kind: str, form: str):
    path = tmp_path / "key"
    words = ["ssh-keygen", "-q", "-t", kind, "-m", form, "-N", PASSPHRASE, "-f", str(path)]
    subprocess.run(words, check=True)
    key = keys.private_key(path.read_text(), "`key`", PASSPHRASE)
    assert path.with_name("key.pub").read_text().startswith(keys.public_line(key))
    with pytest.raises(UsageProblem, match="is encrypted, and no passphrase was given"):
        keys.private_key(path.read_text(), "`key`")


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:200], lambda text: text.replace("a", "\u20ac"), lambda _: "x\x00"]
)
def test_what_is_no_key_is_refused_in_one_line(plain: str, spoil: Callable[[str], str]):
    with pytest.raises(UsageProblem, match="does not hold a private key that can be read"):
        keys.private_key(spoil(plain), "`key`")


def test_plain_key_file_and_agent_are_left_to_ssh(tmp_path: Path):
    assert keys.text_of(environment()) == ""
    make_keys(tmp_path / "key")
    assert keys.text_of(environment(key_file=str(tmp_path / "key"))) == ""


def test_fingerprint_is_the_one_that_ssh_prints(tmp_path: Path):
    pair = make_keys(tmp_path / "key")
    words = ["ssh-keygen", "-lf", f"{pair.private}.pub"]
    printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()[1]
    assert keys.fingerprint_of(pair.public) == printed
