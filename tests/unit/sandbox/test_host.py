"""The sandbox host answers as an SSH server does, and leaves nothing behind."""

import os
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fabric import Connection

from pipeline.errors import Unreachable
from pipeline.remote import execute, inventory
from pipeline.sandbox.host import NAME, Sandbox
from tests.unit.sandbox.conftest import connect
from tests.unit.sandbox.waiting import alive, until


def openssh(sandbox: Sandbox) -> list[str]:
    """Return the real client's options for this host and its pinned key."""
    known = sandbox.directory / "known_hosts"
    pin = inventory.resolve([NAME], sandbox.hosts_file, {}).environment.host_keys[0]
    known.write_text(f"[127.0.0.1]:{sandbox.port} {pin}\n")
    options = {
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", "-p", str(sandbox.port), "-i", str(sandbox.key_file), *words]


def test_output_errors_and_status_of_a_command_come_back(line: Connection):
    ended = execute.sh(line, "echo out; echo err >&2; exit 7")
    assert (ended.out, ended.err, ended.code) == ("out\n", "err\n", 7)


def test_fabrics_own_run_works(line: Connection):
    ended = line.run("echo out; echo err >&2; exit 7", hide=True, warn=True, in_stream=False)
    assert (ended.stdout, ended.stderr, ended.return_code) == ("out\n", "err\n", 7)


@pytest.mark.needs("ssh")
def test_a_command_that_a_signal_ended_is_reported_as_that(sandbox: Sandbox):
    ended = subprocess.run(
        [*openssh(sandbox), "deploy@127.0.0.1", "kill -9 $$"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 255  # what ssh makes of a signal


def test_a_command_runs_at_home_as_the_user_of_the_login(sandbox: Sandbox, line: Connection):
    ended = execute.sh(line, 'pwd; echo "$HOME"; echo "$USER"')
    home = str(sandbox.directory / "host/home/deploy")
    assert ended.out.split() == [home, home, "deploy"]


def test_standard_input_is_passed_on_with_its_end(line: Connection):
    assert execute.sh(line, "wc -c", stdin=b"x" * 200_000).out.strip() == "200000"


def test_large_output_arrives_whole(line: Connection):
    assert len(execute.sh(line, "head -c 3000000 /dev/zero | tr '\\0' é").out) > 1_000_000


def test_output_arrives_while_the_command_runs(line: Connection, tmp_path: Path):
    go = tmp_path / "go"
    os.mkfifo(go)

    def answer(text: str) -> None:
        if text == "first":
            threading.Thread(target=go.write_text, args=("",)).start()

    assert execute.sh(line, f"echo first; cat {go}; echo second", on_line=answer).code == 0


def test_channels_of_one_connection_run_side_by_side(line: Connection, tmp_path: Path):
    # Each end of the pipe waits for the other, so one after the other would never end.
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with ThreadPoolExecutor(2) as pool:
        reading = pool.submit(execute.sh, line, f"cat {fifo}")
        writing = pool.submit(execute.sh, line, f"echo across >{fifo}")
        assert (reading.result().out, writing.result().code) == ("across\n", 0)


def test_a_held_script_ends_when_the_client_lets_go(line: Connection, tmp_path: Path):
    lock = tmp_path / "lock"
    script = f"exec 9>{lock}; flock -n 9 || exit 75; echo held; cat >/dev/null"
    held = execute.Held(line, script)
    assert held.held
    assert execute.Held(line, script).code == 75
    held.release()
    until(lambda: execute.sh(line, f"flock -n {lock} true").code == 0)


def test_a_held_script_ends_when_the_line_drops(line: Connection, tmp_path: Path):
    lock = tmp_path / "lock"
    assert execute.Held(line, f"exec 9>{lock}; flock 9; echo held; cat >/dev/null").held
    line.close()
    assert subprocess.run(["flock", "--timeout", "20", str(lock), "true"]).returncode == 0


def test_a_command_outlives_a_dropped_line_until_it_writes(line: Connection, tmp_path: Path):
    pids, go = tmp_path / "pid", tmp_path / "go"
    script = f"echo $$ >{pids}; echo held; while [ ! -e {go} ]; do sleep 0.05; done; yes"
    assert execute.Held(line, script).held
    pid = int(pids.read_text())
    line.close()
    assert alive(pid)
    go.touch()
    until(lambda: not alive(pid))


def test_files_go_by_sftp(sandbox: Sandbox, line: Connection, tmp_path: Path):
    (tmp_path / "a").write_text("text")
    line.put(str(tmp_path / "a"), str(tmp_path / "b"))
    assert (tmp_path / "b").read_text() == "text"
    line.put(str(tmp_path / "a"), "relative")
    assert (sandbox.directory / "host/home/deploy/relative").read_text() == "text"
    line.get("relative", str(tmp_path / "c"))
    assert (tmp_path / "c").read_text() == "text"


@pytest.mark.needs("rsync", "ssh")
def test_trees_go_by_rsync_over_openssh(sandbox: Sandbox, tmp_path: Path):
    (tmp_path / "from/sub").mkdir(parents=True)
    (tmp_path / "from/sub/file").write_bytes(os.urandom(3_000_000))
    target = sandbox.directory / "host/tree"
    subprocess.run(
        [
            "rsync",
            "-a",
            "-e",
            " ".join(openssh(sandbox)),
            f"{tmp_path}/from/",
            f"deploy@127.0.0.1:{target}/",
        ],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert (target / "sub/file").read_bytes() == (tmp_path / "from/sub/file").read_bytes()


def test_another_host_key_is_refused(sandbox: Sandbox):
    with Sandbox() as other:
        pin, wrong = (
            next(li for li in s.hosts_file.read_text().splitlines() if li.startswith("host_key"))
            for s in (sandbox, other)
        )
    sandbox.hosts_file.write_text(sandbox.hosts_file.read_text().replace(pin, wrong))
    with pytest.raises(Unreachable, match="has CHANGED"):
        connect(sandbox)


@pytest.mark.needs("ssh-keygen")
def test_a_key_that_is_not_known_is_refused(sandbox: Sandbox, tmp_path: Path):
    stranger = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    text = sandbox.hosts_file.read_text()
    sandbox.hosts_file.write_text(text.replace(str(sandbox.key_file), str(stranger)))
    with pytest.raises(Unreachable, match="refused the key"):
        connect(sandbox)


@pytest.mark.needs("ssh")
def test_passwords_are_refused(sandbox: Sandbox):
    ssh = [*openssh(sandbox), "-o", "PubkeyAuthentication=no", "deploy@127.0.0.1", "true"]
    ended = subprocess.run(ssh, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert (ended.returncode, "Permission denied (publickey)" in ended.stderr) == (255, True)


def test_nothing_lives_on_after_the_sandbox():
    pids = []
    with Sandbox() as sandbox:
        line = connect(sandbox)
        for script in (
            # a command, one that moved to a session of its own, and one that ignores signals
            "echo $$; echo held; sleep 301",
            "setsid sh -c 'echo $$; echo held; exec sleep 302' & wait",
            "trap '' HUP TERM INT; echo $$; echo held; sleep 303; sleep 304",
        ):
            pids.append(int(execute.Held(line, script).lines[0]))
        assert all(alive(pid) for pid in pids)
        line.close()
    assert not [pid for pid in pids if alive(pid)]
    assert not sandbox.directory.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", sandbox.port)) != 0


def test_a_sandbox_hangs_up_on_those_who_are_still_there():
    with Sandbox() as sandbox:
        line = connect(sandbox)
        files = line.sftp()
        assert files.listdir(".") == []
        assert line.is_connected
    until(lambda: not line.is_connected)
    line.close()


def test_a_sandbox_that_fails_inside_ends_all_the_same():
    def fail() -> None:
        with Sandbox() as sandbox:
            left.append(sandbox)
            line = connect(sandbox)
            left.append(int(execute.Held(line, "echo $$; echo held; sleep 305").lines[0]))
            raise KeyboardInterrupt

    left: list[Sandbox | int] = []
    with pytest.raises(KeyboardInterrupt):
        fail()
    sandbox, pid = left
    assert isinstance(sandbox, Sandbox)
    assert isinstance(pid, int)
    assert not sandbox.directory.exists()
    assert not alive(pid)


def test_a_sandbox_that_cannot_start_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("pipeline.sandbox.host.STANDINS", tmp_path / "nowhere")
    monkeypatch.setattr(Sandbox, "_hosts_toml", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError), Sandbox():
        pass
    assert list(tmp_path.iterdir()) == []
    assert "sandbox sshd" not in [thread.name for thread in threading.enumerate()]
