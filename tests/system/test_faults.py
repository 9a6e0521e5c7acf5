"""What is broken for real: the client killed, the power cut, two deploys at once, false hosts."""

import os
import signal
import time

import pytest

from tests.system.artifacts import Builder
from tests.system.keys import make_keys
from tests.system.site import (
    BASE,
    Site,
    assert_serves,
    current,
    journal_id,
    seen,
    settled,
    wait_until,
)


@pytest.mark.parametrize("phase", ["stopping", "migrating", "waiting"])
def test_a_client_killed_in_the_outage_is_not_needed(serving: Site, build: Builder, phase: str):
    host = serving.hosts[0]
    before = current(host)
    serving.write(health="deadline = 8\nmin_healthy = 0.5\ntimeout = 3")
    artifact = build("2.0.0", "slow_stop,slow_migration,health", extra_migrations=1)
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={artifact}")
    seen(host, phase, earlier)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    assert_serves(host, before, "1.0.0")
    entry = serving.history()[-1]
    assert (entry["outcome"], entry["reason"]) == (
        "rolled-back",
        "no verdict came before the deadline",
    )
    serving.deploy(build("1.1.0"))


def test_a_client_killed_before_the_outage_leaves_the_lock_free(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0')}")
    time.sleep(1.0)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    settled(host)
    assert_serves(host, current(host), "1.0.0" if current(host) == before else "1.1.0")
    serving.deploy(build("1.2.0"))


def test_a_release_that_still_boots_is_stopped_all_the_same(serving: Site, build: Builder):
    """A BEAM forgets a SIGTERM that comes while it boots (docs/decisions/0003)."""
    host = serving.hosts[0]
    before = current(host)
    # The unit is stopped some 0.2 s after its start: in the middle of the boot.
    serving.write(health="deadline = 0.2\nmin_healthy = 0\ntimeout = 3")
    ended = serving.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 10, ended.text
    assert_serves(host, before, "1.0.0")
    said = host.journal("qusto-staging", lines=200)
    assert "State 'stop-sigterm' timed out" not in said
    assert "status=9/KILL" not in said


def test_an_activation_that_had_only_begun_is_closed_without_an_outage(serving: Site):
    host = serving.hosts[0]
    before = host.run("systemctl show -p InvocationID --value qusto-staging").stdout
    journal = f"{BASE}/.deploy/journal"
    host.run(f"sed -i '/^phase/d' {journal}")
    assert "left open in phase begun" in serving.done("status").out
    # Puts right what was left before it looks for what it is asked for.
    assert serving.fab("rollback", "--to=20200101_000000").code == 2
    assert "rolled-back" in host.read(journal)
    assert host.run("systemctl show -p InvocationID --value qusto-staging").stdout == before


def test_interrupting_the_client_rolls_back_at_once(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('2.0.0', 'health')}")
    seen(host, "waiting", earlier)
    client.send_signal(signal.SIGINT)
    _, err = client.communicate(timeout=60)
    assert client.returncode == 10, err
    assert "interrupted by the operator" in err
    assert_serves(host, before, "1.0.0")


@pytest.mark.parametrize("phase", ["migrating", "waiting"])
def test_a_power_cut_in_the_outage_ends_with_the_release_before(
    serving: Site, build: Builder, phase: str
):
    host = serving.hosts[0]
    before = current(host)
    artifact = build("2.0.0", "slow_migration,health", extra_migrations=1)
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={artifact}")
    seen(host, phase, earlier)
    host.run("sync")
    host.power_cut()
    client.send_signal(signal.SIGKILL)
    client.communicate()
    host.boot()
    assert_serves(host, before, "1.0.0")
    assert serving.history()[-1]["reason"] == "the host rebooted during the activation"
    serving.deploy(build("1.1.0"))


def test_a_running_activation_can_be_taken_up_again(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health="deadline = 30\nmin_healthy = 0.5\ntimeout = 3")
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, "waiting", earlier)
    client.send_signal(signal.SIGKILL)
    client.communicate()
    refused = serving.fab("rollback")
    assert refused.code == 12, refused.text
    assert "attach` takes it up again" in refused.err
    ended = serving.done("attach")
    assert "deployed to staging" in ended.out
    assert_serves(host, current(host), "1.1.0")
    assert serving.history()[-1]["outcome"] == "kept"
    none = serving.fab("attach")
    assert (none.code, "no activation is running" in none.err) == (2, True)


