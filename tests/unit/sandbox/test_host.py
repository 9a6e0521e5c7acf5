"""The sandbox host answers as a server does, and leaves nothing behind."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fabric import Connection

from pipeline.errors import Unreachable
from pipeline.remote import connection as connections
from pipeline.remote import execute, inventory
from pipeline.sandbox.host import Sandbox

pytestmark = pytest.mark.skipif(
    not Path("/proc/uptime").exists(), reason="the sandbox host needs Linux"
)
SERVICE = """\
[Service]
Type=exec
ExecStart=/bin/sh -c '{command}'
Restart=always
RestartSec=0.2
Environment=GREETING="hello there"
"""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def line(sandbox: Sandbox) -> Iterator[Connection]:
    target = inventory.resolve(["sandbox"], sandbox.directory / "hosts.toml", {})
    connection = connections.connect(target.environment, target.hosts[0])
    yield connection
    connection.close()


def unit(sandbox: Sandbox, name: str, command: str) -> None:
    directory = sandbox.directory / "host/etc/systemd/system"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / f"{name}.service").write_text(SERVICE.format(command=command))


def shown(line: Connection, name: str) -> dict[str, str]:
    script = f"systemctl show -p ActiveState,SubState,MainPID,InvocationID,NRestarts {name}.service"
    return dict(text.split("=", 1) for text in execute.sh(line, script).out.split())


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    limit = time.monotonic() + 10
    while alive(pid) and time.monotonic() < limit:
        time.sleep(0.02)
    return not alive(pid)


def test_output_errors_and_status_of_a_command_come_back(line: Connection):
    ended = execute.sh(line, "echo out; echo err >&2; exit 7")
    assert (ended.out, ended.err, ended.code) == ("out\n", "err\n", 7)


def test_standard_input_is_passed_on_with_its_end(line: Connection):
    assert execute.sh(line, "wc -c", stdin="x" * 200_000).out.strip() == "200000"


def test_large_output_arrives_whole(line: Connection):
    assert len(execute.sh(line, "head -c 3000000 /dev/zero | tr '\\0' é").out) > 1_000_000


def test_a_held_script_ends_when_the_client_lets_go(line: Connection, tmp_path: Path):
    lock = tmp_path / "lock"
    script = f"exec 9>{lock}; flock -n 9 || exit 75; echo held; cat >/dev/null"
    held = execute.Held(line, script)
    assert held.held
    assert execute.Held(line, script).code == 75
    held.release()
    limit = time.monotonic() + 10
    while execute.sh(line, f"flock -n {lock} true").code:
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_a_held_script_ends_when_the_line_drops(line: Connection, tmp_path: Path):
    lock = tmp_path / "lock"
    assert execute.Held(line, f"exec 9>{lock}; flock 9; echo held; cat >/dev/null").held
    line.close()
    ended = subprocess.run(["flock", "--timeout", "10", str(lock), "true"])
    assert ended.returncode == 0


def test_files_go_by_sftp(line: Connection, tmp_path: Path):
    (tmp_path / "a").write_text("text")
    line.put(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "text"


def test_another_host_key_is_refused(sandbox: Sandbox):
    path = sandbox.directory / "hosts.toml"
    with Sandbox() as other:
        lines = path.read_text().splitlines()
        pin = next(li for li in lines if li.startswith("host_key"))
        wrong = next(
            li
            for li in (other.directory / "hosts.toml").read_text().splitlines()
            if li.startswith("host_key")
        )
        path.write_text("\n".join(lines).replace(pin, wrong))
    target = inventory.resolve(["sandbox"], path, {})
    with pytest.raises(Unreachable, match="has CHANGED"):
        connections.connect(target.environment, target.hosts[0])


def test_a_key_that_is_not_known_is_refused(sandbox: Sandbox, tmp_path: Path):
    stranger = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    path = sandbox.directory / "hosts.toml"
    path.write_text(path.read_text().replace(str(sandbox.key_file), str(stranger)))
    target = inventory.resolve(["sandbox"], path, {})
    with pytest.raises(Unreachable, match="refused the key"):
        connections.connect(target.environment, target.hosts[0])


def test_a_service_starts_stops_and_starts_anew(sandbox: Sandbox, line: Connection):
    unit(sandbox, "app", "exec sleep 300")
    assert execute.sh(line, "sudo -n /usr/bin/systemctl start app.service").code == 0
    first = shown(line, "app")
    assert (first["ActiveState"], first["NRestarts"]) == ("active", "0")
    assert alive(int(first["MainPID"]))
    assert execute.sh(line, "systemctl stop app.service").code == 0
    assert gone(int(first["MainPID"]))
    assert shown(line, "app")["ActiveState"] == "inactive"
    execute.sh(line, "systemctl start app.service")
    assert shown(line, "app")["InvocationID"] != first["InvocationID"]


def test_a_service_that_dies_is_restarted_and_counted(sandbox: Sandbox, line: Connection):
    unit(sandbox, "app", "exec sleep 300")
    execute.sh(line, "systemctl start app.service")
    before = shown(line, "app")
    os.kill(int(before["MainPID"]), 9)
    limit = time.monotonic() + 10
    while shown(line, "app")["NRestarts"] == "0":
        assert time.monotonic() < limit
        time.sleep(0.02)
    limit = time.monotonic() + 10
    while shown(line, "app")["ActiveState"] != "active":
        assert time.monotonic() < limit
    assert shown(line, "app")["InvocationID"] != before["InvocationID"]


def test_ignored_signals_are_not_inherited_by_a_service(sandbox: Sandbox, line: Connection):
    unit(sandbox, "app", "exec sleep 300")
    execute.sh(line, "trap '' TERM; systemctl start app.service")
    pid = int(shown(line, "app")["MainPID"])
    os.kill(pid, 15)
    assert gone(pid)


def test_the_journal_is_kept_by_invocation(sandbox: Sandbox, line: Connection):
    unit(sandbox, "app", 'echo "said $$GREETING"; exec sleep 300')
    execute.sh(line, "systemctl start app.service")
    invocation = shown(line, "app")["InvocationID"]
    limit = time.monotonic() + 10
    script = f"journalctl -q -o cat -n 5 _SYSTEMD_INVOCATION_ID={invocation}"
    while "said hello there" not in execute.sh(line, script).out:
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_an_unknown_unit_is_not_found(line: Connection):
    ended = execute.sh(line, "systemctl start nothing.service")
    assert (ended.code, "Unit nothing.service not found" in ended.err) == (5, True)


def test_a_transient_unit_is_a_mutex_and_outlives_the_connection(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    script = tmp_path / "activate"
    script.write_text("#!/bin/sh\nsleep 1\ntouch $0.done\n")
    script.chmod(0o755)
    run = f"sudo -n /usr/bin/systemd-run --collect --quiet --unit=one {script}"
    assert execute.sh(line, run).code == 0
    again = execute.sh(line, run)
    assert (again.code, "already loaded" in again.err) == (1, True)
    line.close()
    limit = time.monotonic() + 10
    while not (tmp_path / "activate.done").exists():
        assert time.monotonic() < limit
        time.sleep(0.02)


def test_nothing_lives_on_after_the_sandbox():
    with Sandbox() as sandbox:
        target = inventory.resolve(["sandbox"], sandbox.directory / "hosts.toml", {})
        line = connections.connect(target.environment, target.hosts[0])
        unit(sandbox, "app", "sleep 301 & exec sleep 302")
        execute.sh(line, "systemctl start app.service")
        pid = int(shown(line, "app")["MainPID"])
        line.close()
    assert gone(pid)
    assert not sandbox.directory.exists()
    left = subprocess.run(["pgrep", "-f", str(sandbox.directory)], capture_output=True, text=True)
    assert left.stdout == ""
