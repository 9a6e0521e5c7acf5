"""hosts.toml: environments and their hosts."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from pipeline import tomlfile
from pipeline.errors import UsageProblem

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?P<default>:-[^}]*)?\}")
_ADDRESS = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>\d+))?"
)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
_UNIT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,60}")
_RELEASE = re.compile(r"[a-z][a-z0-9_]*")
_MODULE = re.compile(r"[A-Z][A-Za-z0-9_]*(\.[A-Z][A-Za-z0-9_]*)*")
_SHARE = re.compile(r"([1-9][0-9]?|100)%")
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


class Health(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a release counts as serving; times in seconds."""

    url: str = "http://localhost:8000/api/health"
    version_url: str = "http://localhost:8000/api/system"
    public_url: str = ""
    timeout: float = 20
    deadline: float = 120
    min_healthy: float = 3
    watch: int = 0


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of hosts.toml with every default filled in and every ${VAR} replaced."""

    name: str
    hosts: list[str]
    user: str = "deploy"
    port: int = 0
    key: str = ""
    key_file: str = ""
    key_passphrase: str = ""
    host_key: str | list[str] = ""
    setup_user: str = "root"
    service: str
    service_user: str = "qusto"
    path: str
    backups: str
    url: str = ""
    branch: str
    mix_env: str = "prod"
    release: str = "plausible"
    release_module: str = "Plausible.Release"
    migrate: Literal["after-stop", "before-stop"] = "after-stop"
    migrate_timeout: int = 900
    keep: int = 5
    batch: int | str = "100%"
    backup_copy: Literal["copy", "link"] = "copy"
    backup_database: str = ""
    confirm: bool = False
    connect_timeout: int = 0
    root: str = "/"
    health: Health = Health()

    @property
    def host_keys(self) -> list[str]:
        """The pinned public keys, "[HOST] type base64" each; empty means known_hosts."""
        texts = [self.host_key] if isinstance(self.host_key, str) else self.host_key
        return [line.strip() for text in texts for line in text.splitlines() if line.strip()]

    def __repr__(self) -> str:
        """Return only the name: the repr of a struct would show the key."""
        return f"Environment({self.name})"


def public_texts(environment: Environment) -> list[str]:
    """Return every text of the environment that is no secret: names, paths, addresses."""
    secret = ("key", "key_passphrase")
    rest = {
        name: text
        for name, text in msgspec.structs.asdict(environment).items()
        if name not in secret
    }
    values = [*rest.values(), *msgspec.structs.asdict(environment.health).values()]
    flat = [item for value in values for item in (value if isinstance(value, list) else [value])]
    return [text for text in flat if isinstance(text, str) and text]


@dataclass(frozen=True)
class Host:
    """One machine of an environment; without a port (0), ssh's configuration says which."""

    address: str
    port: int

    def __str__(self) -> str:
        """Return the address, with the port where it is not 22."""
        return self.address if self.port in (0, 22) else f"{self.address}:{self.port}"


@dataclass(frozen=True)
class Target:
    """What one command works on: an environment and those of its hosts that were named."""

    environment: Environment
    hosts: tuple[Host, ...]


def resolve(names: Sequence[str], path: Path, variables: Mapping[str, str]) -> Target:
    """Return what the -H `names` mean; without names, the file's `default` environment.

    A name is an environment, or a host of one; several must belong to one environment.
    Raises UsageProblem, naming file, key and remedy, before anything is connected.
    """
    tables = tomlfile.read(path)
    default = tables.pop("default", None)
    for key, table in tables.items():
        if not isinstance(table, dict):
            raise UsageProblem(f"{path.name}: unknown key `{key}`; known are `default` and tables")
    known = sorted(tables)
    if not names:
        if default is None:
            raise UsageProblem(
                f"no target; use -H NAME with one of: {', '.join(known) or '(none defined)'}",
                remedy=f'or set default = "NAME" at the top of {path}',
            )
        names = [default]
    if len(names) == 1 and names[0] in tables:
        environment = _environment(names[0], tables, path, variables)
        hosts = tuple(host_of(h, environment, path) for h in environment.hosts)
        target = Target(environment, hosts)
    else:
        target = _by_host(names, tables, path, variables)
    _require_apart(target, path, variables)
    return target