def test_a_taken_lock_is_waited_for_or_freed(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(health="deadline = 20\nmin_healthy = 0.5\ntimeout = 3")
    earlier = journal_id(host)
    first = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, "stopping", earlier)
    told = serving.done("unlock").out
    assert "running `deploy`" in told
    assert "free the lock with --yes" in told
    waited = serving.done("deploy", f"--artifact={build('1.2.0')}", "--lock-wait=60")
    first.communicate(timeout=60)
    assert first.returncode == 0, waited.text
    assert_serves(host, current(host), "1.2.0")
    assert serving.done("unlock").out.strip() == f"{host.ip}: free"
    # A client that hangs without ending: its connection keeps the lock.
    hanging = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    lock = ("flock", "-n", f"{BASE}/.deploy/lock", "true")
    wait_until(lambda: host.run(lock, check=False).returncode != 0)
    hanging.send_signal(signal.SIGSTOP)
    assert serving.fab("rollback").code == 12
    assert "was held by" in serving.done("unlock", "--yes").out
    assert serving.done("unlock").out.strip() == f"{host.ip}: free"
    hanging.send_signal(signal.SIGKILL)
    hanging.send_signal(signal.SIGCONT)
    hanging.communicate()


def test_the_second_of_two_deploys_is_refused(serving: Site, build: Builder):
    host = serving.hosts[0]
    earlier = journal_id(host)
    serving.write(health="deadline = 20\nmin_healthy = 0.5\ntimeout = 3")
    second = build("1.2.0")
    first = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, "stopping", earlier)
    ended = serving.fab("deploy", f"--artifact={second}")
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert ended.code == 12, ended.text
    assert "staging is locked by" in ended.err
    assert "running `deploy`" in ended.err
    assert_serves(host, current(host), "1.1.0")


def test_an_unknown_host_key_is_refused_and_shown(serving: Site, build: Builder):
    serving.write(host_key="")
    ended = serving.fab("status", HOME="/nonexistent")
    assert ended.code == 13, ended.text
    assert "its host key is not known" in ended.err
    assert serving.hosts[0].host_key in ended.err


def test_a_changed_host_key_is_refused(serving: Site, build: Builder, tmp_path):
    other = make_keys(tmp_path / "other").public.rsplit(" ", 1)[0]
    serving.write(host_key=f'"{other}"')
    ended = serving.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 13, ended.text
    assert "its host key has CHANGED" in ended.err
    assert len(serving.hosts[0].run("ls /var/www/qusto/staging/.deploy/incoming").stdout) == 0


def test_a_key_that_the_host_does_not_know_is_refused(serving: Site, tmp_path):
    stranger = make_keys(tmp_path / "stranger")
    serving.write(key_file=f'"{stranger.private}"')
    ended = serving.fab("status")
    assert ended.code == 13, ended.text
    assert "the server refused the key" in ended.err


def test_a_host_that_was_not_set_up_says_what_to_run(sites, build: Builder):
    site = sites(1)
    site.write(user='"root"')
    ended = site.fab("deploy", f"--artifact={build('1.0.0')}")
    assert ended.code == 2, ended.text
    assert "fab -H staging setup" in ended.err


def test_sudo_allows_the_deploy_user_nothing_else(serving: Site):
    host = serving.hosts[0]
    allowed = "/usr/bin/systemctl restart qusto-staging.service"
    others = [
        "/bin/sh",
        "/usr/bin/systemctl restart ssh.service",
        "/usr/bin/systemctl stop qusto-staging.service ssh.service",
        "/usr/bin/systemd-run --uid=root /bin/sh -c id",
        "/usr/bin/systemd-run --collect --quiet --uid=deploy --service-type=exec "
        "--unit=other /var/www/qusto/staging/.deploy/activate",
    ]
    deploy = "setpriv --reuid=deploy --regid=deploy --init-groups sudo -n"
    assert host.run(f"{deploy} {allowed}").returncode == 0
    for line in others:
        assert host.run(f"{deploy} {line}", check=False).returncode != 0, line


def test_a_client_that_was_away_for_long_has_lost_the_lock_and_stops_nothing(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    before = current(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0')}")
    arrived = f"ls {BASE}/.deploy/incoming {BASE}/releases | grep -v {before} | grep -q _"
    wait_until(lambda: host.run(arrived, check=False).returncode == 0)
    # As a laptop that is closed: nothing is sent any more, and no end of file either.
    os.kill(client.pid, signal.SIGSTOP)
    try:
        free = ("flock", "-n", f"{BASE}/.deploy/lock", "true")
        wait_until(lambda: host.run(free, check=False).returncode == 0, patience=90)
    finally:
        os.kill(client.pid, signal.SIGCONT)
    out, err = client.communicate(timeout=120)
    assert client.returncode == 12, out + err
    assert "this command lost its lock of staging" in err
    assert_serves(host, before, "1.0.0")
    serving.deploy(build("1.2.0"))
