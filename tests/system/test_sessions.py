"""A deploy needs two sessions at once, and none that it has not opened before the stop."""

import signal

import pytest

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import Site, assert_serves, current, version


def limit(host: Host, sessions: int) -> None:
    host.write("/etc/ssh/sshd_config.d/sessions.conf", f"MaxSessions {sessions}\n")
    host.run("systemctl reload ssh")


def test_two_sessions_are_enough_and_one_is_refused_before_anything_stops(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    first = current(host)
    started = host.run("systemctl show -p InvocationID qusto-staging").stdout
    words = ("deploy", f"--artifact={build('1.1.0', extra_migrations=1)}")
    for sessions, said in ((0, "refused to open a session"), (1, "does MaxSessions")):
        limit(host, sessions)
        ended = serving.fab(*words)
        assert ended.code == 13, ended.text
        assert said in ended.err
        assert "Traceback" not in ended.text
        assert current(host) == first
        assert host.run("systemctl show -p InvocationID qusto-staging").stdout == started
    limit(host, 2)
    serving.done(*words)
    assert version(host) == "1.1.0"
    serving.done("rollback")
    assert (current(host), version(host)) == (first, "1.0.0")


def test_a_deploy_that_was_kept_exits_0_whatever_becomes_of_its_output(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    for number, output in enumerate(
        (">/dev/full", "--format=json >/dev/full", "--format=json >&-", "| head -c 1"), 1
    ):
        artifact = build("1.0.0" if number % 2 == 0 else "1.1.0")
        code, err = serving.in_shell(f"deploy --artifact={artifact} {output}")
        assert (code, "Traceback" in err) == (0, False), err
        if "full" in output:
            assert "standard output cannot be written: No space left on device" in err
        assert version(host) == ("1.0.0" if number % 2 == 0 else "1.1.0")


def test_a_user_without_processes_is_refused_before_anything_stops(serving: Site, build: Builder):
    host = serving.hosts[0]
    first = current(host)
    host.write("/etc/security/limits.d/deploy.conf", "deploy hard nproc 4\n")
    ended = serving.fab("deploy", f"--artifact={build('1.1.0', extra_migrations=1)}")
    assert ended.code in (2, 13), ended.text
    assert "Traceback" not in ended.text
    assert (current(host), version(host)) == (first, "1.0.0")


@pytest.mark.parametrize("step", ["lock", "upload"])
def test_a_client_that_has_lost_its_lock_meanwhile_changes_nothing(
    serving: Site, build: Builder, step: str
):
    host = serving.hosts[0]
    late = serving.start("deploy", f"--artifact={build('1.1.0', extra_migrations=1)}")
    assert late.stdout is not None
    while f" {step} " not in (line := late.stdout.readline()):
        assert line, "it ended before that step"
    late.send_signal(signal.SIGSTOP)
    serving.done("unlock", "--yes")
    name = serving.deploy(build("1.2.0"))["release"]
    late.send_signal(signal.SIGCONT)
    out, err = late.communicate(timeout=120)
    assert late.returncode == 12, out + err
    assert "lost its lock of staging" in err
    assert "Traceback" not in err
    assert_serves(host, name, "1.2.0")
    assert "1.1.0" not in [entry["version"] for entry in serving.history()]
