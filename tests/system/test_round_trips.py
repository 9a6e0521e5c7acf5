"""How many remote executions a command costs, counted by the host's own sshd."""

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import Site


def executions(host: Host) -> int:
    """Return how many sessions sshd has started for `deploy` (LogLevel VERBOSE tells each)."""
    lines = host.run("journalctl --no-pager -q -o cat -t sshd").stdout.splitlines()
    return sum(line.startswith("Starting session: ") and " for deploy " in line for line in lines)


def test_a_deploy_takes_at_most_8_remote_executions(serving: Site, build: Builder):
    host = serving.hosts[0]
    host.write("/etc/ssh/sshd_config.d/verbose.conf", "LogLevel VERBOSE\n")
    host.run("systemctl reload ssh")
    for words, most in (
        (["deploy", f"--artifact={build('1.1.0', extra_migrations=1)}"], 8),
        (["rollback"], 4),
    ):
        before = executions(host)
        serving.done(*words)
        assert 2 <= executions(host) - before <= most
