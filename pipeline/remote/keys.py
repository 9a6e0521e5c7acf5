"""Private keys given as text: read for paramiko, lent to rsync's ssh, never written to disk."""

import hashlib
import io
import os
import re
import shlex
import subprocess
import tempfile
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    load_ssh_private_key,
)
from paramiko import ECDSAKey, Ed25519Key, PKey, RSAKey

from pipeline.errors import UsageProblem
from pipeline.remote.inventory import Environment

_ONE_LINE = re.compile(
    r"(?P<begin>-----BEGIN [A-Z0-9 ]+-----) ?"
    r"(?P<body>[A-Za-z0-9+/= ]+?) ?(?P<end>-----END [A-Z0-9 ]+-----)"
)
"""A key whose newlines became spaces, or nothing. A PEM with headers is none: it has colons."""

_LONGEST_DIRECTORY = 60
"""Characters: the address of a socket holds 104 on macOS, 108 on Linux (unix(7))."""


def private_key(text: str, where: str, passphrase: str | None = None) -> PKey:
    """Return the key in `text`: OpenSSH or PEM, in any of the shapes that `normal` repairs.

    `where` names the setting in the error, which never quotes the text. Raises UsageProblem.
    """
    loaded = _loaded(normal(text), where, passphrase.encode() if passphrase else None)
    for kind, reader in (
        (RSAPrivateKey, RSAKey),
        (Ed25519PrivateKey, Ed25519Key),
        (EllipticCurvePrivateKey, ECDSAKey),
    ):
        if isinstance(loaded, kind):
            # paramiko reads fewer forms than cryptography: PKCS#8 is none of them.
            key: PKey = reader.from_private_key(io.StringIO(_openssh_form(loaded)))
            return key
    raise UsageProblem(f"{where} holds a key of a kind that is not used for SSH any more")


def _openssh_form(loaded: object) -> str:
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return cast("Ed25519PrivateKey", loaded).private_bytes(*form).decode()


