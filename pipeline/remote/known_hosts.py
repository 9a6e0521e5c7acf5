"""Which host keys are known: known_hosts files as sshd(8) describes them, and pins in their form.

A line that cannot be read costs only itself: it makes no key known.
"""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    SSHCertificate,
    SSHCertificateType,
    load_ssh_public_identity,
)
from paramiko import PKey

_REVOKED = "@revoked"
_AUTHORITY = "@cert-authority"
_WORDS = 3
CERTIFICATE = "-cert-v01@openssh.com"
_RSA = ("rsa-sha2-512", "rsa-sha2-256")
"""What ssh-rsa keys sign with; OpenSSH refuses the SHA-1 of the type's own name."""


@dataclass(frozen=True)
class Key:
    """A public key: its type and the bytes that ssh sends of it."""

    kind: str
    blob: bytes

    @property
    def line(self) -> str:
        """Return it as ssh prints it: "type base64"."""
        return f"{self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True)
class Known:
    """What is known of one host's identity."""

    keys: tuple[Key, ...] = ()
    authorities: tuple[Key, ...] = ()
    """Keys that may sign a certificate for it."""
    revoked: frozenset[bytes] = frozenset()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Return the types of its keys, each once."""
        return tuple(dict.fromkeys(key.kind for key in self.keys))


def read(paths: Iterable[Path], names: Sequence[str]) -> Known:
    """Return what the files say of a host; of `names` the first that has a line is its name.

    A file that is missing or cannot be read says nothing.
    """
    lines: list[bytes] = []
    for path in paths:
        try:
            lines += path.read_bytes().splitlines()
        except OSError:
            continue
    return parsed(lines, names)


def parsed(lines: Iterable[bytes], names: Sequence[str]) -> Known:
    """Return what known_hosts `lines` say of a host."""
    entries = list(_entries(lines))
    for name in names:
        found = [(marker, key) for marker, hosts, key in entries if _matches(hosts, name)]
        keys = tuple(dict.fromkeys(key for marker, key in found if not marker))
        authorities = tuple(key for marker, key in found if marker == _AUTHORITY)
        if keys or authorities or name == names[-1]:
            # A key revoked under any of the names is not to be believed.
            revoked = {
                key.blob
                for marker, hosts, key in entries
                if marker == _REVOKED and any(_matches(hosts, each) for each in names)
            }
            return Known(keys, authorities, frozenset(revoked))
    return Known()


def preferred(algorithms: Sequence[str], known: Known) -> tuple[str, ...]:
    """Return HostKeyAlgorithms in an order that makes a host show a key which is known.

    Certificates first where an authority is known, as OpenSSH does, then the types of known keys.
    """
    kinds = {name for kind in known.kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))}

    def rank(algorithm: str) -> int:
        certificate = algorithm.endswith(CERTIFICATE)
        if certificate and known.authorities:
            return 0
        return 1 if algorithm in kinds else 3 if certificate else 2

    return tuple(sorted(algorithms, key=rank))


def certified(key: PKey, known: Known, name: str) -> str:
    """Return "" if `key` carries a host certificate that holds for `name`, else why not.

    As sshd(8) and PROTOCOL.certkeys: signed by an authority that is known for the host, for hosts,
    for this name, and today.
    """
    certificate = _certificate(key)
    if certificate is None:
        return "it shows no certificate"
    if certificate.type is not SSHCertificateType.HOST:
        return "its certificate is not for hosts"
    signer = certificate.signature_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    blob = base64.b64decode(signer.split()[1])
    if blob in known.revoked:
        return "its certificate was signed by a revoked key"
    if blob not in {authority.blob for authority in known.authorities}:
        return "its certificate was signed by another authority"
    if not certificate.valid_after <= time.time() < certificate.valid_before:
        return "its certificate is not valid now"
    principals = [principal.decode(errors="replace") for principal in certificate.valid_principals]
    if not any(fnmatch.fnmatchcase(name.lower(), pattern.lower()) for pattern in principals):
        return f"its certificate is for {', '.join(principals) or 'no host'}"
    if certificate.critical_options:
        return "its certificate has options that are not known"
    try:
        certificate.verify_cert_signature()
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return "the signature of its certificate is wrong"
    return ""


def _certificate(key: PKey) -> SSHCertificate | None:
    public = key.public_blob
    if public is None:
        return None
    text = f"{public.key_type} {base64.b64encode(public.key_blob).decode()}"
    try:
        loaded = load_ssh_public_identity(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return loaded if isinstance(loaded, SSHCertificate) else None


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[str, str, Key]]:
    for raw in lines:
        words = raw.decode("utf-8", "surrogateescape").split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < _WORDS or words[0].startswith("#"):
            continue
        if marker not in ("", _REVOKED, _AUTHORITY):
            continue
        hosts, kind, text = words[:_WORDS]
        try:
            blob = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if kind_of(blob) == kind:
            yield marker, hosts, Key(kind, blob)


def key_of(blob: bytes) -> Key:
    """Return the key that these bytes are."""
    return Key(kind_of(blob), blob)


def kind_of(blob: bytes) -> str:
    """Return the type that a key's bytes name, "" if they are none."""
    if len(blob) < struct.calcsize(">I"):
        return ""
    (length,) = struct.unpack_from(">I", blob)
    return blob[4 : 4 + length].decode("ascii", "replace") if 4 + length <= len(blob) else ""


def _matches(hosts: str, name: str) -> bool:
    """Tell whether the first field of a line names the host: hashed, or patterns and ! patterns."""
    if hosts.startswith("|1|"):
        try:
            salt, wanted = (base64.b64decode(part, validate=True) for part in hosts[3:].split("|"))
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(hmac.digest(salt, name.encode(), hashlib.sha1), wanted)
    found = False
    for pattern in hosts.lower().split(","):
        # [ is no wildcard of ssh's; a name with a port begins with it.
        if fnmatch.fnmatchcase(name.lower(), pattern.removeprefix("!").replace("[", "[[]")):
            if pattern.startswith("!"):
                return False
            found = True
    return found
