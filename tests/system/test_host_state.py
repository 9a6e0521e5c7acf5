"""What lies on a host: a unit that never gives up, a port that is ours, a doctor that tries."""

import dataclasses
import json
from pathlib import Path

from tests.system.artifacts import Builder
from tests.system.fixtures import Sites
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.site import BASE, Site, assert_serves, current, releases, version, wait_until

SUDOERS = "/etc/sudoers.d"
UNIT = "qusto-staging.service"


def invocation(host: Host) -> str:
    return host.run(f"systemctl show -p InvocationID --value {UNIT}").stdout.strip()


def bad(site: Site, *words: str) -> list[str]:
    """Return what `doctor` finds bad; it must exit accordingly."""
    ended = site.fab("doctor", "--format=json", *words)
    found = [row["what"] for row in json.loads(ended.out) if row["state"] == "bad"]
    assert ended.code == (1 if found else 0), ended.text
    return found


def test_a_service_that_is_started_often_or_fails_for_long_comes_back(serving: Site):
    host = serving.hosts[0]
    for _ in range(6):
        serving.done("restart")
    # A database that is away: the service ends at each start, and systemd tries again for ever.
    drop_in = "[Service]\nExecStartPre=/usr/bin/test -e /run/database\nRestartSec=100ms\n"
    host.write("/etc/systemd/system/qusto-staging.service.d/database.conf", drop_in)
    host.run("systemctl daemon-reload")
    host.run(f"systemctl restart {UNIT}", check=False)
    restarts = f"systemctl show -p NRestarts --value {UNIT}"
    wait_until(lambda: int(host.run(restarts).stdout) > 12)
    assert host.run(f"systemctl is-failed {UNIT}", check=False).stdout.strip() != "failed"
    host.run("touch /run/database")
    wait_until(lambda: version(host) == "1.0.0")


def test_the_unit_of_an_older_version_is_told_with_the_remedy(serving: Site):
    host = serving.hosts[0]
    assert bad(serving) == []
    limit = "s/^StartLimitIntervalSec=0/StartLimitIntervalSec=120/"
    host.run(f"sed -i {limit} /etc/systemd/system/{UNIT}; systemctl daemon-reload")
    rows = json.loads(serving.done("doctor", "--format=json").out)
    notes = [row for row in rows if row["state"] == "note"]
    assert len(notes) == 1, notes
    assert notes[0]["what"] == f"{UNIT}: not what setup would write now"
    assert "setup" in notes[0]["remedy"]
    assert "StartLimit" not in serving.done("setup", "--plan").out
    serving.setup()
    rows = json.loads(serving.done("doctor", "--format=json").out)
    assert {row["state"] for row in rows} == {"ok"}


def test_doctor_says_what_sudo_and_systemd_really_do(serving: Site):
    host = serving.hosts[0]
    before = invocation(host)
    host.write(f"{SUDOERS}/zz-later", "deploy ALL=(ALL) ALL\n", mode=0o440)
    assert "sudo wants a password for `/usr/bin/systemctl start" in bad(serving)[0]
    host.write(f"{SUDOERS}/zz-later", "Defaults requiretty\n", mode=0o440)
    assert any("you must have a tty to run sudo" in what for what in bad(serving))
    host.write(f"{SUDOERS}/zz-later", "deploy ALL=(root) !/usr/bin/systemd-run *\n", mode=0o440)
    assert any("sudo does not allow `/usr/bin/systemd-run" in what for what in bad(serving))
    host.run(f"rm {SUDOERS}/zz-later")
    host.run("mv /etc/qusto/staging.env /etc/qusto/away")
    assert bad(serving) == ["/etc/qusto/staging.env is missing: no release can start"]
    host.run("mv /etc/qusto/away /etc/qusto/staging.env")
    pending = "/etc/systemd/system/qusto-staging-pending.service"
    host.run(f"mv {pending} /root/ && ln -s /dev/null {pending} && systemctl daemon-reload")
    assert bad(serving) == ["qusto-staging-pending.service is masked"]
    host.run(f"mv -T /root/qusto-staging-pending.service {pending}; systemctl daemon-reload")
    # An odd proxy in the way of curl is no news: the probe asks the host itself.
    host.write("/home/deploy/.curlrc", "proxy = http://127.0.0.1:9\n", owner="deploy")
    assert bad(serving) == []
    host.run("kill -STOP $(systemctl show -p MainPID --value qusto-staging)")
    serving.write(health="deadline = 8\nmin_healthy = 0.5\ntimeout = 1")
    assert "does not answer well, though the service runs: curl: " in bad(serving)[0]
    host.run("kill -CONT $(systemctl show -p MainPID --value qusto-staging)")
    assert invocation(host) == before


