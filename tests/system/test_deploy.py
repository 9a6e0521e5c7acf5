"""Deploys to real systemd hosts: what serves afterwards, whatever happens."""

import json
from pathlib import Path

import pytest

from tests.system import site as sites_module
from tests.system.artifacts import COMMIT, Builder
from tests.system.fixtures import Sites
from tests.system.keys import KeyPair
from tests.system.site import BASE, SECRET, Site, assert_serves, current, releases, schema, version


def test_the_first_deploy_on_an_empty_host_serves(site: Site, build: Builder):
    summary = site.deploy(build("1.0.0"), "--create-databases")
    host = site.hosts[0]
    assert "Creating Plausible.Repo database.." in host.journal("qusto-staging-createdb")
    assert_serves(host, summary["release"], "1.0.0")
    assert summary["commit"] == COMMIT
    assert summary["before"] == ""
    assert [name for name, _ in summary["steps"]][:5] == [
        *("lock", "preflight", "backup", "upload", "prove")
    ]
    assert summary["hosts"][0]["downtime"] > 0
    assert "migration 20250101000000" in schema(host)
    entry = site.history()[-1]
    assert (entry["outcome"], entry["to"], entry["from"]) == ("kept", summary["release"], "")
    # It runs as its own user, who can write nothing of the release.
    pid = host.run("systemctl show -p MainPID --value qusto-staging").stdout.strip()
    assert host.run(f"stat -c %U /proc/{pid}").stdout.strip() == "qusto-staging"
    refused = host.run(
        f"setpriv --reuid=qusto-staging --clear-groups touch {BASE}/current/x", check=False
    )
    assert refused.returncode != 0


def test_the_second_deploy_sends_little_and_keeps_a_backup(serving: Site, build: Builder):
    host = serving.hosts[0]
    first = current(host)
    artifact = build("1.1.0", extra_migrations=1)
    summary = serving.deploy(artifact)
    assert_serves(host, summary["release"], "1.1.0")
    assert summary["before"] == first
    assert summary["release"] > first
    assert summary["migrations"] == ["20260101000000_add_goals"]
    assert "migration 20260101000000" in schema(host)
    assert host.exists(f"/var/www/qusto/backups/staging/release_{first}/bin/plausible")
    # 1.1.0 is the same application with another version: most files are hard links.
    assert summary["bytes_sent"] < 0.1 * artifact.stat().st_size
    one = host.run(f"stat -c %i {BASE}/releases/{first}/bin/plausible").stdout
    two = host.run(f"stat -c %i {BASE}/current/bin/plausible").stdout
    assert one == two


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        ("migration", "the migration failed"),
        ("crash", "the service ended, and systemd restarts it"),
        ("exit0", "the service ended, and systemd restarts it"),
        ("health", "not healthy within 8 s: HTTP 500"),
        ("flaky", "not healthy within 8 s"),
    ],
)
def test_a_release_that_does_not_serve_is_rolled_back(
    serving: Site, build: Builder, faults: str, said: str
):
    host = serving.hosts[0]
    before = current(host)
    # Some are well for a while, then not: more must be asked for.
    least = 4 if faults in ("flaky", "exit0") else 0.5
    serving.write(health=f"deadline = 8\nmin_healthy = {least}\ntimeout = 3")
    ended = serving.fab("deploy", f"--artifact={build('2.0.0', faults)}")
    assert ended.code == 10, ended.text
    assert said in ended.err
    assert f"{before} serves again" in ended.err
    assert "Traceback" not in ended.text
    assert_serves(host, before, "1.0.0")
    entry = serving.history()[-1]
    assert entry["outcome"] == "rolled-back"
    assert said.split(":")[0] in entry["reason"]
    failed = json.loads(serving.done("releases", "--format=json").out)[0]
    assert (failed["name"], failed["state"]) == (entry["to"], "failed")


