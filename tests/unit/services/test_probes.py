"""Probes against real servers and against what may stand in their place."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from pipeline.services import probes
from pipeline.services.named import Kind, Service
from pipeline.services.probes import Fault, Trouble
from tests.unit.services import servers

KINDS = pytest.mark.parametrize("kind", list(Kind))


@pytest.mark.parametrize("start", [servers.postgresql, servers.redis, servers.clickhouse])
def test_real_server_answers_until_it_is_gone(
    start: Callable[[], AbstractContextManager[Service]],
):
    with start() as service:
        assert probes.ask(service) is None
    assert probes.ask(service) == Trouble(Fault.CLOSED, "connection refused")


def test_postgresql_that_is_full_refuses_in_its_own_words():
    few = ("max_connections=1", "superuser_reserved_connections=0", "max_wal_senders=0")
    with servers.postgresql(*few) as service:
        psql = ["psql", "-h", "127.0.0.1", "-p", str(service.port), "-U", "postgres"]
        with subprocess.Popen(
            [*psql, "-c", "select 1", "-c", "select pg_sleep(60)"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as client:
            assert client.stdout
            client.stdout.readline()
            trouble = probes.ask(service)
            client.terminate()
    assert trouble == Trouble(Fault.REFUSING, "it refuses: sorry, too many clients already")


def test_redis_with_a_password_wants_the_right_one():
    with servers.redis("right") as service:

        def ask(password: str) -> str:
            trouble = probes.ask(servers.service(Kind.REDIS, service.port, password=password))
            return trouble.text if trouble else "answers"

        assert ask("right") == "answers"
        assert ask("wrong").startswith("it refuses: WRONGPASS")
        assert ask("") == "it refuses: NOAUTH Authentication required."


@KINDS
def test_something_else_on_the_port_is_told(kind: Kind):
    with servers.impostor(lambda _: b"SSH-2.0-OpenSSH_9.2p1\r\n") as port:
        trouble = probes.ask(servers.service(kind, port))
    assert trouble == Trouble(Fault.FOREIGN, f"something else than {kind} answers there")


def test_real_redis_is_no_clickhouse():
    with servers.redis() as service:
        trouble = probes.ask(servers.service(Kind.CLICKHOUSE, service.port))
    assert trouble
    assert trouble.fault is Fault.FOREIGN


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.0 200 OK\r\n\r\n<html>Ok.</html>",
        b"HTTP/1.0 404 Not Found\r\nServer: nginx\r\n\r\n",
        b"HTTP/1.0 301 Moved\r\n\r\nOk.\n",
        b"HTTP/1.0\r\n\r\n",
    ],
)
def test_web_server_is_no_clickhouse(answer: bytes):
    with servers.impostor(lambda _: answer) as port:
        trouble = probes.ask(servers.service(Kind.CLICKHOUSE, port))
    assert trouble
    assert trouble.fault is Fault.FOREIGN


@KINDS
def test_port_that_accepts_and_says_nothing_is_silent(kind: Kind):
    with servers.impostor(lambda _: None) as port:
        trouble = probes.ask(servers.service(kind, port), timeout=0.2)
    assert trouble == Trouble(Fault.SILENT, "no answer within 0.2 s")


def test_time_is_up_also_for_one_who_drips():
    # A byte now and then must not start the time anew.
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    while True:
                        connection.sendall(b"H")
                        time.sleep(0.05)
                except OSError:
                    return

        threading.Thread(target=drip, daemon=True).start()
        asked = servers.service(Kind.CLICKHOUSE, listening.getsockname()[1])
        assert probes.ask(asked, timeout=0.3) == Trouble(Fault.SILENT, "no answer within 0.3 s")


@KINDS
def test_line_that_is_cut_is_told(kind: Kind):
    with servers.impostor(lambda _: b"") as port:
        trouble = probes.ask(servers.service(kind, port))
    assert trouble
    assert trouble.fault is Fault.FOREIGN


def test_host_that_does_not_exist_is_told():
    trouble = probes.ask(Service(Kind.POSTGRESQL, "nowhere.invalid", 5432, "x"))
    assert trouble
    assert trouble.text.startswith("no such host")


def test_complaint_names_service_address_source_and_remedy():
    service = servers.service(Kind.POSTGRESQL, 5432)
    assert probes.complaint(service, Trouble(Fault.CLOSED, "connection refused")) == (
        "PostgreSQL at 127.0.0.1:5432 (config/.env.test): connection refused; "
        "start it: inv services.up"
    )


def test_what_no_command_of_ours_can_start_gets_no_command():
    far = Service(Kind.REDIS, "cache.example", 6379, "REDIS_URL in the environment")
    assert probes.START not in probes.complaint(far, Trouble(Fault.CLOSED, "connection refused"))
    near = servers.service(Kind.REDIS, 6379)
    assert probes.START not in probes.complaint(near, Trouble(Fault.SILENT, "no answer"))
