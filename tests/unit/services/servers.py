"""Real servers on ports and in directories of their own, and impostors.

PostgreSQL, Redis and ClickHouse are Debian's. None runs as root: where the tests do, they run as
nobody.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.services.commands import wait_for
from pipeline.services.named import Kind, Service
from tests.programs import program

# ClickHouse of 2018 has no defaults for most of these.
_CLICKHOUSE = """<yandex>
<logger><level>warning</level><console>1</console></logger>
<http_port>{port}</http_port><listen_host>127.0.0.1</listen_host>
<path>{place}/</path><tmp_path>{place}/tmp/</tmp_path><mark_cache_size>67108864</mark_cache_size>
<users_config>{place}/config.xml</users_config>
<default_profile>default</default_profile><default_database>default</default_database>
<profiles><default/></profiles><quotas><default/></quotas>
<users><default><password/><networks><ip>::/0</ip></networks>
<profile>default</profile><quota>default</quota></default></users>
</yandex>
"""


def service(kind: Kind, port: int, *, user: str = "", password: str = "") -> Service:
    """Return a service on this machine."""
    return Service(kind, "127.0.0.1", port, "config/.env.test", user, password)


def closed_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


@contextmanager
def postgresql(*settings: str) -> Iterator[Service]:
    """Run PostgreSQL with a fresh cluster; it lets user `postgres` in without a password."""
    initdb = program("initdb")
    with _place() as place:
        own = ("--username=postgres", "--auth=trust", "--no-sync", "--locale=C", "-E", "UTF8")
        subprocess.run(
            [initdb, "-D", place / "data", *own],
            check=True,
            capture_output=True,
            cwd=place,
            user=_USER,
            group=_GROUP,
        )
        asked = service(Kind.POSTGRESQL, closed_port(), user="postgres")
        given = ("fsync=off", f"unix_socket_directories={place}", f"port={asked.port}", *settings)
        options = [word for setting in given for word in ("-c", setting)]
        # INT: a fast shutdown, which does not wait for its clients.
        argv = [program("postgres"), "-D", str(place / "data"), *options]
        with _running(argv, place, asked, ending=signal.SIGINT):
            yield asked


@contextmanager
def redis(password: str = "") -> Iterator[Service]:
    """Run Redis without persistence."""
    server = program("redis-server")
    with _place() as place:
        asked = service(Kind.REDIS, closed_port(), password=password)
        settings = ("--requirepass", password) if password else ()
        own = ("--port", str(asked.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(place))
        with _running([server, *own, *settings], place, asked):
            yield asked


@contextmanager
def clickhouse() -> Iterator[Service]:
    """Run ClickHouse."""
    server = program("clickhouse-server")
    with _place() as place:
        asked = service(Kind.CLICKHOUSE, closed_port())
        config = place / "config.xml"
        config.write_text(_CLICKHOUSE.format(port=asked.port, place=place))
        with _running([server, f"--config-file={config}"], place, asked):
            yield asked


@contextmanager
def impostor(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """Answer whatever each connection says first; None: hold the line and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held = []

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:  # the test is over
                    return
                said = answer(connection.recv(1024))
                if said is None:
                    held.append(connection)
                else:
                    connection.sendall(said)
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for connection in held:
            connection.close()


_USER, _GROUP = ("nobody", "nogroup") if os.geteuid() == 0 else (None, None)
"""Who the servers run as; None: as we do."""


@contextmanager
def _place() -> Iterator[Path]:
    """Yield a directory that the server's user can reach, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="qusto-server-") as name:
        if _USER and _GROUP:
            shutil.chown(name, _USER, _GROUP)
        yield Path(name)


@contextmanager
def _running(
    argv: list[str], place: Path, asked: Service, ending: int = signal.SIGTERM
) -> Iterator[None]:
    log = place / "log"
    with log.open("wb") as out:
        child = subprocess.Popen(
            argv,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            user=_USER,
            group=_GROUP,
        )
    try:
        trouble = wait_for(asked, 30)
        assert trouble is None, (trouble, log.read_text())
        yield
    finally:
        child.send_signal(ending)
        child.wait(30)
        _wait_until_closed(asked.port)


def _wait_until_closed(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
