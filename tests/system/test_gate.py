"""Who answers, and for how long: the gate believes only the service's own new process."""

import json
import time

import pytest

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import (
    BASE,
    Site,
    assert_serves,
    current,
    journal_id,
    seen,
    settled,
    version,
    wait_until,
)

HEALTH = "deadline = 30\nmin_healthy = 0.5\ntimeout = 3"
SQUATTER = """\
use IO::Socket::IP;
my $s = IO::Socket::IP->new(LocalAddr => $ARGV[0], LocalPort => 8000, Listen => 9, ReuseAddr => 1)
  or die "$@";
while (my $c = $s->accept) {
  my $line = <$c>;
  print $c "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\nConnection: close\\r\\n\\r\\nok";
  close $c;
}
"""


def squat(host: Host, address: str, user: str = "nobody") -> None:
    """Let a program of another unit answer everything with 200 at port 8000 of `address`."""
    host.write("/opt/squat.pl", SQUATTER, mode=0o644)
    run = f"systemd-run --quiet --unit=squat --uid={user} /usr/bin/perl /opt/squat.pl {address}"
    host.run(run)
    wait_until(lambda: "squat" in host.run("ss -ltnp 'sport = :8000' | sed s/perl/squat/").stdout)


def leave(host: Host) -> None:
    # It may boot at this moment, and a BEAM that boots takes no notice of a TERM.
    host.run("systemctl stop squat; systemctl kill --signal=KILL qusto-staging; true")
    host.run("systemctl reset-failed qusto-staging; systemctl restart qusto-staging")
    wait_until(lambda: version(host) != "")


def test_nobody_else_is_believed_at_the_health_address(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health=HEALTH)
    before = current(host)
    artifact = f"--artifact={build('1.1.0')}"

    # The service has lost its port to another program, and cannot start.
    host.run("systemctl stop qusto-staging")
    squat(host, "127.0.0.1")
    host.run("systemctl start qusto-staging", check=False)
    ended = serving.fab("deploy", artifact)
    assert ended.code == 10, ended.text
    assert "somebody else holds port 8000" in ended.err
    for word in ("unit squat.service", "perl", "user nobody"):
        assert word in ended.err, ended.err
    assert f"{before} was started again; it was not answering before" in ended.err
    assert f"{before} serves again" not in ended.err
    assert "Traceback" not in ended.text
    assert current(host) == before
    assert serving.history()[-1]["outcome"] == "rolled-back"

    checked = serving.fab("health")
    assert checked.code == 1, checked.text
    restarted = serving.fab("restart")
    assert restarted.code == 1, restarted.text
    assert "unit squat.service" in restarted.err, restarted.err
    leave(host)
    assert_serves(host, before, "1.0.0")

    # Another program at the other loopback address, which curl asks first, of the same user.
    squat(host, "::1", user="qusto-staging")
    ended = serving.fab("deploy", artifact)
    assert ended.code == 10, ended.text
    assert "somebody else holds port 8000" in ended.err
    assert current(host) == before
    leave(host)

    # It takes the port in the moment when the service is down.
    host.write("/opt/squat.pl", SQUATTER, mode=0o644)
    host.run(
        "systemd-run --quiet --unit=squat --uid=nobody /bin/sh -c "
        "'until perl /opt/squat.pl 127.0.0.1 2>/dev/null; do :; done'"
    )
    ended = serving.fab("deploy", artifact)
    assert ended.code in (10, 11), ended.text
    assert current(host) == before
    leave(host)
    serving.deploy(build("1.1.0"))
    assert_serves(host, current(host), "1.1.0")


def test_curls_own_configuration_on_the_host_changes_nothing(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health=HEALTH)
    host.write("/home/deploy/.curlrc", 'proxy = "http://127.0.0.1:9"\n', owner="deploy")
    host.run("echo http_proxy=http://127.0.0.1:9 >>/etc/environment")
    assert serving.done("health").code == 0
    serving.deploy(build("1.1.0"))
    assert_serves(host, current(host), "1.1.0")