def environments(path: Path, variables: Mapping[str, str]) -> list[Environment]:
    """Return the environments of the file, without those that need a variable which is not set."""
    tables = tomlfile.read(path)
    found = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            continue
        try:
            found.append(_environment(name, tables, path, variables))
        except UsageProblem:
            continue
    return found


def port_of(url: str) -> int:
    """Return the port that `url` names or its scheme implies; 0 if there is none."""
    try:
        parts = urlsplit(url)
        return parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        return 0


def health_port(environment: Environment) -> int:
    """Return the port that the service answers at, by `health.url`. Raises UsageProblem."""
    if port := port_of(environment.health.url):
        return port
    raise UsageProblem(
        f"hosts.toml [{environment.name}]: `health.url` = {environment.health.url!r} is not "
        "a URL with a port",
        remedy='url = "http://localhost:8000/api/health"',
    )


def _require_apart(target: Target, path: Path, variables: Mapping[str, str]) -> None:
    """Refuse an environment that shares a host with another and what only one of them can have.

    With one port, each would take the other's answers to the health check for its own.
    """
    mine = target.environment
    for other in environments(path, variables):
        if other.name == mine.name:
            continue
        try:
            theirs = {_machine(host_of(text, other, path)) for text in other.hosts}
        except UsageProblem:
            continue  # its own matter
        shared = sorted(str(host) for host in target.hosts if _machine(host) in theirs)
        if not shared:
            continue
        where = f"{path.name}: {mine.name} and {other.name} are both on {shared[0]}"
        for key in ("service", "path", "backups"):
            if getattr(mine, key) == getattr(other, key):
                raise UsageProblem(
                    f"{where} and have the same `{key}` = {getattr(mine, key)}",
                    remedy=f"give one of them another `{key}`, or another host",
                )
        if health_port(mine) == health_port(other):
            port = health_port(mine)
            raise UsageProblem(
                f"{where} and have the same health port {port}",
                remedy=f"give one of them another port: `url` and `version_url` of "
                f"[{other.name}.health] and PORT in its environment file",
            )


def _machine(host: Host) -> tuple[str, int]:
    return host.address, host.port or 22


def _by_host(
    names: Sequence[str], tables: dict[str, Any], path: Path, variables: Mapping[str, str]
) -> Target:
    if several := [name for name in names if name in tables]:
        raise UsageProblem(
            f"-H {','.join(names)}: {several[0]} is a whole environment; name one environment, "
            "or hosts of one"
        )
    matches = []
    for name in tables:
        try:
            environment = _environment(name, tables, path, variables)
        except UsageProblem:
            # Another environment's unset variable must not stop work on this one.
            continue
        chosen = [h for h in environment.hosts if h in names]
        if len(chosen) == len(set(names)):
            matches.append((environment, chosen))
    if not matches:
        near = difflib.get_close_matches(names[0], sorted(tables), n=1)
        hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(tables))}"
        raise UsageProblem(f"-H {','.join(names)}: no such environment in {path}; {hint}")
    environment, chosen = matches[0]
    return Target(environment, tuple(host_of(h, environment, path) for h in chosen))


def _environment(
    name: str, tables: dict[str, Any], path: Path, variables: Mapping[str, str]
) -> Environment:
    where = f"{path.name} [{name}]"
    if not _NAME.fullmatch(name):
        raise UsageProblem(f"{where}: a name is a lower-case word, with digits and dashes")
    if "name" in tables[name]:
        raise UsageProblem(f"{where}: unknown key `name`; the table's own title is its name")
    table = _expanded(tables[name], where, "", variables)
    production = name == "production"
    defaults = {
        "name": name,
        "service": "qusto" if production else f"qusto-{name}",
        # One for each environment: the code of one must not reach the other's memory and secrets.
        "service_user": "qusto" if production else f"qusto-{name}"[:32],
        "path": f"/var/www/qusto/{name}",
        "backups": f"/var/www/qusto/backups/{name}",
        "branch": "main" if production else "develop",
        "confirm": production,
    }
    environment = tomlfile.convert(defaults | table, Environment, where=where)
    hosts = [part.strip() for text in environment.hosts for part in text.split(",")]
    environment = msgspec.structs.replace(environment, hosts=[host for host in hosts if host])
    _validate(environment, where)
    return environment


