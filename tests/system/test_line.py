"""The line between the client and a host: slow, dead for a while, dead for good."""

import time

import pytest

from tests.system.artifacts import Builder
from tests.system.fixtures import Sites
from tests.system.proxy import slow_line
from tests.system.site import Site, assert_serves, current, journal_id, seen, settled


def test_a_line_that_comes_back_in_time_makes_no_difference(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health="deadline = 25\nmin_healthy = 0.5\ntimeout = 3")
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, "stopping", earlier)
    host.link_down()
    time.sleep(4)
    host.link_up()
    out, err = client.communicate(timeout=120)
    assert client.returncode == 0, out + err
    assert_serves(host, current(host), "1.1.0")


def test_a_line_dead_until_the_deadline_ends_with_the_release_before(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health="deadline = 6\nmin_healthy = 0.5\ntimeout = 2")
    before = current(host)
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, "stopping", earlier)
    host.link_down()
    time.sleep(1)
    settled(host, patience=90)
    host.link_up()
    out, err = client.communicate(timeout=240)
    assert client.returncode == 10, out + err
    assert "Traceback" not in err
    assert f"{before} serves again" in err
    assert_serves(host, before, "1.0.0")
    assert serving.history()[-1]["reason"] == "no verdict came before the deadline"


def test_a_slow_line_costs_few_round_trips(serving: Site, build: Builder):
    host = serving.hosts[0]
    with slow_line((host.ip, 22), there_ms=40, back_ms=40) as (address, port):
        serving.write(hosts=f'["{address}:{port}"]', host_key=f'"{address}:{port} {host.host_key}"')
        summary = serving.deploy(build("1.1.0"))
    assert_serves(host, summary["release"], "1.1.0")


@pytest.mark.world
def test_a_line_lost_in_the_verdict_of_a_fleet_is_told_per_host(sites: Sites, build: Builder):
    site = sites(2)
    site.write(health="deadline = 8\nmin_healthy = 3\ntimeout = 2")
    site.setup()
    before = str(site.deploy(build("1.0.0"))["release"])
    one, other = site.hosts
    earlier = journal_id(other)
    client = site.start("deploy", f"--artifact={build('1.1.0')}")
    seen(other, "waiting", earlier)
    time.sleep(1)
    other.link_down()
    out, err = client.communicate(timeout=150)
    assert client.returncode in (10, 11), out + err
    assert other.ip in err
    assert "Traceback" not in err
    settled(other, patience=90)
    other.link_up()
    assert_serves(other, before, "1.0.0")
    settled(one)
    if client.returncode == 10:
        assert_serves(one, before, "1.0.0")
