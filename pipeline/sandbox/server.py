"""The SSH server of the sandbox: what it is asked to run, it runs here, as sshd would.

One event loop in one thread. A command leads a session of its own. When the client goes, the
command's input ends and its output breaks (SIGPIPE); it is not killed.
"""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from signal import Signals
from typing import Any, TypeVar

import asyncssh

from pipeline.remote.framing import CLEAN

Environ = Callable[[str], Mapping[str, str]]
"""From a user's name to the environment of that user's commands; HOME must exist."""

_CHUNK = 65536
_SECONDS = 30
"""For one step of starting or ending the server; more is a defect, not a slow machine."""
T = TypeVar("T")


class Server:
    """One SSH server on loopback, from `serving` to `close`; any user name, one key."""

    def __init__(
        self, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey, environ: Environ
    ) -> None:
        self._environ = environ
        self._connections: set[asyncssh.SSHServerConnection] = set()
        self._commands: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="sandbox sshd", daemon=True
        )
        self._thread.start()
        self._acceptor = self._call(self._listen(host_key, client_key))
        self.port = self._acceptor.get_port()

    def close(self, end_commands: Callable[[], None]) -> None:
        """Hang up; then `end_commands` must end whatever commands still run."""
        self._call(self._hang_up())
        end_commands()
        self._call(self._settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_SECONDS)
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _listen(
        self, host_key: asyncssh.SSHKey, client_key: asyncssh.SSHKey
    ) -> asyncssh.SSHAcceptor:
        authorized = asyncssh.import_authorized_keys(client_key.export_public_key().decode())
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=lambda: _Door(self._connections),
            server_host_keys=[host_key],
            authorized_client_keys=authorized,
            process_factory=self._run,
            sftp_factory=lambda channel: _Files(channel, self._environ(_user(channel))["HOME"]),
            encoding=None,
        )

    async def _hang_up(self) -> None:
        self._acceptor.close()
        for connection in tuple(self._connections):
            connection.abort()
        # From Python 3.12 on this waits for the connections, too.
        await self._acceptor.wait_closed()

    async def _settle(self) -> None:
        """Let the commands' ends be noticed, then end what asyncssh itself left running."""
        if self._commands:
            await asyncio.wait(self._commands, timeout=_SECONDS / 2)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._loop.shutdown_default_executor()

    async def _run(self, process: "asyncssh.SSHServerProcess[bytes]") -> None:
        """Run one command of a client in the shell; report its exit status or signal."""
        running = asyncio.current_task()
        if running:
            self._commands.add(running)
            running.add_done_callback(self._commands.discard)
        environ = self._environ(_user(process.channel))
        async with _output() as (out, stdout), _output() as (err, stderr):
            try:
                child = await asyncio.create_subprocess_exec(
                    "/bin/sh",
                    "-c",
                    # The clean environment of this host's commands is the sandbox's own.
                    (process.command or "exec /bin/sh").replace(CLEAN, "/usr/bin/env"),
                    stdin=asyncio.subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                    cwd=environ["HOME"],
                    env=environ,
                    start_new_session=True,
                )
            finally:
                os.close(out)
                os.close(err)
            gone = asyncio.create_task(process.wait_closed())
            given = asyncio.create_task(_feed(process.stdin, child.stdin))
            printed = asyncio.gather(
                _pass_on(stdout, process.stdout), _pass_on(stderr, process.stderr)
            )
            either: list[asyncio.Future[Any]] = [printed, gone]
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            await _cancel(*either)
        code = await child.wait()
        await _cancel(given)
        if code < 0:
            process.exit_with_signal(Signals(-code).name.removeprefix("SIG"))
        else:
            process.exit(code)


@asynccontextmanager
async def _output() -> AsyncIterator[tuple[int, asyncio.StreamReader]]:
    """Yield the writing end of a pipe and a stream of what comes out of it.

    The reading end is closed at the end; the writing end is the caller's to close.
    """
    reading, writing = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
    )
    try:
        yield writing, stream
    finally:
        transport.close()


async def _pass_on(source: asyncio.StreamReader, target: "asyncssh.SSHWriter[bytes]") -> None:
    """Copy what the command prints to the client, as long as there is one."""
    with suppress(OSError, asyncssh.Error):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()


async def _feed(source: "asyncssh.SSHReader[bytes]", target: asyncio.StreamWriter | None) -> None:
    """Copy the client's input to the command; its end, or the client's, is end of file."""
    if target is None:
        return
    try:
        with suppress(OSError, asyncssh.Error):
            while data := await source.read(_CHUNK):
                target.write(data)
                await target.drain()
    finally:
        target.close()


async def _cancel(*works: "asyncio.Future[Any]") -> None:
    for work in works:
        work.cancel()
    await asyncio.gather(*works, return_exceptions=True)


def _user(channel: "asyncssh.SSHServerChannel[bytes]") -> str:
    return str(channel.get_extra_info("username"))


class _Door(asyncssh.SSHServer):
    """Knows who is connected."""

    def __init__(self, connections: set[asyncssh.SSHServerConnection]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._connections.discard(self._connection)


class _Files(asyncssh.SFTPServer):
    """SFTP whose relative paths begin in the user's home, not in our working directory."""

    def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]", home: str) -> None:
        super().__init__(channel)
        self._home = home.encode()

    def map_path(self, path: bytes) -> bytes:
        return os.path.join(self._home, path)  # noqa: PTH118  (bytes)