def test_a_port_that_somebody_else_has_is_refused_by_setup_and_told_by_doctor(
    sites: Sites, build: Builder
):
    site = sites(1)
    host = site.hosts[0]
    listen = "IO::Socket::INET->new(LocalPort => 8000, Listen => 1, ReuseAddr => 1) or die $@"
    host.write("/root/squat", f"use IO::Socket::INET; my $s = {listen}; sleep 600;\n")
    squatter = "systemd-run --unit=squatter -q perl /root/squat"
    host.run(squatter)
    wait_until(lambda: "8000" in host.run("ss -Hltn").stdout)
    refused = site.fab("setup", f"--env-file={site.directory / 'staging.env'}")
    assert refused.code == 2, refused.text
    assert "port 8000 of `health.url` is taken by process " in refused.err
    assert "unit squatter" in refused.err
    assert not host.exists("/etc/qusto/staging.env")
    host.run("systemctl stop squatter")
    site.setup()
    site.deploy(build("1.0.0"))
    # A second environment of the host, from a hosts.toml that does not know the first.
    beta = dataclasses.replace(site, name="beta")
    beta.write()
    ended = beta.fab("setup", f"--env-file={site.directory / 'staging.env'}")
    assert ended.code == 2, ended.text
    assert "port 8000 of `health.url` is the one of qusto-staging.service, too" in ended.err
    assert not host.exists("/etc/systemd/system/qusto-beta.service")
    site.write()
    host.run("systemctl stop qusto-staging")
    host.run(squatter)
    wait_until(lambda: "8000" in host.run("ss -Hltn").stdout)
    assert "port 8000 of `health.url` is taken by user root" in bad(site)[0]


BACKUPS = "/var/www/qusto/backups/staging"


def refused(site: Site, artifact: Path) -> str:
    """Deploy, which must end with 10 before anything is stopped; return what it said."""
    host = site.hosts[0]
    before, serving = invocation(host), current(host)
    ended = site.fab("deploy", f"--artifact={artifact}")
    assert ended.code == 10, ended.text
    assert (invocation(host), current(host)) == (before, serving)
    assert "Traceback" not in ended.text
    assert len(ended.err.splitlines()) < 40, ended.err
    return ended.err


