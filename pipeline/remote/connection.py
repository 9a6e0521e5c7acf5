"""Connections to hosts whose keys are verified; every failure is one line with the remedy."""

import logging
import os
import socket
from pathlib import Path
from typing import Any

from fabric import Config, Connection
from paramiko import (
    AuthenticationException,
    BadHostKeyException,
    HostKeys,
    PKey,
    SSHClient,
    SSHException,
)
from paramiko.client import MissingHostKeyPolicy
from paramiko.hostkeys import HostKeyEntry
from paramiko.ssh_exception import NoValidConnectionsError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import keys
from pipeline.remote.inventory import Environment, Host

# paramiko prints tracebacks of failures that we translate (logging.lastResort).
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_KEEPALIVE = 15
"""Seconds between SSH keepalives, so that a dead line is noticed."""

_ATTEMPTS = 3
_SSH_PORT = 22
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"
_PIN_WORDS = 2


class _UnknownHostKey(SSHException):
    """The host's key is neither pinned nor in known_hosts."""

    def __init__(self, key: PKey) -> None:
        super().__init__("unknown host key")
        self.key = key


class _Answered(SSHException):
    """The host's key, seen before anything was sent; ends a connection made to see it."""

    def __init__(self, key: PKey) -> None:
        super().__init__("the host's key was seen")
        self.key = key


class _See(MissingHostKeyPolicy):
    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        raise _Answered(key)


class _Refuse(MissingHostKeyPolicy):
    """Fabric's own policy accepts any key, also a changed one (fabric#1804)."""

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        raise _UnknownHostKey(key)


def connect(environment: Environment, host: Host, user: str = "") -> Connection:
    """Return an open Connection to `host` as `user` (the environment's by default).

    The host key is checked against hosts.toml's host_key, or else known_hosts. The caller closes
    it. Raises Unreachable (no answer, wrong or unknown host key, key refused) or UsageProblem
    (the text of the key).
    """
    connection = Connection(
        host=host.address,
        port=host.port,
        user=user or environment.user,
        # One configuration per connection: they are used from several threads.
        config=Config(overrides={"run": {"in_stream": False, "hide": True, "warn": True}}),
        connect_timeout=environment.connect_timeout,
        connect_kwargs=_credentials(environment),
    )
    _verify_host_keys(connection, known_hosts_lines(environment, host), environment)
    open_connection(connection, environment, host)
    return connection


def answered_key(environment: Environment, host: Host) -> PKey:
    """Return the key that `host` answers with, whatever is known of it; nothing is sent to it.

    A jump host on the way must be known, as ever. Raises Unreachable.
    """
    connection = Connection(
        host=host.address,
        port=host.port,
        user=environment.user,
        connect_timeout=environment.connect_timeout,
        connect_kwargs={"allow_agent": False, "look_for_keys": False},
    )
    if connection.gateway:
        _verify_host_keys(connection.gateway, [], environment)
    connection.client.set_missing_host_key_policy(_See())
    try:
        open_connection(connection, environment, host)
    except _Answered as answered:
        return answered.key
    finally:
        connection.close()
    raise Unreachable(f"{environment.name} host {host}: it showed no host key")


def known_keys(host: Host) -> list[PKey]:
    """Return the keys that the known_hosts files hold for `host`."""
    found: list[PKey] = []
    for path in (Path("~/.ssh/known_hosts").expanduser(), Path(_SYSTEM_KNOWN_HOSTS)):
        if os.access(path, os.R_OK):
            entries = HostKeys(str(path)).lookup(_known_hosts_name(host))
            found += entries.values() if entries else ()
    return found


def open_connection(connection: Connection, environment: Environment, host: Host) -> None:
    """Open (or reopen) `connection`, retrying what a bad line causes and nothing else."""
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(_transient),
            reraise=True,
        ):
            with attempt:
                connection.open()
    except Exception as error:
        raise explain(error, environment, host) from None
    connection.transport.set_keepalive(_KEEPALIVE)
    if isinstance(connection.transport.sock, socket.socket):
        # Nagle's algorithm costs 40 ms per remote command (research/fabric.md section 0).
        connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def explain(error: BaseException, environment: Environment, host: Host) -> Exception:
    """Return `error` as one of ours, naming host and remedy; unknown errors come back as is."""
    where = f"{environment.name} host {host}"
    if isinstance(error, _Answered):
        return error  # for answered_key, which asked for it
    if isinstance(error, _UnknownHostKey):
        key = error.key
        return Unreachable(
            f"{where}: its host key is not known; refused before anything was sent",
            remedy="compare the fingerprint with the server's own, pin it with `fab -H "
            f"{environment.name} trust` or in hosts.toml:",
            detail=f"    fingerprint {keys.fingerprint(key)}\n"
            f'    host_key = "{keys.public_line(key)}"',
        )
    if isinstance(error, BadHostKeyException):
        return Unreachable(
            f"{where}: its host key has CHANGED; refused before anything was sent",
            remedy="if the server was really reinstalled, `fab trust` replaces the pinned key; if "
            "not, someone may be answering in its place",
            detail=f"    expected {keys.fingerprint(error.expected_key)}\n"
            f"    got      {keys.fingerprint(error.key)}",
        )
    if isinstance(error, AuthenticationException):
        return Unreachable(
            f"{where}: the server refused the key",
            remedy=f"check `user`, `key` and `key_file` of hosts.toml [{environment.name}]; "
            "`fab setup` installs the deploy key",
        )
    if isinstance(error, FileNotFoundError):
        return UsageProblem(
            f"hosts.toml [{environment.name}]: `key_file` = {environment.key_file} does not exist"
        )
    if isinstance(error, socket.gaierror):
        return Unreachable(f"{where}: its name cannot be resolved", remedy="check `hosts`")
    if isinstance(error, NoValidConnectionsError):
        reasons = "; ".join(sorted({str(reason) for reason in error.errors.values()}))
        return Unreachable(f"{where}: no connection: {reasons}", remedy="is the host up?")
    if isinstance(error, (TimeoutError, EOFError, OSError, SSHException)):
        return Unreachable(f"{where}: {str(error) or type(error).__name__}")
    return error if isinstance(error, Exception) else RuntimeError(str(error))