def _validate(environment: Environment, where: str) -> None:
    """Refuse what could not be quoted safely into units, sudoers lines and scripts."""
    if not environment.hosts:
        raise UsageProblem(f"{where}: `hosts` is empty", remedy='hosts = ["server.example"]')
    shapes = (
        ("user", environment.user, _USER, "a user name"),
        ("setup_user", environment.setup_user, _USER, "a user name"),
        ("service_user", environment.service_user, _USER, "a user name"),
        ("release", environment.release, _RELEASE, "the name of a release in mix.exs"),
        ("release_module", environment.release_module, _MODULE, "the name of an Elixir module"),
        ("service", environment.service, _UNIT, "the name of a unit, without .service"),
        ("path", environment.path, _PATH, "an absolute path of letters, digits, . _ -"),
        ("backups", environment.backups, _PATH, "an absolute path of letters, digits, . _ -"),
        ("root", environment.root.rstrip("/") or "/x", _PATH, "an absolute path"),
    )
    for key, value, shape, meaning in shapes:
        if not shape.fullmatch(value) or ".." in value:
            raise UsageProblem(f"{where}: `{key}` = {value!r} is not {meaning}")
    if environment.key and environment.key_file:
        raise UsageProblem(f"{where}: `key` and `key_file` are both set; keep one")
    if environment.key_passphrase and not (environment.key or environment.key_file):
        raise UsageProblem(f"{where}: `key_passphrase` goes with `key` or `key_file`")
    if environment.keep < 1:
        raise UsageProblem(f"{where}: `keep` = {environment.keep}, but at least 1 must be kept")
    if "\n" in environment.backup_database:
        raise UsageProblem(f"{where}: `backup_database` is more than one line")
    batch = environment.batch
    if batch < 1 if isinstance(batch, int) else not _SHARE.fullmatch(batch):
        raise UsageProblem(
            f"{where}: `batch` = {batch!r} is neither a number of hosts from 1 nor a "
            'share like "50%"'
        )
    if environment.migrate_timeout < 1:
        raise UsageProblem(
            f"{where}: `migrate_timeout` = {environment.migrate_timeout} must be more than 0"
        )
    if environment.health.watch < 0:
        raise UsageProblem(f"{where}: `health.watch` = {environment.health.watch} is less than 0")
    health_port(environment)
    for key in ("timeout", "deadline", "min_healthy"):
        value = getattr(environment.health, key)
        if value < 0 or (value == 0 and key != "min_healthy"):
            raise UsageProblem(f"{where}: `health.{key}` = {value} must be more than 0 seconds")


def host_of(text: str, environment: Environment, path: Path) -> Host:
    """Return the host that an entry of `hosts` names. Raises UsageProblem."""
    match = _ADDRESS.fullmatch(text)
    if not match:
        raise UsageProblem(
            f"{path.name} [{environment.name}]: `hosts` holds {text!r}; not HOST or HOST:PORT"
        )
    return Host(match["v6"] or match["host"], int(match["port"] or environment.port))


def _expanded(value: Any, where: str, key: str, variables: Mapping[str, str]) -> Any:
    """Return `value` with each ${VAR} and ${VAR:-default} replaced, in strings at any depth."""
    if isinstance(value, dict):
        return {
            k: _expanded(v, where, f"{key}.{k}".lstrip("."), variables) for k, v in value.items()
        }
    if isinstance(value, list):
        return [_expanded(item, where, key, variables) for item in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        found = variables.get(match["name"]) or (match["default"] or "")[2:]
        if not found and match["default"] is None:
            raise UsageProblem(
                f"{where}: `{key}` needs ${{{match['name']}}}, which is not set",
                remedy=f"export {match['name']}=…, or put it into .env beside hosts.toml",
            )
        return found

    return _VARIABLE.sub(replace, value)
