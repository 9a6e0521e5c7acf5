"""Fixtures of the tests on real hosts. docs/testing.md shows how to use them."""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.system import availability
from tests.system.fixtures import build, serving, site, sites
from tests.system.hosts import Host
from tests.system.keys import KeyPair, make_keys
from tests.system.lab import ROOT, Lab, open_lab
from tests.system.once import built_once

__all__ = ["build", "serving", "site", "sites"]

HERE = Path(__file__).parent
Hosts = Callable[[int], list[Host]]
OncePerRun = Callable[[str, Callable[[Path], None]], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this directory."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def real_hosts_available() -> None:
    """Skip, saying why, where real hosts cannot be booted; fail instead where they must be."""
    reason = availability.unavailable_reason()
    if reason is None:
        return
    if availability.must_run(os.environ):
        pytest.fail(f"real hosts cannot be booted, but CI needs them: {reason}", pytrace=False)
    pytest.skip(f"real hosts cannot be booted here: {reason}")


@pytest.fixture(scope="session")
def session_keys(tmp_path_factory: pytest.TempPathFactory) -> KeyPair:
    """The ed25519 key pair that root of every host accepts."""
    return make_keys(tmp_path_factory.mktemp("keys") / "id_ed25519")


@pytest.fixture(scope="session")
def lab(real_hosts_available: None, session_keys: KeyPair) -> Iterator[Lab]:
    """What the hosts of this test process share; its end ends them all."""
    made = open_lab(session_keys)
    yield made
    made.close()


@pytest.fixture
def hosts(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Hosts]:
    """`hosts(n)` boots n fresh hosts at once; they end with the test."""
    made: list[Host] = []
    request.node.stash[HOSTS] = made

    def boot(count: int) -> list[Host]:
        new = []
        for _ in range(count):
            new.append(Host(lab))
            made.append(new[-1])
            new[-1].boot(wait=False)
        for host in new:
            host.wait_running()
        return new

    yield boot
    for host in made:
        host.close()


@pytest.fixture
def host(hosts: Hosts) -> Host:
    """One fresh host, booted; ends with the test."""
    return hosts(1)[0]


@pytest.fixture
def new_host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    """One fresh host that is not booted yet: for `small_disk` and files that boot must find."""
    made = Host(lab)
    request.node.stash[HOSTS] = [made]
    yield made
    made.close()


@pytest.fixture(scope="session")
def once_per_run(tmp_path_factory: pytest.TempPathFactory) -> OncePerRun:
    """`once_per_run(name, build)` returns a directory that `build(directory)` filled.

    Also under xdist it is built once in a test run: the other workers wait for it.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def once(name: str, build: Callable[[Path], None]) -> Path:
        return built_once(shared / name, build)

    return once


@pytest.fixture(scope="session")
def app_copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of examples/qusto without what builds leave: build there, not in the checkout."""
    copy = tmp_path_factory.mktemp("app") / "qusto"
    made_by_builds = shutil.ignore_patterns("_build", "deps", "node_modules", "dist")
    shutil.copytree(ROOT / "examples/qusto", copy, ignore=made_by_builds, symlinks=True)
    return copy


HOSTS = pytest.StashKey[list[Host]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show, with a failure, what the hosts of the test have to say."""
    report = yield
    if call.when == "call" and report.failed:
        for host in item.stash.get(HOSTS, []):
            title, text = (
                ("journal", host.journal(lines=30)) if host.leader else ("console", str(host))
            )
            report.sections.append((f"{title} of {host.name} ({host.ip})", text))
    return report
