"""The test hosts themselves: real enough, apart from each other, and gone afterwards."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.system import availability, cgroups, leftovers, once
from tests.system.hosts import Host, HostFailed
from tests.system.keys import KeyPair, make_keys
from tests.system.lab import ROOT, open_lab
from tests.system.proxy import slow_line
from tests.system.site import wait_until


@pytest.fixture
def ssh(tmp_path: Path, session_keys: KeyPair) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`ssh(host, command)` logs in as root, trusting nothing but the host's own key."""

    def run(host, command, *, keys=session_keys, address=None):
        name, port = address or (host.ip, 22)
        known = tmp_path / "known_hosts"
        known.write_text(f"[{name}]:{port} {host.host_key}\n{host.known_hosts_line}\n")
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": known,
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": 5,
            "ServerAliveInterval": 1,
            "ServerAliveCountMax": 2,
        }
        argv = ["ssh", "-F", "none", "-i", str(keys.private), "-p", str(port)]
        argv += [f"-o{key}={value}" for key, value in options.items()]
        return subprocess.run(
            [*argv, f"root@{name}", command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    return run


def test_a_fresh_host_is_running_without_a_failed_unit(host):
    assert host.run("systemctl is-system-running").stdout.strip() == "running"
    assert host.run("systemctl --failed --no-legend").stdout == ""


def test_root_logs_in_with_the_session_key_and_the_host_proves_itself(host, ssh):
    ended = ssh(host, "hostname; cat /proc/1/comm")
    assert (ended.returncode, ended.stdout) == (0, f"{host.name}\nsystemd\n"), ended.stderr


def test_another_key_is_refused(host, ssh, tmp_path):
    ended = ssh(host, "true", keys=make_keys(tmp_path / "other"))
    assert ended.returncode == 255
    assert "Permission denied" in ended.stderr


def test_hosts_have_identities_and_addresses_of_their_own(hosts):
    one, two = hosts(2)
    assert one.ip != two.ip
    assert one.host_key != two.host_key
    assert one.read("/etc/machine-id") != two.read("/etc/machine-id")


def test_sudo_knows_the_host_name_and_asks_another_user_for_nothing_it_may_do(host):
    host.run("useradd deploy")
    host.write("/etc/sudoers.d/test", "deploy ALL=(root) NOPASSWD: /bin/true\n", mode=0o440)
    ended = host.run(["runuser", "-u", "deploy", "--", "sudo", "-n", "/bin/true"])
    assert ended.stderr == ""


def test_stopping_a_service_leaves_the_same_service_of_another_host_alone(hosts):
    one, two = hosts(2)
    for each in (one, two):
        each.run("systemd-run --quiet --unit=same sleep 600")
    pid = two.run("systemctl show --property=MainPID --value same").stdout
    one.run("systemctl stop same", timeout=10)
    assert one.run("systemctl is-active same", check=False).stdout == "inactive\n"
    assert two.run("systemctl is-active same").stdout == "active\n"
    assert two.run("systemctl show --property=MainPID --value same").stdout == pid


def test_a_power_cut_ends_everything_and_the_disk_boots_again(host, ssh):
    host.run("systemd-run --quiet --unit=busy sleep 600")
    host.run("echo kept >/srv/file && sync")
    key = host.host_key
    host.power_cut()
    assert host.leader == 0
    assert ssh(host, "true").returncode == 255
    assert host.read("/srv/file") == "kept\n"
    host.boot()
    assert ssh(host, "cat /srv/file").stdout == "kept\n"
    assert host.host_key == key
    assert host.run("systemctl is-active busy", check=False).stdout == "inactive\n"


def test_a_reboot_stops_services_in_order_and_comes_back_at_the_same_address(host, ssh):
    stop = "ExecStop=/bin/touch /srv/stopped"
    host.run(f"systemd-run --quiet --unit=orderly --property='{stop}' sleep 600")
    before = host.leader
    host.reboot()
    assert host.leader not in (0, before)
    assert ssh(host, "ls /srv").stdout == "stopped\n"


def test_a_dead_line_hangs_the_client_until_it_gives_up_and_heals(host, ssh):
    host.link_down()
    assert ssh(host, "true").returncode == 255
    host.link_up()
    assert ssh(host, "true").returncode == 0


def test_a_small_disk_runs_full_is_freed_and_outlives_a_power_cut(new_host):
    new_host.small_disk("/var/www", megabytes=4)
    new_host.boot()
    new_host.write("/var/www/site/index", "hello")
    new_host.fill_disk("/var/www")
    full = new_host.run("cp /etc/passwd /var/www/more", check=False)
    assert "No space left on device" in full.stderr
    new_host.power_cut()
    new_host.boot()
    assert new_host.read("/var/www/site/index") == "hello"
    assert new_host.run("cp /etc/passwd /var/www/more", check=False).returncode != 0
    new_host.free_disk("/var/www")
    new_host.run("cp /etc/passwd /var/www/more")


def test_the_machines_own_disk_is_never_filled(host):
    with pytest.raises(HostFailed, match="not a small disk"):
        host.fill_disk("/srv")


def test_files_are_written_with_mode_and_owner_before_and_after_boot(new_host):
    new_host.write("/etc/one/secret", "1", mode=0o640, owner="daemon:mail")
    new_host.boot()
    new_host.write("/run/two", "2", mode=0o600)
    stat = new_host.run("stat -c '%a %U:%G %n' /etc/one/secret /run/two").stdout
    assert stat == "640 daemon:mail /etc/one/secret\n600 root:root /run/two\n"
    assert (new_host.read("/run/two"), new_host.exists("/run/three")) == ("2", False)


def test_a_failing_command_says_what_it_was_and_what_it_wrote(host):
    with pytest.raises(HostFailed, match=r"exited 3 on q\w+:\nout\nerr"):
        host.run("echo out; echo err >&2; exit 3")


def test_ssh_works_over_a_slow_line(host, ssh):
    with slow_line((host.ip, 22), there_ms=20, back_ms=20) as address:
        ended = ssh(host, "seq 100000 | tail -1", address=address)
    assert (ended.returncode, ended.stdout) == (0, "100000\n"), ended.stderr


def test_a_closed_host_leaves_nothing(lab):
    host = Host(lab)
    host.boot()
    machine, directory = host.name, host.root.parent
    assert cgroups.pids(machine)
    host.close()
    host.close()
    assert cgroups.pids(machine) == set()
    assert leftovers.mounts_below(directory) == []
    assert not directory.exists()
    assert not (leftovers.RUN / "propagate" / machine).exists()


def test_addresses_come_again_but_never_one_in_use(lab, host, monkeypatch):
    monkeypatch.setattr(lab, "hosts_made", lab.hosts_made)  # put back afterwards
    places = [lab.next_place() for _ in range(260)]
    assert str(host.ip) not in {str(address) for _, address in places}
    assert all(address in lab.network for _, address in places)
    assert len(set(places)) == 249


def test_two_labs_at_once_share_no_network(lab, session_keys):
    other = open_lab(session_keys)
    try:
        assert not lab.network.overlaps(other.network)
    finally:
        other.close()
    assert not other.directory.exists()


OWNER = """
import sys
from pathlib import Path
from tests.system.hosts import Host
from tests.system.keys import make_keys
from tests.system.lab import open_lab
lab = open_lab(make_keys(Path(sys.argv[1])))
host = Host(lab)
host.boot()
print(lab.directory, lab.bridge, lab.reaper.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def owner(lab, tmp_path):
    """Another test process with a booted host: the process, its lab, bridge and reaper."""
    # A test run in the background inherits an ignored INT, and so would this.
    argv = ["env", "--default-signal=INT", sys.executable, "-c", OWNER, str(tmp_path / "key")]
    with subprocess.Popen(
        argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        directory, bridge, reaper = process.stdout.readline().split()
        yield process, Path(directory), bridge, int(reaper)
        process.kill()


def nothing_is_left(directory: Path, bridge: str) -> bool:
    return (
        not directory.exists()
        and not Path(f"/sys/class/net/{bridge}").exists()
        and not cgroups.pids(f"{directory.name}h1")
        and not leftovers.mounts_below(directory)
    )


def test_hosts_of_a_killed_test_process_end_by_themselves(owner):
    process, directory, bridge, _ = owner
    process.kill()
    wait_until(lambda: nothing_is_left(directory, bridge))


def test_hosts_of_an_interrupted_test_process_end_by_themselves(owner):
    process, directory, bridge, _ = owner
    process.send_signal(signal.SIGINT)
    wait_until(lambda: nothing_is_left(directory, bridge))


def test_what_outlived_its_reaper_is_ended_by_the_next_lab(owner, session_keys):
    process, directory, bridge, reaper = owner
    os.kill(reaper, signal.SIGKILL)
    process.kill()
    process.wait()
    assert cgroups.pids(f"{directory.name}h1")
    open_lab(session_keys).close()
    assert nothing_is_left(directory, bridge)


def test_the_lab_of_a_living_process_is_left_alone(owner, session_keys):
    _, directory, _, _ = owner
    open_lab(session_keys).close()
    assert cgroups.pids(f"{directory.name}h1")


def test_an_interrupted_build_is_not_taken_for_the_real_thing(tmp_path):
    def interrupted(directory: Path) -> None:
        (directory / "half").touch()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        once.built_once(tmp_path / "tree", interrupted)
    assert not (tmp_path / "tree").exists()
    (tmp_path / "tree.building-killed").mkdir()
    tree = once.built_once(tmp_path / "tree", lambda directory: (directory / "whole").touch())
    assert [path.name for path in tree.iterdir()] == ["whole"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree", "tree.lock"]


def test_a_built_tree_is_not_built_again(tmp_path):
    once.built_once(tmp_path / "tree", lambda _: None)
    once.built_once(tmp_path / "tree", lambda _: pytest.fail("built twice"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"CI": ""}, False),
        ({"CI": "true"}, True),
        ({"QUSTO_REQUIRE_SYSTEM": "1"}, True),
    ],
)
def test_in_ci_tests_that_cannot_run_are_failures(environ, expected):
    assert availability.must_run(environ) is expected


def test_whoever_is_not_root_is_told_so(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    availability.unavailable_reason.cache_clear()
    try:
        assert "they need root" in str(availability.unavailable_reason())
    finally:
        availability.unavailable_reason.cache_clear()


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    availability.unavailable_reason.cache_clear()
    try:
        assert "debootstrap iproute2" in str(availability.unavailable_reason())
    finally:
        availability.unavailable_reason.cache_clear()
