"""The services that an application's test configuration names, and whether they answer.

Each is asked in its own protocol: an open port alone may be anything.
"""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

TIMEOUT = 2.0
"""Seconds for one answer."""

_URL = re.compile(r"(?:^|[\s\"'=])((?:postgres|postgresql|ecto|redis|http)://\S+)")


@dataclass(frozen=True)
class Service:
    """One service, where the configuration says it is."""

    name: str
    host: str
    port: int
    named_in: str
    ask: Callable[[socket.socket], bool]
    start: str


def named(app: Path) -> list[Service]:
    """Return the services whose URLs stand in the application's test configuration."""
    found: dict[tuple[str, int, str], Service] = {}
    for path in (app / "config/.env.test", *sorted((app / "config").glob("*.exs"))):
        text = path.read_text("utf-8", "replace") if path.is_file() else ""
        for url in re.findall(
            r"(?:^|[\s\"'=])((?:postgres|postgresql|ecto|redis|http)://\S+)", text
        ):
            service = _service(url.rstrip("\"',)"), str(path.relative_to(app)))
            if service:
                found.setdefault((service.name, service.port, service.host), service)
    return list(found.values())


def answers(service: Service) -> str:
    """Return why the service does not answer, or nothing if it does."""
    try:
        with socket.create_connection((service.host, service.port), TIMEOUT) as connection:
            connection.settimeout(TIMEOUT)
            if service.ask(connection):
                return ""
            return f"something else than {service.name} answers there"
    except OSError as error:
        return error.strerror or str(error) or type(error).__name__


def _service(url: str, named_in: str) -> Service | None:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port
    except ValueError:
        return None
    match parts.scheme:
        case "postgres" | "postgresql" | "ecto":
            start = "docker run -d -p 5432:5432 -e POSTGRES_PASSWORD=postgres postgres:18"
            return Service("PostgreSQL", host, port or 5432, named_in, _postgresql, start)
        case "redis":
            start = "docker run -d -p 6379:6379 redis"
            return Service("Redis", host, port or 6379, named_in, _redis, start)
        case "http" if port == 8123:
            image = "clickhouse/clickhouse-server:24.12.2.29-alpine"
            start = f"docker run -d -p 8123:8123 {image}"
            return Service("ClickHouse", host, port, named_in, _clickhouse, start)
    return None


def _postgresql(connection: socket.socket) -> bool:
    # SSLRequest: length 8, code 80877103; the answer is one letter
    # (postgresql.org/docs/current/protocol-message-formats.html).
    connection.sendall(b"\x00\x00\x00\x08\x04\xd2\x16\x2f")
    return connection.recv(1) in (b"S", b"N")


def _redis(connection: socket.socket) -> bool:
    connection.sendall(b"PING\r\n")
    return connection.recv(16).startswith((b"+PONG", b"-NOAUTH"))


def _clickhouse(connection: socket.socket) -> bool:
    connection.sendall(b"GET /ping HTTP/1.0\r\n\r\n")
    answer = b""
    while len(answer) < 4096 and (more := connection.recv(1024)):
        answer += more
    return answer.startswith(b"HTTP/1") and answer.rstrip().endswith(b"Ok.")
