"""A sandbox host and a line to it; both end with the test."""

import sys
from collections.abc import Iterator

import pytest
from fabric import Connection

from pipeline.remote import connection as connections
from pipeline.remote import inventory
from pipeline.sandbox.host import NAME, Sandbox


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if sys.platform != "linux":
        skip = pytest.mark.skip(reason="the sandbox host needs Linux: its scripts read /proc")
        for item in items:
            if "/sandbox/" in item.path.as_posix():
                item.add_marker(skip)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def line(sandbox: Sandbox) -> Iterator[Connection]:
    connection = connect(sandbox)
    yield connection
    connection.close()


def connect(sandbox: Sandbox) -> Connection:
    target = inventory.resolve([NAME], sandbox.hosts_file, {})
    return connections.connect(target.environment, target.hosts[0])