def _loaded(text: str, where: str, password: bytes | None) -> object:
    """Return what cryptography makes of a key's text. Raises UsageProblem."""
    if not is_encrypted(text):
        password = None  # ssh, too, does without a passphrase that is not needed
    try:
        try:
            return load_ssh_private_key(text.encode(), password)
        except ValueError:
            return load_pem_private_key(text.encode(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if not is_encrypted(text):
            problem = "does not hold a private key that can be read"
            remedy = "it must be the whole text of the key file, from -----BEGIN to END-----"
        elif password:
            problem = "is not opened by `key_passphrase`"
            remedy = "check that variable, and the key"
        else:
            problem = "is encrypted, and no passphrase was given"
            remedy = 'give it: key_passphrase = "${VARIABLE}", and set that variable'
        raise UsageProblem(f"{where} {problem}", remedy=remedy) from None


def is_encrypted(text: str) -> bool:
    """Tell whether the text is a private key that a passphrase protects."""
    text = normal(text)
    if "ENCRYPTED" in text:
        return True
    if "BEGIN OPENSSH PRIVATE KEY" not in text:
        return False
    try:
        load_ssh_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return "password" in str(error).lower()
    return False


def configured(environment: Environment) -> tuple[str, str, Path | None]:
    """Return the text of hosts.toml's key, the setting's name, and its file where there is one.

    Raises UsageProblem for a file that cannot be read, or that others can read: ssh refuses it.
    """
    if environment.key:
        return environment.key, "`key`", None
    path = key_path(environment)
    where = f"hosts.toml [{environment.name}]: `key_file` = {path}"
    try:
        text = path.read_bytes().decode()  # read_text would hide the carriage returns
    except FileNotFoundError:
        raise UsageProblem(f"{where} does not exist") from None
    except UnicodeDecodeError:
        raise UsageProblem(f"{where} is not text, so no private key") from None
    except OSError as error:
        raise UsageProblem(f"{where} cannot be read: {error.strerror}") from None
    if problem := exposed(path):
        raise UsageProblem(f"{where} {problem}", remedy=f"chmod 600 {shlex.quote(str(path))}")
    return text, "`key_file`", path


def key_path(environment: Environment) -> Path:
    """Return where `key_file` is; a ~user that does not exist stays as it is written."""
    return Path(os.path.expanduser(environment.key_file))  # noqa: PTH111  # a Path would raise


def exposed(path: Path) -> str:
    """Return why ssh would not use a key file for its mode, or ""."""
    status = path.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        return f"can be read by others (mode {status.st_mode & 0o777:04o}), so ssh refuses it"
    return ""


def text_of(environment: Environment) -> str:
    """Return the text of the key that is to be lent, not encrypted any more.

    Empty where ssh can use what is there by itself: a `key_file` that needs no passphrase and no
    repair, or the user's agent. Raises UsageProblem, naming the setting, for a key that cannot be
    read.
    """
    if not (environment.key or environment.key_file):
        return ""
    text, name, path = configured(environment)
    passphrase = environment.key_passphrase
    if path and not passphrase and normal(text) == text:
        return ""
    if path and not passphrase and is_encrypted(text):
        return ""  # perhaps the agent holds it
    return _plain(text, f"hosts.toml [{environment.name}]: {name}", passphrase)


@cache  # every host asks, and to open a key takes a tenth of a second on purpose (bcrypt)
def _plain(text: str, where: str, passphrase: str) -> str:
    return _openssh_form(_loaded(normal(text), where, passphrase.encode() or None))


def normal(text: str) -> str:
    r"""Return the key text as a file would hold it, repaired where only one text can be meant.

    Secrets stores and .env files lose newlines, add carriage returns, quotes and indents, turn
    newlines into spaces or \n, and some people put all of it into base64.
    """
    text = text.strip().removeprefix("\ufeff").strip()
    for quote in "\"'":
        if len(text) > 1 and text[0] == text[-1] == quote:
            text = text[1:-1].strip()
    if not text.startswith("-----") and (decoded := _from_base64(text)):
        text = decoded
    if "\\n" in text and "\n" not in text:
        text = text.replace("\\r", "").replace("\\n", "\n")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = "\n".join(line.strip() for line in text.split("\n"))
    if match := _ONE_LINE.fullmatch(text):
        text = "\n".join([match["begin"], *match["body"].split(), match["end"]])
    return text + "\n"


def _from_base64(text: str) -> str:
    try:
        decoded = b64decode("".join(text.split()), validate=True).decode()
    except ValueError:
        return ""
    return decoded.strip() if decoded.lstrip().startswith("-----BEGIN") else ""


def public_line(key: PKey) -> str:
    """Return the line for authorized_keys."""
    return f"{key.get_name()} {key.get_base64()}"


def fingerprint(key: PKey) -> str:
    """Return the key's fingerprint in the form that ssh prints."""
    return fingerprint_of(public_line(key))


def fingerprint_of(line: str) -> str:
    """Return the fingerprint of the key in a public line ("type base64 …")."""
    digest = hashlib.sha256(b64decode(line.split()[1])).digest()
    return f"SHA256:{b64encode(digest).decode().rstrip('=')}"


@contextmanager
def agent(text: str) -> Iterator[Path]:
    """Run an ssh-agent of our own that holds the key in `text`; yield its socket.

    rsync's ssh is a program of its own, to which a key can only be given as a file or through an
    agent. The agent keeps the key in memory: `ssh-add -` reads it from a pipe. Ends with the block.
    Raises UsageProblem when OpenSSH's agent is missing or refuses the key.
    """
    short = None if len(tempfile.gettempdir()) <= _LONGEST_DIRECTORY else "/tmp"  # noqa: S108
    with tempfile.TemporaryDirectory(prefix="qusto-agent-", dir=short) as directory:
        socket = Path(directory) / "agent"
        try:
            daemon = subprocess.Popen(
                ["ssh-agent", "-D", "-a", str(socket)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise UsageProblem(
                "ssh-agent is not installed, and rsync needs it for a key given as text",
                remedy="install openssh-client, or use key_file in hosts.toml",
            ) from None
        try:
            _wait_for(socket, daemon)
            added = subprocess.run(
                ["ssh-add", "-q", "-"],
                input=normal(text).encode(),
                env={**os.environ, "SSH_AUTH_SOCK": str(socket), "SSH_ASKPASS_REQUIRE": "never"},
                capture_output=True,
                check=False,
            )
            if added.returncode:
                raise UsageProblem(
                    "ssh-agent did not take the key given as text; is it encrypted?",
                    detail=added.stderr.decode(errors="replace")[:500],
                )
            yield socket
        finally:
            daemon.terminate()
            daemon.wait()


def _wait_for(socket: Path, daemon: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if socket.exists():
            return
        try:
            daemon.wait(0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    raise UsageProblem("ssh-agent ended before it opened its socket")
