"""The services that an application's test configuration names: kind, address, and who says so.

A URL is looked for where the application itself looks (Qusto's config/runtime.exs; the order was
read from the sources, research/qusto-detail.md section 6): a file in CONFIG_DIR beats
config/.env.test, which beats the environment, for Envy overwrites it. The environment only counts
if the configuration names the variable at all. URLs that stand in config/test.exs itself are
added; those in other config files are for other environments, or defaults that are not in force.
"""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values

ENV_FILE = "config/.env.test"
VARIABLES = ("DATABASE_URL", "CLICKHOUSE_DATABASE_URL", "REDIS_URL")
"""What is looked up outside of the env file too."""

_LITERAL = re.compile(r"(?:^|[\s\"'=])((?:postgres|postgresql|ecto|redis|http)://[^\s\"',)]+)")
_CLICKHOUSE_PORT = 8123


class Kind(StrEnum):
    """What a service is; the value is its name for people."""

    POSTGRESQL = "PostgreSQL"
    CLICKHOUSE = "ClickHouse"
    REDIS = "Redis"


PORTS = {Kind.POSTGRESQL: 5432, Kind.CLICKHOUSE: _CLICKHOUSE_PORT, Kind.REDIS: 6379}


@dataclass(frozen=True)
class Service:
    """One service where the configuration says it is; `named_in` is the file or the variable."""

    kind: Kind
    host: str
    port: int
    named_in: str
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether it is where containers are put: on this machine, at 127.0.0.1."""
        return self.host in ("localhost", "127.0.0.1")


DOCUMENTED = (
    Service(Kind.POSTGRESQL, "127.0.0.1", 5432, "CI_CD_SETUP.md", "postgres", "postgres"),
    Service(Kind.CLICKHOUSE, "127.0.0.1", _CLICKHOUSE_PORT, "CI_CD_SETUP.md"),
)
"""What is meant where the application names nothing."""


def named(app: Path, environ: Mapping[str, str]) -> list[Service]:
    """Return the services that the tests of the application will use, each address once.

    URLs that make no sense are left out: the application will say so better.
    """
    found: dict[tuple[Kind, str, int], Service] = {}
    for variable, url, where in _urls(app, environ):
        service = _service(variable, url, where)
        if service:
            host = "localhost" if service.is_local else service.host
            found.setdefault((service.kind, host, service.port), service)
    return list(found.values())


def _urls(app: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield variable (empty for a literal), URL, and where it stands."""
    env_file = _text(app / ENV_FILE)
    values = dotenv_values(stream=io.StringIO(env_file), interpolate=False)
    texts = {path: _text(path) for path in sorted((app / "config").glob("*.exs"))}
    mentioned = "\n".join(texts.values())
    directory = environ.get("CONFIG_DIR", "")
    for variable in dict.fromkeys((*VARIABLES, *values)):
        in_file = Path(directory) / variable
        if directory and variable in VARIABLES and in_file.is_file():
            yield variable, _text(in_file).strip(), str(in_file)
        elif values.get(variable):
            yield variable, values[variable] or "", ENV_FILE
        elif environ.get(variable) and re.search(rf"\b{variable}\b", mentioned):
            yield variable, environ[variable], f"{variable} in the environment"
    for url in _LITERAL.findall(texts.get(app / "config/test.exs", "")):
        yield "", url, "config/test.exs"


def _service(variable: str, url: str, named_in: str) -> Service | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port
    except ValueError:
        return None
    match parts.scheme:
        case "postgres" | "postgresql" | "ecto":
            kind = Kind.POSTGRESQL
        case "redis":
            kind = Kind.REDIS
        case "http" if "CLICKHOUSE" in variable or port == _CLICKHOUSE_PORT:
            kind = Kind.CLICKHOUSE
        case _:
            return None
    return Service(
        kind=kind,
        host=host,
        port=port or PORTS[kind],
        named_in=named_in,
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
