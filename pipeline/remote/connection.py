"""Connections to hosts whose keys are verified; every failure is one line with the remedy."""

import logging
import re
import socket
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fabric import Config, Connection
from paramiko import AuthenticationException, PKey, SSHClient, SSHConfig, SSHException, Transport
from paramiko.client import MissingHostKeyPolicy
from paramiko.ssh_exception import IncompatiblePeer, NoValidConnectionsError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from pipeline.errors import Problem, Unreachable, UsageProblem
from pipeline.remote import keys, known_hosts, login, sshconfig, translation
from pipeline.remote.carrier import Carrier
from pipeline.remote.inventory import Environment, Host
from pipeline.remote.known_hosts import Key, Known
from pipeline.remote.login import NotLoggedIn
from pipeline.remote.sshconfig import Route

# paramiko prints tracebacks of failures that we translate (logging.lastResort).
logging.getLogger("paramiko").setLevel(logging.CRITICAL)

_KEEPALIVE = 15
"""Seconds between SSH keepalives, so that a dead line is noticed."""

_ATTEMPTS = 3
_GREETING = 15
"""Seconds that a host may take for its first line; paramiko's own default."""

_PIN_WORDS = 2
_NO_SESSION = "No existing session"
"""paramiko's words when there is no host key yet to look at."""

_ABOUT_HOST_KEYS = ("stricthostkeychecking", "knownhostscommand", "verifyhostkeydns")
_CAN_HEAL = re.compile(r"timed out|refused|reset by peer|closed by|Temporary failure", re.I)


class _WrongHostKey(SSHException):
    """The host's key is unknown, revoked or another one than before; nothing was sent to it."""

    def __init__(self, key: PKey, known: Known, route: Route, why: str = "") -> None:
        super().__init__("the host key is not known")
        self.key = key
        self.known = known
        self.why = why
        self.ignored = [text for text in route.ignored if text.startswith(_ABOUT_HOST_KEYS)]


class _Answered(SSHException):
    """The host's key, seen before anything was sent; ends a connection made to see it."""

    def __init__(self, key: PKey) -> None:
        super().__init__("the host's key was seen")
        self.key = key


class _See(MissingHostKeyPolicy):
    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        raise _Answered(key)


class _Verify(MissingHostKeyPolicy):
    """Refuses any key but a known one.

    paramiko asks it for every key, since its own list of known ones stays empty: that list has room
    for one key of a type, and knows neither revoked keys nor certificates.
    """

    def __init__(self, known: Known, route: Route) -> None:
        self._known = known
        self._route = route

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002
        known, blob = self._known, key.asbytes()
        if blob in known.revoked or _is_revoked(key, self._route):
            raise _WrongHostKey(key, known, self._route, "is revoked")
        if blob in {each.blob for each in known.keys}:
            return
        why = ""
        if known.authorities:
            why = known_hosts.certified(key, known, self._route.known_as[-1])
            if not why:
                return
        raise _WrongHostKey(key, known, self._route, why)


def connect(environment: Environment, host: Host, user: str = "") -> Connection:
    """Return an open Connection to `host` as `user` (the environment's by default).

    The way to it is OpenSSH's (sshconfig.py). The host key is checked against hosts.toml's
    host_key, or else known_hosts. The caller closes it. Raises Unreachable (no answer, wrong or
    unknown host key, key refused) or UsageProblem (a key or a configuration that cannot be read).
    """
    route = sshconfig.route(environment, host, user)
    known = known_of(environment, host, route)
    identities = login.identities(environment, route)
    connection = _connection(host, route, known, auth_strategy=identities)
    connection.client.set_missing_host_key_policy(_Verify(known, route))
    open_connection(connection, environment, host)
    return connection


