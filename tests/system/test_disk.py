"""A disk that runs full: before the upload, and in the middle of the outage."""

from pathlib import Path

import pytest

from tests.system.artifacts import Builder
from tests.system.faults import no_inodes
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.site import Site, assert_serves, current, journal_id, releases, seen


@pytest.fixture
def small(new_host: Host, session_keys: KeyPair, tmp_path: Path, build: Builder) -> Site:
    """A site that serves 1.0.0 from a disk of 96 MB."""
    new_host.small_disk("/var/www", 96)
    new_host.boot()
    site = Site((new_host,), tmp_path, session_keys.private)
    site.write()
    site.setup()
    site.deploy(build("1.0.0"))
    return site


def test_a_full_disk_is_found_before_anything_is_sent(small: Site, build: Builder):
    host = small.hosts[0]
    before = current(host)
    host.fill_disk("/var/www", leave_kb=5000)
    ended = small.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 2, ended.text
    assert "free below /var/www/qusto/staging, but this deploy needs" in ended.err
    assert_serves(host, before, "1.0.0")
    assert releases(host) == [before]
    host.free_disk("/var/www")
    small.deploy(build("1.1.0"))


@pytest.mark.parametrize("faults", ["slow", "health"])
def test_a_disk_that_fills_in_the_outage_still_ends_in_one_serving_release(
    small: Site, build: Builder, faults: str
):
    host = small.hosts[0]
    before = current(host)
    small.write(health="deadline = 9\nmin_healthy = 0.5\ntimeout = 3")
    earlier = journal_id(host)
    client = small.start("deploy", f"--artifact={build('1.1.0', faults)}")
    seen(host, "waiting", earlier)
    host.fill_disk("/var/www")
    _, err = client.communicate(timeout=120)
    assert "Traceback" not in err
    if faults == "slow" and client.returncode == 0:
        assert_serves(host, current(host), "1.1.0")
    else:
        assert client.returncode == 10, err
        assert_serves(host, before, "1.0.0")
    entry = small.history()[-1]
    assert entry["to"] != before
    assert entry["outcome"] == ("kept" if client.returncode == 0 else "rolled-back")
    host.free_disk("/var/www")
    small.deploy(build("1.2.0"))
    assert_serves(host, current(host), "1.2.0")


def test_the_way_back_needs_no_inode(small: Site, build: Builder):
    host = small.hosts[0]
    before = current(host)
    small.write(health="deadline = 6\nmin_healthy = 0.5\ntimeout = 3")
    earlier = journal_id(host)
    client = small.start("deploy", f"--artifact={build('1.1.0', 'health')}")
    seen(host, "waiting", earlier)
    with no_inodes(host):
        _, err = client.communicate(timeout=120)
        assert client.returncode == 10, err
        assert_serves(host, before, "1.0.0")
    assert small.history()[-1]["outcome"] == "rolled-back"
    small.deploy(build("1.2.0"))