def test_kept_is_said_only_of_what_still_stands(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    serving.write(health="deadline = 20\nmin_healthy = 4\ntimeout = 3")
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0')}")
    seen(host, "waiting", earlier)
    host.run(f"ln -sfn releases/{before} {BASE}/current")
    _, err = client.communicate(timeout=120)
    assert client.returncode == 10, err
    assert "somebody else changed the link" in err
    assert_serves(host, before, "1.0.0")


@pytest.mark.parametrize("phase", [pytest.param("migrating", marks=pytest.mark.world), "waiting"])
def test_a_killed_activation_is_put_right_without_a_client(
    serving: Site, build: Builder, phase: str
):
    host = serving.hosts[0]
    before = current(host)
    serving.write(health="deadline = 20\nmin_healthy = 8\ntimeout = 3")
    earlier = journal_id(host)
    artifact = build("1.1.0", "slow_migration", extra_migrations=1)
    client = serving.start("deploy", f"--artifact={artifact}")
    seen(host, phase, earlier)
    if phase == "migrating":
        client.kill()
    host.run("systemctl kill --signal=KILL qusto-deploy-staging")
    wait_until(lambda: serving_again(host, before), patience=40)
    assert_serves(host, before, "1.0.0")
    out, err = client.communicate(timeout=60)
    if phase == "waiting":  # the client sees what the host does by itself
        assert client.returncode == 10, out + err
        assert "the activation was killed on the server" in err
    assert serving.history()[-1]["reason"] == "the activation was killed on the server"


def serving_again(host: Host, name: str) -> bool:
    journal = host.run(f"tail -n 1 {BASE}/.deploy/journal").stdout
    return "rolled-back" in journal and current(host) == name


def test_a_migration_has_a_limit_and_can_be_cancelled(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    refused = serving.fab("cancel")
    assert refused.code == 2, refused.text
    artifact = f"--artifact={build('1.1.0', 'slow_migration', extra_migrations=1)}"
    serving.write(migrate_timeout="1")
    ended = serving.fab("deploy", artifact)
    assert ended.code == 10, ended.text
    assert "the migration was ended after 1 s (migrate_timeout)" in ended.err
    assert_serves(host, before, "1.0.0")

    serving.write()
    earlier = journal_id(host)
    client = serving.start("deploy", artifact)
    seen(host, "migrating", earlier)
    assert f"{before} serves again" in serving.done("cancel").out
    _, err = client.communicate(timeout=60)
    assert client.returncode == 10, err
    assert "cancelled by" in err
    assert "the migration failed" not in err
    assert_serves(host, before, "1.0.0")
    states = host.run("systemctl is-active qusto-staging-migrate", check=False).stdout
    assert states.strip() != "activating"


def test_what_became_of_a_release_is_told_and_a_watch_rolls_back(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health=HEALTH)
    # Without a watch: it is well, and ends soon after.
    first = serving.deploy(build("1.1.0"))["release"]
    host.run("systemctl kill --signal=KILL qusto-staging")
    wait_until(lambda: version(host) == "1.1.0")
    (row,) = json.loads(serving.done("status", "--format=json").out)
    assert "it ended and was restarted 1 times" in row["activation"]
    assert "since then: it ended" in serving.history()[-1]["reason"]

    # The next command says it, too; and with a watch the server goes back by itself.
    ended = serving.done("deploy", f"--artifact={build('1.2.0')}", "--watch-for=60")
    assert f"{first}, since it was deployed: it ended and was restarted" in ended.out
    assert "the server watches it until" in ended.out
    (row,) = json.loads(serving.done("status", "--format=json").out)
    assert row["activation"].startswith("kept, watched until")
    host.run("systemctl kill --signal=KILL qusto-staging")
    settled(host)
    assert_serves(host, first, "1.1.0")
    entry = serving.history()[-1]
    assert entry["outcome"] == "rolled-back"
    assert "after it had been kept: the service ended" in entry["reason"]

    # A watch gives way to the next command.
    serving.done("deploy", f"--artifact={build('1.2.0')}", "--watch-for=60")
    began = time.monotonic()
    summary = serving.deploy(build("1.3.0"))
    assert time.monotonic() - began < 55
    assert_serves(host, summary["release"], "1.3.0")
    serving.done("restart")


@pytest.mark.world
def test_a_base_that_has_become_read_only_in_the_outage_still_serves(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    earlier = journal_id(host)
    artifact = build("1.1.0", "slow_migration", extra_migrations=1)
    client = serving.start("deploy", f"--artifact={artifact}")
    seen(host, "migrating", earlier)
    host.run(f"mount --bind {BASE} {BASE} && mount -o remount,ro,bind {BASE}")
    _, err = client.communicate(timeout=120)
    assert client.returncode == 10, err
    assert "the link could not be changed" in err
    assert (version(host), current(host)) == ("1.0.0", before)
    host.run(f"umount -l {BASE}")
    serving.deploy(build("1.1.0"))
    assert_serves(host, current(host), "1.1.0")
