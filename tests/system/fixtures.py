"""Fixtures for deploys: builds of the sample app, sites with and without a first release."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.site import Site

Hosts = Callable[[int], list[Host]]
OncePerRun = Callable[[str, Callable[[Path], None]], Path]
Sites = Callable[[int], Site]


@pytest.fixture(scope="session")
def build(app_copy: Path, once_per_run: OncePerRun, real_hosts_available: None) -> Builder:
    """`build(version, faults, extra_migrations)` returns an artifact of the sample app."""
    return Builder(app_copy, once_per_run)


@pytest.fixture
def sites(hosts: Hosts, session_keys: KeyPair, tmp_path: Path) -> Sites:
    """`sites(n)` returns a site of n fresh hosts, nothing set up on them."""

    def make(count: int) -> Site:
        site = Site(tuple(hosts(count)), tmp_path, session_keys.private)
        site.write()
        return site

    return make


@pytest.fixture
def site(sites: Sites) -> Site:
    """One host, set up, without a release."""
    made = sites(1)
    made.setup()
    return made


@pytest.fixture
def serving(site: Site, build: Builder) -> Site:
    """One host that serves version 1.0.0."""
    site.deploy(build("1.0.0"))
    return site