def answered_key(environment: Environment, host: Host, known: Known | None = None) -> PKey:
    """Return the key that `host` answers with, whatever is known of it; nothing is sent to it.

    Of a host with several keys it is one of a type that is known. A jump host on the way must be
    known, as ever. Raises Unreachable.
    """
    route = sshconfig.route(environment, host)
    known = replace(known or Known(), authorities=())
    connection = _connection(host, route, known)
    connection.client.set_missing_host_key_policy(_See())
    try:
        open_connection(connection, environment, host)
    except _Answered as answered:
        return answered.key
    finally:
        connection.close()
    raise Unreachable(f"{environment.name} host {host}: it showed no host key")


def known_of(environment: Environment, host: Host, route: Route) -> Known:
    """Return the keys that `host` may answer with: the pinned ones, or else known_hosts'.

    A key that known_hosts calls revoked is refused, pinned or not.
    """
    known = known_hosts.read(route.known_hosts, route.known_as)
    if environment.host_keys:
        return Known(tuple(pinned_keys(environment, host)), revoked=known.revoked)
    return known


def _connection(host: Host, route: Route, known: Known, **credentials: object) -> Connection:
    return Connection(
        host=host.address,
        port=route.port,
        user=route.user,
        # One configuration per connection: they are used from several threads. With an ssh
        # configuration of our own, Fabric does not read the user's in its own way.
        config=Config(
            overrides={"run": {"in_stream": False, "hide": True, "warn": True}},
            ssh_config=SSHConfig.from_text(f"Host *\n  HostName {route.address}\n"),
        ),
        connect_timeout=route.timeout,
        gateway=Carrier(route.proxy, route.through) if route.proxy else None,
        forward_agent=False,
        connect_kwargs={
            "transport_factory": _transports(route, known),
            # The host greets only once all jump hosts are passed, each of which may take as long.
            "banner_timeout": max(_GREETING, route.timeout + 5),
            **credentials,
        },
    )


def _transports(route: Route, known: Known) -> Callable[..., Transport]:
    """Return what makes paramiko's Transport: one that asks for a key of a known type first."""

    def make(line: Any, **settings: Any) -> Transport:
        transport = Transport(line, **settings)
        options = transport.get_security_options()
        # paramiko has a second list of the certificates' types, appended by itself.
        plain = [kind for kind in options.key_types if not kind.endswith(known_hosts.CERTIFICATE)]
        usable = [*plain, *(f"{kind}{known_hosts.CERTIFICATE}" for kind in plain)]
        wanted = [kind for kind in route.key_types if kind in usable] or usable
        options.key_types = known_hosts.preferred(wanted, known)
        return transport

    return make