def test_the_error_shows_what_the_failing_process_said(
    serving: Site, build: Builder, tmp_path: Path
):
    page = tmp_path / "summary.md"
    before = current(serving.hosts[0])
    ended = serving.fab(
        "deploy", f"--artifact={build('2.0.0', 'crash')}", GITHUB_STEP_SUMMARY=str(page)
    )
    assert "the fault `crash` was ordered with QUSTO_BREAK" in ended.err
    # The same on the page of a GitHub run, with what serves now.
    text = page.read_text()
    assert "### deploy to staging: failed" in text
    assert "| ❌ | activate |" in text
    assert "the fault `crash` was ordered with QUSTO_BREAK" in text
    assert before.replace("_", "\\_") in text
    assert "HTTP 200" in text
    assert SECRET not in text
    ended = serving.fab("deploy", f"--artifact={build('2.0.0', 'migration')}")
    assert "20260601000000_break_on_purpose" in ended.err


def test_a_failed_first_deploy_leaves_an_empty_host(site: Site, build: Builder):
    host = site.hosts[0]
    ended = site.fab("deploy", f"--artifact={build('2.0.0', 'crash')}")
    assert ended.code == 10, ended.text
    assert current(host) == ""
    assert version(host) == ""
    summary = site.deploy(build("1.0.0"))
    assert_serves(host, summary["release"], "1.0.0")