def test_what_cannot_be_proved_is_told_in_the_words_of_whoever_refused(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    one = build("1.1.0", extra_migrations=1)
    pending = "/etc/systemd/system/qusto-staging-pending.service"
    host.run(f"mv {pending} /root/ && ln -s /dev/null {pending} && systemctl daemon-reload")
    said = refused(serving, one)
    assert "Unit qusto-staging-pending.service is masked" in said
    assert "BEAM" not in said
    assert "No pending migrations" not in said  # of the run before
    host.run(f"mv -T /root/qusto-staging-pending.service {pending}; systemctl daemon-reload")
    host.run("mv /etc/qusto/staging.env /etc/qusto/away")
    said = refused(serving, one)
    assert "systemd could not start qusto-staging-pending.service: " in said
    assert "Failed to load environment files: No such file or directory" in said
    assert "setup --env-file=FILE" in said
    host.run("mv /etc/qusto/away /etc/qusto/staging.env")
    # sudo's list is in order, and yet it refuses: the deploy user's account has expired.
    host.write(f"{SUDOERS}/zz-later", "Defaults!/usr/bin/systemctl requiretty\n", mode=0o440)
    said = refused(serving, one)
    assert "sudo refused `systemctl start qusto-staging-pending.service`: sudo: " in said
    assert "must have a tty" in said
    host.run(f"rm {SUDOERS}/zz-later")
    # Its own BEAM, and its own words.
    talk = "seq -f %%g-th-line 300; exit 7"
    drop_in = f"[Service]\nExecStart=\nExecStart=/bin/sh -c '{talk}'\n"
    host.write(f"{pending}.d/fail.conf", drop_in)
    host.run("systemctl daemon-reload")
    said = refused(serving, one)
    assert (
        "its own BEAM, started once to list the pending migrations, ended with exit status 7"
        in said
    )
    assert "more lines" in said
    host.run(f"rm -r {pending}.d; systemctl daemon-reload")
    serving.deploy(one)


def test_a_backup_that_finds_no_room_leaves_nothing_behind_and_says_so(
    new_host: Host, session_keys: KeyPair, tmp_path: Path, build: Builder
):
    new_host.small_disk(BACKUPS, 4)
    new_host.boot()
    site = Site((new_host,), tmp_path, session_keys.private)
    site.write()
    site.setup()
    first = site.deploy(build("1.0.0"))["release"]
    ended = site.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 2, ended.text
    assert f"free below {BACKUPS}, but the backup of what serves needs" in ended.err
    # The manifest says less than the truth, as a hand-made one may: so the copy itself finds out.
    manifest = f"{BASE}/releases/{first}/MANIFEST.json"
    new_host.run(f"""sed -i 's/"bytes": *[0-9]*/"bytes": 1000/' {manifest}""")
    said = refused(site, build("1.1.0"))
    assert f"{first} could not be backed up: cp: " in said
    assert "No space left on device" in said
    assert "more lines" in said
    assert "BEAM" not in said
    assert new_host.run(f"ls -A {BACKUPS}").stdout == ""
    site.write(backup_copy='"link"')
    assert_serves(new_host, first, "1.0.0")


def test_a_damaged_release_is_not_gone_back_to_and_its_backup_is_whole(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    first = current(host)
    second = serving.deploy(build("1.1.0"))["release"]
    shared = f"find {BASE}/releases -type f -links +1 -printf '%i\\n' | sort -u"
    own = f"find {BACKUPS} -type f -printf '%i\\n' | sort -u"
    assert host.run(f"({shared}) >/run/a; ({own}) >/run/b; comm -12 /run/a /run/b").stdout == ""
    # A disk that lost a block: of the old release, and so of the new one, which shares the file.
    file = host.run(
        f"find {BASE}/releases/{first}/lib -name '*.beam' -links +1 | head -n 1"
    ).stdout.strip()
    host.run(f"printf damage | dd of={file} bs=1 seek=100 conv=notrunc")
    before = invocation(host)
    ended = serving.fab("rollback")
    assert ended.code == 2, ended.text
    assert f"{BASE}/releases/{first} is damaged" in ended.err
    assert file.rpartition("/")[2] in ended.err
    assert f"rollback --to={first} --from-backup" in ended.err
    assert (invocation(host), current(host)) == (before, second)
    states = {
        row["name"]: row["state"]
        for row in json.loads(serving.done("releases", "--format=json").out)
    }
    assert states == {second: "serving, damaged", first: "previous, damaged"}
    found = bad(serving)
    assert [
        f"releases/{name} is damaged" in what
        for name, what in zip((first, second), found, strict=True)
    ] == [True, True]
    serving.done("rollback", f"--to={first}", "--from-backup")
    assert_serves(host, first, "1.0.0")
    assert "damaged" not in serving.fab("rollback", f"--to={first}").err
    # Neither is whole: nothing is touched, and nothing is promised.
    host.run(f"rm {BACKUPS}/release_{first}/bin/plausible")
    serving.deploy(build("1.2.0"))
    host.run(f"truncate -s 0 {BASE}/releases/{first}/bin/plausible")
    ended = serving.fab("rollback", f"--to={first}")
    assert ended.code == 2, ended.text
    assert "bin/plausible" in ended.err
    assert "--from-backup" not in ended.err
    assert releases(host) == sorted({first, second, current(host)})