def _is_revoked(key: PKey, route: Route) -> bool:
    """Tell whether RevokedHostKeys of the ssh configuration names the key, as ssh-keygen says."""
    if route.revoked is None:
        return False
    try:
        ended = subprocess.run(
            ["ssh-keygen", "-Q", "-f", str(route.revoked), "/dev/stdin"],
            input=keys.public_line(key).encode(),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return True  # ssh, too, refuses every key when it cannot read the list
    return ended.returncode != 0


def open_connection(connection: Connection, environment: Environment, host: Host) -> None:
    """Open (or reopen) `connection`, retrying what a bad line causes and nothing else."""
    try:
        for attempt in Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=0.5, max=4),
            retry=retry_if_exception(lambda error: _transient(error, connection)),
            reraise=True,
        ):
            with attempt:
                connection.open()
    except Exception as error:
        # The reason first: to close it ends the program that carries it.
        reason = explain(error, environment, host, connection.gateway)
        connection.client.close()
        raise reason from None
    connection.transport.set_keepalive(_KEEPALIVE)
    if isinstance(connection.transport.sock, socket.socket):
        # Nagle's algorithm costs 40 ms per remote command (research/fabric.md section 0).
        connection.transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def explain(
    error: Exception, environment: Environment, host: Host, gateway: Carrier | None = None
) -> Exception:
    """Return `error` as one of ours, naming host and remedy; unknown errors come back as is."""
    where = f"{environment.name} host {host}"
    if isinstance(error, (_Answered, Problem)):
        return error  # asked for by answered_key; or said already
    if isinstance(error, _WrongHostKey):
        return _wrong_host_key(error, environment, where)
    if isinstance(error, NotLoggedIn):
        return _not_logged_in(error, environment, where)
    if gateway:
        return _carrier_failed(gateway, error, where, host)
    if isinstance(error, socket.gaierror):
        return Unreachable(
            f"{where}: its name cannot be resolved: {error.strerror}",
            remedy="check `hosts`, or HostName in your ssh configuration",
        )
    if isinstance(error, NoValidConnectionsError):
        reasons = "; ".join(sorted({str(reason) for reason in error.errors.values()}))
        return Unreachable(f"{where}: no connection: {reasons}", remedy="is the host up?")
    if isinstance(error, IncompatiblePeer):
        return Unreachable(
            f"{where}: it and we have no algorithm in common: {error}",
            remedy="see KexAlgorithms, HostKeyAlgorithms, Ciphers and MACs of its sshd_config",
        )
    if isinstance(error, SSHException) and "banner" in str(error).lower():
        return Unreachable(
            f"{where}: it takes connections, but is not greeting as an SSH server: {error}",
            remedy="is this sshd's port? An sshd that is overloaded (MaxStartups), or that has "
            "barred this address, ends new connections like that, too",
        )
    if isinstance(error, (TimeoutError, EOFError, SSHException)):
        return Unreachable(f"{where}: {_words(error)}")
    return translation.translated(error, where) or error


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, EOFError):
        return "it closed the connection before the log-in"
    if str(error) == _NO_SESSION:
        return "the connection ended, or connect_timeout ran out, before it had shown its key"
    return str(error) or type(error).__name__


def _wrong_host_key(error: _WrongHostKey, environment: Environment, where: str) -> Unreachable:
    refused = "refused before anything was sent"
    got = keys.fingerprint(error.key)
    detail = f'    fingerprint {got}\n    host_key = "{keys.public_line(error.key)}"'
    if error.why == "is revoked":
        return Unreachable(
            f"{where}: its host key is revoked; {refused}",
            remedy="@revoked of known_hosts or RevokedHostKeys of the ssh configuration names it",
            detail=detail,
        )
    if error.known.keys:
        kinds = error.known.kinds
        other = "" if error.key.get_name() in kinds else f" (no {' or '.join(kinds)} any more)"
        return Unreachable(
            f"{where}: its host key has CHANGED{other}; {refused}",
            remedy=f"if the server was really reinstalled, `fab -H {environment.name} trust` "
            "replaces the pinned key; if not, someone may be answering in its place",
            detail="\n".join(
                [f"    expected {keys.fingerprint_of(key.line)}" for key in error.known.keys]
                + [f"    got      {got}"]
            ),
        )
    why = f" ({error.why})" if error.why else ""
    if error.ignored:
        detail += f"\n    not followed of ssh's configuration: {'; '.join(error.ignored)}"
    return Unreachable(
        f"{where}: its host key is not known{why}; {refused}",
        remedy="compare the fingerprint with the server's own, pin it with `fab -H "
        f"{environment.name} trust` or in hosts.toml:",
        detail=detail,
    )


def _not_logged_in(error: NotLoggedIn, environment: Environment, where: str) -> Unreachable:
    own = environment.key or environment.key_file
    if not error.offered:
        remedy = f"set `key` or `key_file` in hosts.toml [{environment.name}], or load an ssh-agent"
    elif own:
        remedy = (
            f"is it the key of {environment.user} there? `user`, `key` and `key_file` of "
            f"hosts.toml [{environment.name}] say who; `fab setup` installs the deploy key"
        )
    else:
        remedy = (
            f"the keys came from ssh's configuration and agent; `key_file` of hosts.toml "
            f"[{environment.name}] names one, and `fab setup` installs it"
        )
    detail = "\n".join(f"    {line}" for line in error.tried)
    return Unreachable(f"{where}: {error.why}", remedy=remedy, detail=detail)