def test_a_release_that_cannot_run_there_never_stops_the_old_one(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = host.run("systemctl show -p InvocationID --value qusto-staging").stdout
    # The service's environment lacks what the application asks for: eval ends with 1.
    host.write("/etc/qusto/staging.env", "PORT=8000\n", mode=0o600)
    ended = serving.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 10, ended.text
    assert "cannot run there" in ended.err
    assert "SECRET_KEY_BASE" in ended.err
    assert host.run("systemctl show -p InvocationID --value qusto-staging").stdout == before
    assert version(host) == "1.0.0"


def test_skip_migrations_leaves_the_schema_alone(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = schema(host)
    summary = serving.deploy(build("1.1.0", extra_migrations=1), "--skip-migrations")
    assert_serves(host, summary["release"], "1.1.0")
    assert summary["migrations"] == []
    assert schema(host) == before


def test_migrations_before_the_stop_fail_without_an_outage(serving: Site, build: Builder):
    host = serving.hosts[0]
    serving.write(migrate='"before-stop"')
    before = host.run("systemctl show -p InvocationID --value qusto-staging").stdout
    ended = serving.fab("deploy", f"--artifact={build('2.0.0', 'migration')}")
    assert ended.code == 10, ended.text
    assert host.run("systemctl show -p InvocationID --value qusto-staging").stdout == before
    summary = serving.deploy(build("1.1.0", extra_migrations=1))
    assert "migration 20260101000000" in schema(host)
    names = [name for name, _ in summary["hosts"][0]["phases"]]
    assert names.index("migrating") < names.index("stopping")


def test_two_hosts_migrate_once_and_serve_together(sites: Sites, build: Builder):
    site = sites(2)
    site.setup()
    summary = site.deploy(build("1.0.0"))
    first, second = site.hosts
    for host in site.hosts:
        assert_serves(host, summary["release"], "1.0.0")
    assert "migration" in schema(first)
    ran = second.run("journalctl --no-pager -q -u qusto-staging-migrate").stdout
    assert ran.strip() == ""


def test_two_hosts_are_kept_only_when_both_are_healthy(sites: Sites, build: Builder):
    site = sites(2)
    site.setup()
    name = site.deploy(build("1.0.0"))["release"]
    first, second = site.hosts
    # On the second host alone the application never becomes healthy.
    second.write(
        "/etc/qusto/staging.env", sites_module.ENVIRONMENT_FILE + "QUSTO_BREAK=health\n", mode=0o600
    )
    ended = site.fab("deploy", f"--artifact={build('1.1.0')}")
    # The second host's own release is ill as well now: it must not be called rolled back.
    assert ended.code == 11, ended.text
    assert second.ip in ended.err.splitlines()[0]
    assert_serves(first, name, "1.0.0")
    assert current(second) == name


def test_a_failing_migration_stops_only_the_first_of_two_hosts(sites: Sites, build: Builder):
    site = sites(2)
    site.setup()
    name = site.deploy(build("1.0.0"))["release"]
    second = site.hosts[1]
    before = second.run("systemctl show -p InvocationID --value qusto-staging").stdout
    ended = site.fab("deploy", f"--artifact={build('2.0.0', 'migration')}")
    assert ended.code == 10, ended.text
    for host in site.hosts:
        assert_serves(host, name, "1.0.0")
    assert second.run("systemctl show -p InvocationID --value qusto-staging").stdout == before


def test_the_key_may_be_text_and_is_written_nowhere(
    serving: Site, build: Builder, session_keys: KeyPair, tmp_path: Path
):
    serving.write(key='"${STAGING_DEPLOY_SSH_KEY}"', key_file="")
    # As a secret store may give it: without the final newline, with CRLF.
    text = session_keys.text.rstrip("\n").replace("\n", "\r\n")
    artifact = f"--artifact={build('1.1.0')}"
    ended = serving.done("deploy", artifact, STAGING_DEPLOY_SSH_KEY=text, TMPDIR=str(tmp_path))
    assert version(serving.hosts[0]) == "1.1.0"
    middle = session_keys.text.splitlines()[2]
    assert middle not in ended.text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(middle.encode() in path.read_bytes() for path in written)


def test_the_environment_files_values_appear_nowhere(serving: Site, build: Builder):
    host = serving.hosts[0]
    ended = serving.fab("deploy", f"--artifact={build('2.0.0', 'crash')}")
    again = serving.setup()
    assert SECRET not in ended.text + again.text
    assert host.run(f"grep -rlF '{SECRET}' /var/www /home /tmp /run", check=False).stdout == ""
    assert host.run("stat -c '%a %U' /etc/qusto/staging.env").stdout.strip() == "600 root"


def test_setup_twice_changes_nothing(site: Site):
    assert ": changed 0," in site.setup().out
    planned = site.done("setup", "--plan").out
    assert ": would change 0," in planned


def test_old_releases_and_backups_are_cleaned_up(site: Site, build: Builder):
    site.write(keep="2")
    host = site.hosts[0]
    names = [site.deploy(build(f"1.{minor}.0"))["release"] for minor in range(4)]
    assert releases(host) == names[2:]
    assert_serves(host, names[3], "1.3.0")


def test_the_public_address_must_answer_too(serving: Site, build: Builder):
    host = serving.hosts[0]
    before = current(host)
    rules = 'deadline = 6\nmin_healthy = 0.5\ntimeout = 2\npublic_url = "http://{}:{}/api/health"'
    # The application listens on loopback only: from here nothing answers.
    serving.write(health=rules.format(host.ip, 8000))
    ended = serving.fab("deploy", f"--artifact={build('1.1.0')}")
    assert ended.code == 10, ended.text
    assert f"not healthy within 6 s: http://{host.ip}:8000/api/health" in ended.err
    assert_serves(host, before, "1.0.0")
    text = f"{sites_module.ENVIRONMENT_FILE}LISTEN_IP=0.0.0.0\n"
    host.write("/etc/qusto/staging.env", text, mode=0o600)
    summary = serving.deploy(build("1.1.0"))
    assert_serves(host, summary["release"], "1.1.0")


def test_group_after_group_at_most_one_host_is_down(sites: Sites, build: Builder):
    site = sites(3)
    site.setup()
    site.write(batch="1")
    site.deploy(build("1.0.0"))
    client = site.start("deploy", f"--artifact={build('1.1.0')}")
    down: list[int] = []
    while client.poll() is None:
        down.append([version(host) for host in site.hosts].count(""))
    out, err = client.communicate()
    assert client.returncode == 0, out + err
    assert [version(host) for host in site.hosts] == ["1.1.0"] * 3
    assert 1 in down
    # One look at three hosts takes a while: the next may go down while the last is being asked.
    assert down.count(2) <= 2
    assert 3 not in down


def test_a_release_that_is_ill_in_the_last_group_is_rolled_back_everywhere(
    sites: Sites, build: Builder
):
    site = sites(3)
    site.setup()
    site.write(batch='"34%"')
    before = site.deploy(build("1.0.0"))["release"]
    for host in site.hosts[:2]:
        host.run("echo QUSTO_BREAK= >>/etc/qusto/staging.env")
    ended = site.fab("deploy", f"--artifact={build('2.0.0', 'health')}")
    assert ended.code == 10, ended.text
    assert f"{site.hosts[2].ip}: not healthy within" in ended.err
    for host in site.hosts:
        assert_serves(host, before, "1.0.0")
