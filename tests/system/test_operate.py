"""Looking at a serving host, and restarting it."""

import json

from tests.system.artifacts import Builder
from tests.system.site import ENVIRONMENT_FILE, Site, version


def test_health_says_what_answers(serving: Site):
    rows = json.loads(serving.done("health", "--format=json").out)
    assert rows[0]["healthy"] is True
    assert (rows[0]["version"], rows[0]["restarts"]) == ("1.0.0", 0)
    serving.hosts[0].run("systemctl stop qusto-staging")
    ended = serving.fab("health")
    assert ended.code == 1
    assert "no answer; service inactive" in ended.out
    assert f"not healthy: {serving.hosts[0].ip}" in ended.err


def test_the_doctor_finds_a_prepared_host_well(serving: Site, build: Builder):
    rows = json.loads(serving.done("doctor", f"--artifact={build('1.1.0')}", "--format=json").out)
    assert {row["state"] for row in rows} == {"ok"}, rows
    assert any("sudo allows" in row["what"] for row in rows)
    assert any("the artifact fits" in row["what"] for row in rows)


def test_the_doctor_finds_what_is_missing(serving: Site):
    host = serving.hosts[0]
    host.run("sed -i /reset-failed/d /etc/sudoers.d/qusto-deploy-staging")
    ended = serving.fab("doctor")
    assert ended.code == 1, ended.text
    assert "sudo does not allow `/usr/bin/systemctl reset-failed" in ended.err
    host.run("mv /usr/bin/curl /usr/bin/curl.away")
    assert "lacks curl" in serving.fab("doctor").text


def test_logs_show_the_services_journal(serving: Site):
    text = serving.done("logs", "--lines=20").out
    assert "Running PlausibleWeb.Server" in text
    assert len(text.splitlines()) <= 20


def test_a_restart_is_checked(serving: Site):
    host = serving.hosts[0]
    before = host.run("systemctl show -p InvocationID --value qusto-staging").stdout
    serving.done("restart")
    assert host.run("systemctl show -p InvocationID --value qusto-staging").stdout != before
    assert version(host) == "1.0.0"


def test_a_restart_that_fails_shows_the_journal(serving: Site):
    host = serving.hosts[0]
    text = f"{ENVIRONMENT_FILE}QUSTO_BREAK=crash\n"
    host.write("/etc/qusto/staging.env", text, mode=0o600)
    ended = serving.fab("restart")
    assert ended.code == 1, ended.text
    assert "after the restart: the service" in ended.err
    assert "was ordered with QUSTO_BREAK" in ended.err
