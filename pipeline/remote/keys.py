"""Private keys given as text: read for paramiko, lent to rsync's ssh, never written to disk."""

import hashlib
import io
import os
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

_LONGEST_DIRECTORY = 60
"""Characters: the address of a socket holds 104 on macOS, 108 on Linux (unix(7))."""


def private_key(text: str, where: str, passphrase: str | None = None) -> PKey:
    """Return the key in `text`: OpenSSH or PEM, with or without a final newline, LF or CRLF.

    `where` names the setting in the error, which never quotes the text. Raises UsageProblem.
    """
    text = normal(text)
    loaded = _loaded(text, where, passphrase.encode() if passphrase else None)
    for kind, reader in (
        (RSAPrivateKey, RSAKey),
        (Ed25519PrivateKey, Ed25519Key),
        (EllipticCurvePrivateKey, ECDSAKey),
    ):
        if isinstance(loaded, kind):
            key: PKey = reader.from_private_key(io.StringIO(text), password=passphrase)
            return key
    raise UsageProblem(f"{where} holds a key of a kind that is not used for SSH any more")


def _loaded(text: str, where: str, password: bytes | None) -> object:
    """Return what cryptography makes of a key's text. Raises UsageProblem."""
    try:
        try:
            return load_ssh_private_key(text.encode(), password)
        except ValueError:
            return load_pem_private_key(text.encode(), password)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if password:
            problem = "is not opened by `key_passphrase`"
        elif "ENCRYPTED" in text or "password" in str(error).lower():
            problem = "is encrypted"
        else:
            problem = "does not hold a private key that can be read"
        remedy = {
            "is encrypted": 'give its passphrase: key_passphrase = "${VARIABLE}"',
            "is not opened by `key_passphrase`": "check that variable, and the key",
        }.get(problem, "it must be the whole text of the key file, from -----BEGIN to END-----")
        raise UsageProblem(f"{where} {problem}", remedy=remedy) from None


def text_of(environment: Environment) -> str:
    """Return the text of the key that is to be lent, not encrypted any more.

    Empty where ssh can use what is there by itself: a plain `key_file`, or the user's agent.
    Raises UsageProblem, naming the setting, for a key that cannot be read.
    """
    where = f"hosts.toml [{environment.name}]: "
    passphrase = environment.key_passphrase
    if environment.key:
        return _plain(environment.key, f"{where}`key`", passphrase)
    if not (environment.key_file and passphrase):
        return ""
    path = Path(environment.key_file).expanduser()
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{where}`key_file` = {path} cannot be read: {error}") from None
    return _plain(text, f"{where}`key_file`", passphrase)


@cache  # every host asks, and to open a key takes a tenth of a second on purpose (bcrypt)
def _plain(text: str, where: str, passphrase: str) -> str:
    if not passphrase:
        return normal(text)
    loaded = _loaded(normal(text), where, passphrase.encode())
    form = (Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    return cast("Ed25519PrivateKey", loaded).private_bytes(*form).decode()


def normal(text: str) -> str:
    """Return the key text as a file would hold it; secrets stores lose newlines and add CRs."""
    if "\\n" in text and "\n" not in text.strip():
        text = text.replace("\\n", "\n")
    return text.replace("\r\n", "\n").strip() + "\n"


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