def _carrier_failed(gateway: Carrier, error: Exception, where: str, host: Host) -> Unreachable:
    """Return what to say of a way to the host that broke, in the words of its program."""
    words = gateway.words()
    by_hand = f"try it by hand: ssh {host.address}"
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith(("Warning:", "debug"))]
    if not telling:
        return Unreachable(
            f"{where}: no connection through {gateway.through}: {_words(error)}",
            remedy=by_hand,
        )
    why = next((line for line in telling if not _SUMMARY.search(line)), telling[-1])
    remedy = by_hand
    if "host key" in words.lower():
        remedy = (
            f"this is about {gateway.through}, not about {host}: log in to it once "
            "with ssh, and compare its key"
        )
    elif "open failed" in words:
        remedy = f"{gateway.through} was reached; what it says is about the way from there"
        if "prohibited" in words:
            remedy += " (AllowTcpForwarding and PermitOpen in its sshd_config)"
    elif "Permission denied" in words:
        remedy = f"{gateway.through} refused the log-in: IdentityFile and User in your ssh config"
    return Unreachable(
        f"{where}: no way through {gateway.through}: {why}",
        remedy=remedy,
        detail="\n".join(f"    {line}" for line in lines) if len(lines) > 1 else "",
    )


_SUMMARY = re.compile(r"^(Host key verification failed|stdio forwarding failed|kex_exchange_|@@@)")


def pinned_keys(environment: Environment, host: Host) -> list[Key]:
    """Return the keys that hosts.toml pins for `host`; any of them will do.

    A pin is "type base64", for every host of the environment, or "HOST type base64" for one.
    Raises UsageProblem for anything else, and for a fleet whose pins do not name their hosts.
    """
    where = f"hosts.toml [{environment.name}]: `host_key`"
    found = pins_for(environment, host)
    if environment.host_keys and not found:
        raise UsageProblem(
            f"{where} pins no key for {host}", remedy=f'add "{host} ssh-ed25519 AAAA…"'
        )
    kinds = [key.kind for key in found]
    unnamed = any(len(pin.split()) <= _PIN_WORDS for pin in environment.host_keys)
    if len(environment.hosts) > 1 and unnamed and len(set(kinds)) != len(kinds):
        raise UsageProblem(
            f"{where} holds several {kinds[0]} keys for {host}",
            remedy='name the host in front of each: "web1 ssh-ed25519 AAAA…"',
        )
    return found


def pins_for(environment: Environment, host: Host) -> list[Key]:
    """Return what hosts.toml pins for `host`; perhaps nothing. Raises UsageProblem."""
    names = {_known_hosts_name(host), str(host), host.address}
    found = []
    for pin in environment.host_keys:
        words = pin.split()
        if len(words) <= _PIN_WORDS or names & set(words[0].split(",")):
            found.append(_key_of(words[-_PIN_WORDS:], environment))
    return found


def _key_of(words: Sequence[str], environment: Environment) -> Key:
    known = known_hosts.parsed([" ".join(["x", *words]).encode()], ["x"])
    if not known.keys:
        raise UsageProblem(
            f"hosts.toml [{environment.name}]: `host_key` is not a public key",
            remedy='write it as ssh prints it: "ssh-ed25519 AAAA…"',
        )
    return known.keys[0]


def _known_hosts_name(host: Host) -> str:
    return f"[{host.address}]:{host.port}" if host.port not in (0, 22) else host.address


def _transient(error: BaseException, connection: Connection) -> bool:
    """Tell whether trying again can help: never for a refused key or a wrong host key."""
    if isinstance(error, (AuthenticationException, _WrongHostKey, _Answered, FileNotFoundError)):
        return False
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        return False
    if isinstance(connection.gateway, Carrier):
        return bool(_CAN_HEAL.search(connection.gateway.words()))
    early = isinstance(error, SSHException) and (
        "banner" in str(error) or str(error) == _NO_SESSION
    )
    return early or isinstance(error, (OSError, EOFError))
