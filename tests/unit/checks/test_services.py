"""Services are found in the configuration and asked in their own protocol."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.checks import services


@contextmanager
def server(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """Serve one connection: read once, answer once."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(answer(connection.recv(1024)))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def app(root: Path, env_test: str) -> Path:
    (root / "config").mkdir()
    (root / "config/.env.test").write_text(env_test)
    return root


def test_services_are_those_that_the_test_configuration_names(tmp_path: Path):
    place = app(
        tmp_path,
        "DATABASE_URL=postgres://postgres:postgres@127.0.0.1:5432/plausible_test\n"
        "CLICKHOUSE_DATABASE_URL=http://127.0.0.1:8123/plausible_test\n"
        "BASE_URL=http://localhost:8000\nS3_ENDPOINT=http://localhost:10000\n",
    )
    found = [(s.name, s.host, s.port, s.named_in) for s in services.named(place)]
    assert found == [
        ("PostgreSQL", "127.0.0.1", 5432, "config/.env.test"),
        ("ClickHouse", "127.0.0.1", 8123, "config/.env.test"),
    ]


def test_application_without_configuration_needs_no_service(tmp_path: Path):
    assert services.named(tmp_path) == []


def test_secret_of_a_url_is_not_repeated(tmp_path: Path):
    (service,) = services.named(app(tmp_path, "DATABASE_URL=postgres://u:hunter2@db/x\n"))
    assert "hunter2" not in repr(service)


def test_url_that_is_none_is_passed_over(tmp_path: Path):
    assert services.named(app(tmp_path, "DATABASE_URL=postgres://u@host:port/x\n")) == []


@pytest.mark.parametrize(
    ("scheme", "asked", "said"),
    [
        ("postgres", b"\x00\x00\x00\x08\x04\xd2\x16\x2f", b"N"),
        ("redis", b"PING\r\n", b"+PONG\r\n"),
    ],
)
def test_service_that_speaks_its_protocol_answers(
    tmp_path: Path, scheme: str, asked: bytes, said: bytes
):
    with server(lambda heard: said if heard == asked else b"?") as port:
        (service,) = services.named(app(tmp_path, f"URL={scheme}://127.0.0.1:{port}/x\n"))
        assert services.answers(service) == ""


def test_something_else_on_the_port_is_told(tmp_path: Path):
    with server(lambda _: b"SSH-2.0-x\r\n") as port:
        (service,) = services.named(app(tmp_path, f"URL=redis://127.0.0.1:{port}\n"))
        assert services.answers(service) == "something else than Redis answers there"


def test_closed_port_is_told_with_the_reason(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (service,) = services.named(app(tmp_path, f"URL=postgres://127.0.0.1:{port}/x\n"))
    assert services.answers(service) == "Connection refused"


def test_clickhouse_is_asked_for_its_ping():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.0 200 OK\r\n\r\nOk.\n")
        theirs.shutdown(socket.SHUT_WR)
        assert services._clickhouse(ours)
        assert theirs.recv(64).startswith(b"GET /ping ")
