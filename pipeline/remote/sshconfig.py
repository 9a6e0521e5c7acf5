"""How OpenSSH would reach a host: what `ssh -G` makes of the user's configuration.

hosts.toml's own settings win. Where ssh is not installed, paramiko's reader has to do.
"""

import getpass
import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paramiko import ConfigParseError, SSHConfig

from pipeline.errors import UsageProblem
from pipeline.remote.inventory import Environment, Host

_SYSTEM_CONFIG = "/etc/ssh/ssh_config"
_PATIENCE = 30
"""Seconds for `ssh -G`, which runs the commands of `Match exec`."""

_DEEPEST = 8
"""Jump hosts one behind another; more are taken for a circle."""

_DEFAULT_PORT = 22
_DEFAULT_TIMEOUT = 10
_JUMP = re.compile(
    r"(?:ssh://)?(?:(?P<user>[^@]+)@)?(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:]+))(?::(?P<port>\d+))?/?"
)

PASSED_ON = (
    "addressfamily",
    "bindaddress",
    "bindinterface",
    "ciphers",
    "compression",
    "connectionattempts",
    "ipqos",
    "kexalgorithms",
    "macs",
    "pubkeyacceptedalgorithms",
    "requiredrsasize",
    "securitykeyprovider",
    "tcpkeepalive",
)
"""Settings of the connection itself, which rsync's ssh gets as `ssh -G` printed them."""

_NOT_HONOURED = {
    "forwardagent": ("no",),
    "forwardx11": ("no",),
    "hostbasedauthentication": ("no",),
    "knownhostscommand": ("none",),
    "localforward": (),
    "pkcs11provider": ("none",),
    "proxyusefdpass": ("no",),
    "remotecommand": ("none",),
    "remoteforward": (),
    "dynamicforward": (),
    "requesttty": ("auto", "no", "false"),
    "sessiontype": ("default",),
    "stricthostkeychecking": ("ask", "yes", "true"),
    "tunnel": ("no", "false"),
    "verifyhostkeydns": ("no", "false"),
}
"""Settings that are not followed, with the values that say the same as not following them."""


@dataclass(frozen=True)
class Route:
    """The way to one host: where it is, how it is known, and what is offered to it."""

    address: str
    port: int
    user: str
    known_as: tuple[str, ...]
    """Its names in known_hosts: where the first has no line, the next one counts."""
    known_hosts: tuple[Path, ...]
    identities: tuple[Path, ...]
    certificates: tuple[Path, ...]
    identities_only: bool
    agent: str
    """The socket of the ssh-agent to ask, or ""."""
    key_types: tuple[str, ...]
    """HostKeyAlgorithms; empty where nobody said."""
    timeout: int
    revoked: Path | None
    proxy: str
    """The shell command that carries the connection, or ""."""
    through: str
    """The jump hosts in it, for people; "a ProxyCommand" where there are none."""
    passed_on: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]
    """Settings of the user's configuration that are not followed, as "Keyword value"."""


def route(environment: Environment, host: Host, user: str = "") -> Route:
    """Return how to reach `host`. Raises UsageProblem for a configuration that cannot be read."""
    user = user or environment.user
    said = _ask(host.address, user, host.port)
    port = host.port or _number(_first(said, "port"), _DEFAULT_PORT)
    tokens = _tokens(host.address, _first(said, "hostname") or host.address, port, user, said)
    address = tokens["h"]
    alias = _expanded(_first(said, "hostkeyalias"), tokens)
    own_only = bool(environment.key or environment.key_file)
    proxy, through = _proxy(said, tokens, environment)
    revoked = _first(said, "revokedhostkeys")
    return Route(
        address=address,
        port=port,
        user=user,
        known_as=(alias,) if alias else _names(address, port),
        known_hosts=(
            *_paths(said, "userknownhostsfile", tokens),
            *_paths(said, "globalknownhostsfile", tokens),
        ),
        identities=() if own_only else _each_path(said, "identityfile", tokens),
        certificates=() if own_only else _each_path(said, "certificatefile", tokens),
        identities_only=_first(said, "identitiesonly") == "yes",
        agent=_agent(_first(said, "identityagent"), tokens),
        key_types=tuple(filter(None, _first(said, "hostkeyalgorithms").split(","))),
        timeout=environment.connect_timeout
        or _number(_first(said, "connecttimeout"), _DEFAULT_TIMEOUT),
        revoked=Path(_expanded(revoked, tokens)) if revoked not in ("", "none") else None,
        proxy=proxy,
        through=through,
        passed_on=tuple((k, _first(said, k)) for k in PASSED_ON if _first(said, k)),
        ignored=tuple(_ignored(said)),
    )