def known_hosts_lines(environment: Environment, host: Host) -> list[str]:
    """Return the pinned keys of `host` as lines of a known_hosts file.

    A pin is "type base64", for every host of the environment, or "HOST type base64" for one.
    Raises UsageProblem for anything else, and for a fleet whose pins do not name their hosts.
    """
    where = f"hosts.toml [{environment.name}]: `host_key`"
    lines = pinned_lines(environment, host)
    if environment.host_keys and not lines:
        raise UsageProblem(
            f"{where} pins no key for {host}", remedy=f'add "{host} ssh-ed25519 AAAA…"'
        )
    kinds = [line.split()[1] for line in lines]
    if len(set(kinds)) != len(kinds):
        raise UsageProblem(
            f"{where} holds several {kinds[0]} keys for {host}",
            remedy='name the host in front of each: "web1 ssh-ed25519 AAAA…"',
        )
    return lines


def pinned_lines(environment: Environment, host: Host) -> list[str]:
    """Return what hosts.toml pins for `host`, as lines of a known_hosts file; perhaps nothing."""
    name = _known_hosts_name(host)
    lines = []
    for pin in environment.host_keys:
        words = pin.split()
        names = words[0].split(",") if len(words) > _PIN_WORDS else [name]
        if {name, str(host), host.address} & set(names):
            lines.append(" ".join([name, *words[-_PIN_WORDS:]]))
    return lines


def pinned_key(line: str, environment: Environment) -> PKey:
    """Return the key in a line of known_hosts form; UsageProblem if it is none."""
    try:
        entry = HostKeyEntry.from_line(line)
    except Exception:
        entry = None
    if entry is None or entry.key is None:
        raise UsageProblem(
            f"hosts.toml [{environment.name}]: `host_key` is not a public key",
            remedy='write it as ssh prints it: "ssh-ed25519 AAAA…"',
        )
    return entry.key


def _known_hosts_name(host: Host) -> str:
    return host.address if host.port == _SSH_PORT else f"[{host.address}]:{host.port}"


def _credentials(environment: Environment) -> dict[str, Any]:
    """Return paramiko's arguments for the one key that is meant, or for the agent's."""
    only = {"allow_agent": False, "look_for_keys": False}
    if text := keys.text_of(environment):
        where = f"hosts.toml [{environment.name}]: `key`"
        return {"pkey": keys.private_key(text, where), **only}
    if environment.key_file:
        return {"key_filename": [str(Path(environment.key_file).expanduser())], **only}
    return {"look_for_keys": False}


def _verify_host_keys(connection: Connection, pinned: list[str], environment: Environment) -> None:
    """Make every hop check its host's key, the last one against `pinned` where there is any."""
    hop: Any = connection
    while isinstance(hop, Connection):
        hop.client.set_missing_host_key_policy(_Refuse())
        if hop is connection and pinned:
            for line in pinned:
                _pin(hop.client, line, environment)
        else:
            hop.client.load_system_host_keys()
            if os.access(_SYSTEM_KNOWN_HOSTS, os.R_OK):
                hop.client.load_system_host_keys(_SYSTEM_KNOWN_HOSTS)
        hop = hop.gateway


def _pin(client: SSHClient, line: str, environment: Environment) -> None:
    key = pinned_key(line, environment)
    client.get_host_keys().add(line.split()[0], key.get_name(), key)


def _transient(error: BaseException) -> bool:
    """Tell whether trying again can help: never for a refused key or a wrong host key."""
    final = (AuthenticationException, BadHostKeyException, _UnknownHostKey, _Answered)
    if isinstance(error, final):
        return False
    if isinstance(error, FileNotFoundError):
        return False
    banner = isinstance(error, SSHException) and "banner" in str(error)
    return banner or isinstance(error, (OSError, EOFError))
