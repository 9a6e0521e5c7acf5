"""Which keys are offered to a host, in which order, and what became of each.

As OpenSSH does: keys of the agent that the configuration names, other keys of the agent, keys of
which there is only the file. With `key` or `key_file` of hosts.toml that key and no other.
"""

import base64
import binascii
import copy
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    load_ssh_public_identity,
)
from paramiko import AuthenticationException, BadAuthenticationType, PKey, SSHException, Transport
from paramiko.agent import AgentKey, AgentSSH

from pipeline.errors import UsageProblem
from pipeline.remote import keys, known_hosts
from pipeline.remote.inventory import Environment
from pipeline.remote.sshconfig import Route

_MAGIC = b"openssh-key-v1\0"


class NotLoggedIn(AuthenticationException):
    """No key opened the host; `tried` says of each what became of it."""

    def __init__(self, why: str, tried: Sequence[str] = (), *, offered: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.tried = tuple(tried)
        self.offered = offered


@dataclass(frozen=True)
class Offer:
    """A key to offer, and its name for people."""

    name: str
    key: PKey


@dataclass(frozen=True)
class Identities:
    """What is offered, for paramiko's `auth_strategy`; `notes` say what could not be."""

    user: str
    offers: tuple[Offer, ...]
    notes: tuple[str, ...] = ()

    def authenticate(self, transport: Transport) -> None:
        """Log in with the first key that is taken. Raises NotLoggedIn."""
        tried: list[str] = []
        for offered, offer in enumerate(self.offers, start=1):
            try:
                further = transport.auth_publickey(self.user, offer.key)
            except BadAuthenticationType as error:
                kinds = ", ".join(error.allowed_types)
                raise NotLoggedIn(
                    f"the server takes no key of {self.user}, only: {kinds}",
                    [*tried, *self.notes],
                    offered=offered,
                ) from None
            except (SSHException, OSError, EOFError) as error:
                refused = type(error) is AuthenticationException and transport.is_active()
                tried.append(f"{offer.name}: {'refused' if refused else error or 'no answer'}")
                if not transport.is_active():
                    raise NotLoggedIn(
                        f"the server closed the connection after {offered} "
                        f"{'key' if offered == 1 else 'keys'} offered for {self.user}",
                        [*tried, *self.notes],
                        offered=offered,
                    ) from None
                continue
            if not further:
                return
            raise NotLoggedIn(
                f"the server took the key of {self.user}, but wants more: {', '.join(further)}",
                [*tried, f"{offer.name}: taken", *self.notes],
                offered=offered,
            )
        count = len(self.offers)
        raise NotLoggedIn(
            f"there is no key to offer for {self.user}"
            if not count
            else f"the server refused {'the key' if count == 1 else f'all {count} keys'} offered "
            f"for {self.user}",
            [*tried, *self.notes],
            offered=count,
        )


def identities(environment: Environment, route: Route) -> Identities:
    """Return what to offer to a host. Raises UsageProblem for hosts.toml's own key."""
    where = f"hosts.toml [{environment.name}]"
    if environment.key or environment.key_file:
        text, name, path = keys.configured(environment)
        blob = public_blob(text) if keys.is_encrypted(text) else b""
        if blob and not environment.key_passphrase:
            held = [key for key in agent_keys(route.agent) if key.asbytes() == blob]
            if held:
                return Identities(route.user, tuple(_with_certificates(name, held[0], path, ())))
        key = keys.private_key(text, f"{where}: {name}", environment.key_passphrase or None)
        return Identities(route.user, tuple(_with_certificates(name, key, path, ())))
    return _of_configuration(route)


def _of_configuration(route: Route) -> Identities:
    """Return the agent's keys and those of files, in OpenSSH's order."""
    offers: list[Offer] = []
    files: list[Offer] = []
    notes: list[str] = []
    held = {key.asbytes(): key for key in agent_keys(route.agent)}
    named: set[bytes] = set()
    for path in route.identities:
        try:
            text = path.read_text("utf-8", errors="replace")
        except FileNotFoundError:
            text = _text_of_public(path)
            if not text:
                continue
        except OSError as error:
            notes.append(f"{path}: {error.strerror}")
            continue
        blob = public_blob(text) or public_blob(_text_of_public(path))
        if blob in held:
            named.add(blob)
            offers += _with_certificates(
                f"{path}, by the agent", held[blob], path, route.certificates
            )
            continue
        if "PRIVATE KEY" not in text:
            notes.append(f"{path}: a public key, and the agent does not hold the private one")
            continue
        if problem := keys.exposed(path):
            notes.append(f"{path}: {problem}")
            continue
        try:
            key = keys.private_key(text, str(path))
        except UsageProblem as error:
            notes.append(error.message.replace(f"{path} ", f"{path}: ", 1))
            continue
        files += _with_certificates(str(path), key, path, route.certificates)
    if not route.identities_only:
        offers += [
            offer
            for blob, key in held.items()
            if blob not in named
            for offer in _with_certificates(
                f"agent: {key.comment or key.get_name()}", key, None, route.certificates
            )
        ]
    notes += [
        f"not followed of ssh's configuration: {text}"
        for text in route.ignored
        if text.startswith(("pkcs11provider", "hostbasedauthentication"))
    ]
    if not (offers or files or notes):
        agent = "gives no key" if route.agent else "is not there"
        notes.append(f"the ssh-agent {agent}, and none of the key files of ssh exists")
    return Identities(route.user, (*offers, *files), tuple(notes))


def agent_keys(path: str) -> tuple[AgentKey, ...]:
    """Return the keys of the ssh-agent at `path`; none if it does not answer."""
    if not path:
        return ()
    try:
        return _Agent(path).get_keys()
    except (OSError, SSHException):
        return ()


class _Agent(AgentSSH):
    """paramiko's Agent knows no other place than SSH_AUTH_SOCK."""

    def __init__(self, path: str) -> None:
        super().__init__()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        line.connect(path)
        self._connect(line)  # type: ignore[attr-defined]  # made for subclasses; the stubs lack it


def _with_certificates(
    name: str, key: PKey, path: Path | None, configured: Sequence[Path]
) -> Iterator[Offer]:
    """Give the key with each certificate that is for it, and then alone."""
    beside = [path.with_name(f"{path.name}-cert.pub")] if path else []
    for file in dict.fromkeys([*configured, *beside]):
        if _certified(file) == key.asbytes():
            # copy.copy loops for ever over an AgentKey, whose __getattr__ asks itself.
            certified: PKey = (
                AgentKey(key.agent, key.blob, key.comment)
                if isinstance(key, AgentKey)
                else copy.copy(key)
            )
            certified.load_certificate(str(file))
            yield Offer(f"{name} with {file}", certified)
    yield Offer(name, key)


def _certified(path: Path) -> bytes:
    """Return the key that the certificate in a file is for; empty if there is none."""
    try:
        loaded = load_ssh_public_identity(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm):
        return b""
    if not isinstance(loaded, SSHCertificate):
        return b""
    line = loaded.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64decode(line.split()[1])


def _text_of_public(path: Path) -> str:
    try:
        return path.with_name(f"{path.name}.pub").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def public_blob(text: str) -> bytes:
    """Return the public key in a public line, or in OpenSSH's form of a private key: not secret.

    Empty where there is none to be seen, as in an encrypted PEM.
    """
    try:
        if "BEGIN OPENSSH PRIVATE KEY" in text:
            body = base64.b64decode(re.sub(r"-----[^-]*-----|\s", "", text))
            return _openssh_public(body)
        words = text.split()
        if len(words) > 1 and known_hosts.kind_of(blob := base64.b64decode(words[1])) == words[0]:
            return blob
    except (binascii.Error, ValueError, IndexError):
        pass
    return b""


def _openssh_public(body: bytes) -> bytes:
    """Return the public key of PROTOCOL.key: after cipher, kdf, its options and a count."""
    if not body.startswith(_MAGIC):
        return b""
    at = len(_MAGIC)
    for _ in range(3):
        at += 4 + int.from_bytes(body[at : at + 4], "big")
    at += 4
    length = int.from_bytes(body[at : at + 4], "big")
    return body[at + 4 : at + 4 + length]