def _names(address: str, port: int) -> tuple[str, ...]:
    """Return the names of a host in known_hosts; ssh, too, looks without the port in the end."""
    plain = address.lower()
    return (plain,) if port == _DEFAULT_PORT else (f"[{plain}]:{port}", plain)


def _ask(name: str, user: str, port: int) -> dict[str, list[str]]:
    """Return what OpenSSH would do for `ssh -l user name`: keyword → values, in lower case."""
    if shutil.which("ssh") is None:
        return _ask_paramiko(name)
    words = ["-G", *(["-l", user] if user else []), *(["-p", str(port)] if port else [])]
    with _own_config() as config:
        try:
            ended = subprocess.run(
                ["ssh", *config, *words, "--", name],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired:
            raise UsageProblem(
                f"`ssh -G {name}` does not end within {_PATIENCE} s",
                remedy="does a `Match exec` of your ssh configuration wait for something?",
            ) from None
    if ended.returncode:
        lines = ended.stderr.decode(errors="replace").strip().splitlines()
        text = [line for line in lines if "terminating," not in line]
        raise UsageProblem(
            f"ssh refuses its configuration for {name}: {'; '.join(text[:2]) or 'without a word'}",
            remedy=f"try `ssh -G {name}`",
        )
    said: dict[str, list[str]] = {}
    for line in ended.stdout.decode(errors="surrogateescape").splitlines():
        key, _, value = line.partition(" ")
        said.setdefault(key.lower(), []).append(value.strip())
    return said


def _ask_paramiko(name: str) -> dict[str, list[str]]:
    """Return the same of paramiko's reader, which knows less: for machines without ssh."""
    config = SSHConfig()
    for path in (_home() / ".ssh/config", Path(_SYSTEM_CONFIG)):
        try:
            with path.open(encoding="utf-8", errors="surrogateescape") as file:
                config.parse(file)
        except FileNotFoundError:
            continue
        except (OSError, ConfigParseError, ValueError) as error:
            raise UsageProblem(f"{path} cannot be read: {error}") from None
    try:
        found = config.lookup(name)
    except Exception as error:  # its reader raises what it stumbles over, KeyError among it
        raise UsageProblem(f"~/.ssh/config cannot be read for {name}: {error!r}") from None
    said = {key: value if isinstance(value, list) else [value] for key, value in found.items()}
    said.setdefault("userknownhostsfile", ["~/.ssh/known_hosts ~/.ssh/known_hosts2"])
    said.setdefault("globalknownhostsfile", ["/etc/ssh/ssh_known_hosts"])
    said.setdefault("identityfile", [f"~/.ssh/id_{kind}" for kind in ("rsa", "ecdsa", "ed25519")])
    return said


@contextmanager
def _own_config() -> Iterator[list[str]]:
    """Yield the options with which ssh reads the configuration of $HOME.

    By itself it looks into the home directory of the password database.
    """
    if _home() == _passwd_home():
        yield []
        return
    with tempfile.TemporaryDirectory(prefix="qusto-ssh-") as directory:
        path = Path(directory) / "config"
        path.write_text(f'Include "{_home()}/.ssh/config"\nInclude {_SYSTEM_CONFIG}\n')
        yield ["-F", str(path)]


def _home() -> Path:
    """Return $HOME; where nobody knows one, a name that no file has, and no exception."""
    return Path(os.path.expanduser("~"))  # noqa: PTH111


def _passwd_home() -> Path:
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return _home()


def _first(said: Mapping[str, Sequence[str]], key: str) -> str:
    values = said.get(key)
    return values[0] if values else ""


def _number(text: str, default: int) -> int:
    return int(text) if text.isdigit() and int(text) else default


def _tokens(
    name: str, hostname: str, port: int, user: str, said: Mapping[str, Sequence[str]]
) -> dict[str, str]:
    """Return the %-tokens of ssh_config(5)."""
    here = socket.gethostname()
    return {
        "%": "%",
        "d": str(_home()),
        "h": hostname,
        "i": str(os.getuid()),
        "j": _first(said, "proxyjump").removesuffix("none"),
        "k": _first(said, "hostkeyalias") or name,
        "L": here.partition(".")[0],
        "l": here,
        "n": name,
        "p": str(port),
        "r": user,
        "u": _local_user(),
    }


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _expanded(text: str, tokens: Mapping[str, str]) -> str:
    """Return `text` with ~, %-tokens and ${VARIABLES}; home is $HOME, as for all else here."""
    text = re.sub(r"%(.)", lambda m: tokens.get(m[1], m[0]), text)
    text = re.sub(r"\$\{(\w+)\}", lambda m: os.environ.get(m[1], m[0]), text)
    if text.startswith("~"):
        return os.path.expanduser(text)  # noqa: PTH111  # a Path would raise for ~unknown
    theirs = f"{_passwd_home()}/.ssh/"  # ssh has expanded the defaults by itself
    return f"{_home()}/.ssh/{text.removeprefix(theirs)}" if text.startswith(theirs) else text


def _paths(said: Mapping[str, Sequence[str]], key: str, tokens: Mapping[str, str]) -> list[Path]:
    """Return the files of a setting that ssh prints in one line, without quotes."""
    texts = [text.strip('"') for text in re.split(r" (?=[/~$%\"])", _first(said, key))]
    return [Path(_expanded(text, tokens)) for text in texts if text not in ("", "none")]


def _each_path(
    said: Mapping[str, Sequence[str]], key: str, tokens: Mapping[str, str]
) -> tuple[Path, ...]:
    texts = [text.strip('"') for text in said.get(key, ())]
    return tuple(Path(_expanded(text, tokens)) for text in texts if text not in ("", "none"))


def _agent(setting: str, tokens: Mapping[str, str]) -> str:
    if setting == "none":
        return ""
    if setting in ("", "SSH_AUTH_SOCK"):
        return os.environ.get("SSH_AUTH_SOCK", "")
    if setting.startswith("$") and not setting.startswith("${"):
        return os.environ.get(setting[1:], "")
    return _expanded(setting, tokens)


def _proxy(
    said: Mapping[str, Sequence[str]], tokens: Mapping[str, str], environment: Environment
) -> tuple[str, str]:
    """Return the command that carries the connection, and whom it leads through."""
    jump = _first(said, "proxyjump")
    if jump not in ("", "none"):
        target = (tokens["h"], int(tokens["p"]))
        return _through(jump.split(","), target, environment.connect_timeout), jump
    command = _first(said, "proxycommand")
    if command in ("", "none"):
        return "", ""
    return re.sub(r"%(.)", lambda m: tokens.get(m[1], m[0]), command), "a ProxyCommand"


def _through(hops: Sequence[str], target: tuple[str, int], timeout: int, depth: int = 0) -> str:
    """Return the `ssh -W` that carries a connection to `target` through `hops`.

    Each hop is reached by OpenSSH with its own configuration, and refused unless it is known. ssh
    does not hand these options on to the hops before the last one, so each is written out.
    """
    if shutil.which("ssh") is None:
        raise UsageProblem(
            f"the way leads through the jump host {hops[-1]}, and ssh is not installed here",
            remedy="install openssh-client",
        )
    match = _JUMP.fullmatch(hops[-1].strip())
    if match is None or depth > _DEEPEST:
        why = "names no host" if match is None else "leads in a circle"
        raise UsageProblem(f"ssh configuration: ProxyJump {','.join(hops)} {why}")
    name, port = match["v6"] or match["host"], int(match["port"] or 0)
    said = _ask(name, match["user"] or "", port)
    user = match["user"] or _first(said, "user")
    address = _first(said, "hostname") or name
    port = port or _number(_first(said, "port"), _DEFAULT_PORT)
    before = list(hops[:-1])
    if not before and (own := _first(said, "proxyjump")) not in ("", "none"):
        before = own.split(",")
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ConnectTimeout": str(timeout or _number(_first(said, "connecttimeout"), _DEFAULT_TIMEOUT)),
        "ControlPath": "none",
        "PermitLocalCommand": "no",
        "ForwardAgent": "no",
        "LogLevel": "INFO",
    }
    if before:
        inner = _through(before, (address, port), timeout, depth + 1)
        options["ProxyCommand"] = inner.replace("%", "%%")
    words = ["ssh"]
    if _home() != _passwd_home():
        config = _home() / ".ssh/config"
        words += ["-F", str(config) if config.exists() else "none"]
        tokens = _tokens(name, address, port, user, said)
        files = _paths(said, "userknownhostsfile", tokens)
        options["UserKnownHostsFile"] = " ".join(f'"{path}"' for path in files) or "/dev/null"
        for path in _each_path(said, "identityfile", tokens):
            words += ["-i", str(path)] if path.exists() else []
    for key, value in options.items():
        words += ["-o", f"{key}={value}"]
    where = f"[{target[0]}]:{target[1]}" if ":" in target[0] else f"{target[0]}:{target[1]}"
    words += [*(["-l", user] if user else []), "-p", str(port), "-W", where, "--", name]
    return shlex.join(words)


def _ignored(said: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for key, same in _NOT_HONOURED.items():
        for value in said.get(key, ()):
            if value.lower() not in same:
                yield f"{key} {value}"
