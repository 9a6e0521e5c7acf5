"""The slow line: late, but whole."""

import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import pytest

from tests.system.proxy import slow_line


class _Echo(socketserver.StreamRequestHandler):
    """Answers, after the client has closed its half, everything it said and a farewell."""

    def handle(self) -> None:
        self.wfile.write(self.rfile.read() + b"bye")


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join()


def ask(address: tuple[str, int], data: bytes) -> bytes:
    with socket.create_connection(address, timeout=30) as line:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: line.recv(65536), b""))


def test_everything_arrives_in_order_and_half_closed_lines_still_answer(echo):
    data = bytes(range(256)) * 20_000
    with slow_line(echo, there_ms=1, back_ms=1) as address:
        assert ask(address, data) == data + b"bye"


def test_an_answer_takes_at_least_both_delays(echo):
    with slow_line(echo, there_ms=60, back_ms=40) as address:
        before = time.monotonic()
        assert ask(address, b"hello") == b"hellobye"
        assert time.monotonic() - before >= 0.100


def test_a_narrow_line_takes_its_time_for_each_byte(echo):
    with slow_line(echo, bytes_per_second=1_000_000) as address:
        before = time.monotonic()
        assert ask(address, b"x" * 100_000) == b"x" * 100_000 + b"bye"
        assert time.monotonic() - before >= 0.200


def is_closed(line: socket.socket) -> bool:
    """Tell whether the other end closed the line; raises TimeoutError when it stays open."""
    try:
        return line.recv(10) == b""
    except ConnectionResetError:
        return True


def test_a_target_that_refuses_closes_the_line():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        target = unused.getsockname()
    with slow_line(target) as address, socket.create_connection(address, timeout=30) as line:
        assert is_closed(line)


def test_after_the_block_nobody_listens(echo):
    with slow_line(echo) as address:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=5)


def test_open_connections_end_with_the_block(echo):
    with slow_line(echo) as address:
        line = socket.create_connection(address, timeout=30)
        line.sendall(b"hello")
    with line:
        assert is_closed(line)
