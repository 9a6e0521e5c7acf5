"""Whatever a login runs, an answer is our script's or there is none: exit 13."""

import pytest

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import Ended, Site, current, version

COMMANDS = ("status", "health", "logs", "releases", "history", "unlock", "doctor", "restart")
NEVER = ("Traceback", "not set up", "lacks", "fab -H staging setup", "none yet")


def shell(host: Host, path: str, startup: str = "") -> None:
    """Give the deploy user this login shell and this start-up file."""
    home = host.run("getent passwd deploy | cut -d: -f6").stdout.strip()
    host.run(f"usermod -s {path} deploy")
    for name in (".bashrc", ".tcshrc"):
        host.write(f"{home}/{name}", startup, owner="deploy")


def refused(site: Site, *words: str) -> Ended:
    """Run a command that must find out that it knows nothing."""
    ended = site.fab(*words)
    assert ended.code == 13, f"{words}: {ended.text}"
    first = ended.err.splitlines()[0]
    assert first.startswith("error: "), ended.text
    assert site.hosts[0].ip in first, ended.text
    assert not [word for word in NEVER if word in ended.text], ended.text
    return ended


def test_a_login_that_runs_no_script_of_ours_is_an_unknown_host(serving: Site, build: Builder):
    host = serving.hosts[0]
    release = current(host)
    said = "This account is currently not available."
    shell(host, "/usr/sbin/nologin")
    for words in (
        *((command,) for command in COMMANDS),
        ("deploy", f"--artifact={build('1.1.0', extra_migrations=1)}"),
        ("rollback",),
        ("cleanup",),
        ("attach",),
    ):
        assert said in refused(serving, *words).err.splitlines()[0]
    for startup, words_said in (
        ("echo you shall not pass; exit 3\n", "(exit 3); it said: you shall not pass"),
        ("exit 0\n", "said nothing (exit 0)"),
        ("read -r line\n", "took away what was sent"),
    ):
        shell(host, "/bin/bash", startup)
        assert words_said in refused(serving, "status").err.splitlines()[0]
        refused(serving, "restart")
    shell(host, "/bin/sh")
    host.run("chage -d 0 deploy")
    assert "password" in refused(serving, "status").err.splitlines()[0].lower()
    host.run("chage -d -1 deploy")
    host.write("/etc/ssh/sshd_config.d/one.conf", "Match User deploy\nForceCommand echo only me\n")
    host.run("systemctl reload ssh")
    assert "it said: only me" in refused(serving, "status").err.splitlines()[0]
    host.write("/etc/ssh/sshd_config.d/one.conf", "")
    host.run("systemctl reload ssh")
    serving.done("status")
    assert (current(host), version(host)) == (release, "1.0.0")


NOISY = r"""
printf '\033]0;%s\007' "a title without an end of line"
echo "mesg: ttyname failed" >&2
umask 077; cd /tmp; PATH=/nowhere; LC_ALL=de_DE.UTF-8; export PATH LC_ALL
set -x
"""
CSH = r"""
printf '\033]0;title\007'
umask 077; cd /tmp; setenv PATH /nowhere; set prompt = "! "; alias exec echo; set noglob
"""


@pytest.mark.parametrize(("path", "startup"), [("/bin/bash", NOISY), ("/usr/bin/tcsh", CSH)])
def test_a_deploy_takes_no_notice_of_a_noisy_login(
    serving: Site, build: Builder, path: str, startup: str
):
    host = serving.hosts[0]
    shell(host, path, startup)
    serving.deploy(build("1.1.0", extra_migrations=1))
    host.run("! find /var/www/qusto/staging/releases -perm 700 | grep .")
    assert version(host) == "1.1.0"
    for command in COMMANDS:
        serving.done(command)
    serving.done("rollback")
    assert version(host) == "1.0.0"


def test_a_systemd_that_does_not_answer_is_unknown_too(serving: Site):
    host = serving.hosts[0]
    host.run("systemctl stop dbus.socket dbus.service")
    ended = refused(serving, "status")
    assert "unknown" in ended.out
    assert "systemd does not answer there" in ended.err
    refused(serving, "rollback")
    found = serving.fab("doctor")
    assert found.code != 0
    assert "systemd does not answer there" in found.out
    assert version(host) == "1.0.0"


def test_a_script_that_is_cut_off_is_no_answer(serving: Site):
    host = serving.hosts[0]
    script = "#!/bin/sh\nkill -9 $(ps -o ppid= -p $PPID) $PPID\n"
    host.write("/usr/local/bin/getconf", script, mode=0o755)
    assert "cut off there" in refused(serving, "status").err
    host.write("/usr/local/bin/getconf", "#!/bin/sh\nkill -9 $PPID\n", mode=0o755)
    assert version(host) == "1.0.0"


@pytest.mark.world
def test_a_login_that_takes_too_long_is_told_as_that(serving: Site):
    host = serving.hosts[0]
    shell(host, "/bin/bash", "echo please wait; sleep 60\n")
    ended = refused(serving, "status")
    assert "the login takes longer than 30 s, though the host answers" in ended.err
    assert "please wait" in ended.err
