"""The line between the client and a host: slow, dead for a while, dead for good."""

import time

from tests.system.artifacts import Builder
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
