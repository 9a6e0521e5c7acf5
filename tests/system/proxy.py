"""A TCP proxy that makes a line slow: for what netem would do, which this kernel lacks."""

import asyncio
import contextlib
import functools
import math
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

CHUNK = 64 * 1024
IN_FLIGHT = 256  # chunks of one direction


@contextmanager
def slow_line(
    target: tuple[str, int],
    *,
    there_ms: float = 0,
    back_ms: float = 0,
    bytes_per_second: float = math.inf,
    sent: Callable[[int], None] = lambda _bytes: None,
) -> Iterator[tuple[str, int]]:
    """Yield a loopback address that leads to `target`, later; `sent` hears of bytes towards it.

    Each byte arrives `there_ms` milliseconds after it was sent towards the target, `back_ms`
    on the way back. All connections together carry `bytes_per_second` each way; order and
    half-closed connections are kept. All connections end with the block.
    """
    ready: list[tuple[str, int]] = []
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        there = _Way(there_ms / 1000, bytes_per_second, sent)
        back = _Way(back_ms / 1000, bytes_per_second)
        async with _serving(target, there, back) as address:
            ready.append(address)
            started.set()
            await stop.wait()

    def body() -> None:
        try:
            loop.run_until_complete(serve())
        finally:
            loop.close()
            started.set()

    thread = threading.Thread(target=body, name="slow-line", daemon=True)
    thread.start()
    started.wait()
    if not ready:
        raise OSError("the slow line could not listen on 127.0.0.1")
    try:
        yield ready[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


@dataclass
class _Way:
    """One direction of the line: seconds that a byte is on its way, and how many go at a time."""

    delay: float
    bytes_per_second: float
    passed: Callable[[int], None] = lambda _bytes: None
    free: float = 0.0
    """When, by the loop's clock, the last byte that was taken on has left the sender."""


@asynccontextmanager
async def _serving(
    target: tuple[str, int], there: _Way, back: _Way
) -> AsyncIterator[tuple[str, int]]:
    # Sockets by hand: asyncio's server hands over a connection it has accepted only rounds
    # later, and one that comes while the block ends would stay open for ever.
    loop = asyncio.get_running_loop()
    connections: set[asyncio.Task[None]] = set()

    async def accept(listening: socket.socket) -> None:
        while True:
            near, _ = await loop.sock_accept(listening)
            # A line holds nothing back. asyncio sees to that itself only where it made the socket.
            near.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = loop.create_task(_connection(near, target, there, back))
            connections.add(task)
            task.add_done_callback(connections.discard)
            # Here, because a task that is cancelled before its first step runs no `finally`.
            task.add_done_callback(functools.partial(_close, near))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        acceptor = loop.create_task(accept(listening))
        try:
            yield listening.getsockname()
        finally:
            tasks = [acceptor, *connections]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _close(near: socket.socket, _: asyncio.Task[None]) -> None:
    near.close()


async def _connection(
    near: socket.socket,
    target: tuple[str, int],
    there: _Way,
    back: _Way,
) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(*target)
    except OSError:
        return  # refused: the caller's line is closed, too
    reader, writer = await asyncio.open_connection(sock=near)
    try:
        await asyncio.gather(
            _direction(reader, far_writer, there),
            _direction(far_reader, writer, back),
        )
        for end in (writer, far_writer):
            end.close()
            with contextlib.suppress(ConnectionError):  # reset while the last bytes went out
                await end.wait_closed()
    finally:
        for end in (writer, far_writer):
            end.transport.abort()  # nothing is left to do unless we were cancelled


async def _direction(source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: _Way) -> None:
    loop = asyncio.get_running_loop()
    line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(IN_FLIGHT)

    async def listen() -> None:
        data = b"-"
        while data:
            try:
                data = await source.read(CHUNK)
            except ConnectionError:
                data = b""  # a reset ends it like a close
            way.free = max(way.free, loop.time()) + len(data) / way.bytes_per_second
            await line.put((way.free + way.delay, data))
            await asyncio.sleep(way.free - loop.time())  # a full line makes its sender wait

    listener = asyncio.ensure_future(listen())
    try:
        while True:
            due, data = await line.get()
            await asyncio.sleep(due - loop.time())
            if not data:
                break
            way.passed(len(data))
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:
        return  # the other end is gone: nothing is left to carry
    finally:
        listener.cancel()
