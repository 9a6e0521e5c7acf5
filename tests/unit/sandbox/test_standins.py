"""The stand-ins behave as the programs they stand for, as far as a deploy can tell."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fabric import Connection

from pipeline.remote import execute
from pipeline.sandbox.host import Sandbox
from tests.unit.sandbox.conftest import connect
from tests.unit.sandbox.waiting import alive, until

SERVICE = """\
[Service]
Type=exec
ExecStart=/bin/sh -c '{command}'
Restart=always
RestartSec=0.1
StartLimitIntervalSec=120
StartLimitBurst={burst}
Environment=GREETING="hello there" OTHER=x
EnvironmentFile=-/nowhere/at/all
TimeoutStopSec={stop}
"""
ONESHOT = "[Service]\nType=oneshot\nExecStart=/bin/sh -c '{command}'\n"


def write(sandbox: Sandbox, name: str, text: str) -> None:
    (sandbox.directory / f"host/etc/systemd/system/{name}.service").write_text(text)


def service(sandbox: Sandbox, command: str, *, burst: int = 5, stop: str = "60") -> None:
    write(sandbox, "app", SERVICE.format(command=command, burst=burst, stop=stop))


def shown(line: Connection, name: str = "app") -> dict[str, str]:
    out = execute.sh(line, f"systemctl show {name}.service").out
    return dict(text.split("=", 1) for text in out.splitlines())


def main_pid(line: Connection) -> int:
    return int(shown(line)["MainPID"])


def allow(sandbox: Sandbox, *commands: str) -> None:
    directory = sandbox.directory / "host/etc/sudoers.d"
    directory.mkdir(exist_ok=True)
    rules = "".join(f"deploy ALL=(root) NOPASSWD: {command}\n" for command in commands)
    (directory / "qusto").write_text(rules)


def test_a_service_starts_stops_and_starts_anew(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    assert execute.sh(line, "systemctl start app.service").code == 0
    first = shown(line)
    assert (first["ActiveState"], first["SubState"]) == ("active", "running")
    assert (first["NRestarts"], first["LoadState"]) == ("0", "loaded")
    assert alive(int(first["MainPID"]))
    assert execute.sh(line, "systemctl stop app.service").code == 0
    assert not alive(int(first["MainPID"]))
    stopped = shown(line)
    assert (stopped["ActiveState"], stopped["MainPID"]) == ("inactive", "0")
    assert stopped["Result"] == "success"
    execute.sh(line, "systemctl start app.service")
    again = shown(line)
    assert re.fullmatch("[0-9a-f]{32}", again["InvocationID"])
    assert again["InvocationID"] != first["InvocationID"]


def test_starting_what_runs_changes_nothing_and_restart_does(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    execute.sh(line, "systemctl start app.service")
    first = main_pid(line)
    assert execute.sh(line, "systemctl start app.service").code == 0
    assert main_pid(line) == first
    assert execute.sh(line, "systemctl restart app").code == 0
    assert main_pid(line) != first
    assert not alive(first)


def test_a_service_that_dies_is_restarted_and_counted(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    execute.sh(line, "systemctl start app.service")
    before = shown(line)
    os.kill(int(before["MainPID"]), signal.SIGKILL)
    until(lambda: (now := shown(line))["NRestarts"] == "1" and now["ActiveState"] == "active")
    after = shown(line)
    assert after["InvocationID"] != before["InvocationID"]
    assert after["ExecMainStatus"] == "9"


def test_a_service_that_dies_too_often_has_failed(sandbox: Sandbox, line: Connection):
    service(sandbox, "exit 3", burst=2)
    execute.sh(line, "systemctl start app.service")
    until(lambda: execute.sh(line, "systemctl is-failed --quiet app").code == 0)
    failed = shown(line)
    assert (failed["Result"], failed["NRestarts"]) == ("start-limit-hit", "2")
    refused = execute.sh(line, "systemctl start app.service")
    assert (refused.code, "Job for app.service failed" in refused.err) == (1, True)
    service(sandbox, "exec sleep 300")
    assert execute.sh(line, "systemctl reset-failed app && systemctl start app").code == 0
    assert shown(line)["NRestarts"] == "0"


def test_a_service_waiting_for_its_restart_can_be_stopped(sandbox: Sandbox, line: Connection):
    write(
        sandbox,
        "app",
        "[Service]\nExecStart=/bin/false\nRestart=on-failure\nRestartSec=1h\n",
    )
    execute.sh(line, "systemctl start app.service")
    until(lambda: shown(line)["SubState"] == "auto-restart")
    assert execute.sh(line, "systemctl is-active app").out == "activating\n"
    assert execute.sh(line, "systemctl stop app").code == 0
    assert shown(line)["ActiveState"] == "inactive"


def test_a_clean_exit_is_no_failure_for_on_failure(sandbox: Sandbox, line: Connection):
    write(sandbox, "app", "[Service]\nExecStart=/bin/true\nRestart=on-failure\n")
    execute.sh(line, "systemctl start app.service")
    until(lambda: shown(line)["ActiveState"] == "inactive")
    assert shown(line)["NRestarts"] == "0"


def test_a_program_that_is_not_there_fails_the_start(sandbox: Sandbox, line: Connection):
    write(sandbox, "app", "[Service]\nType=exec\nExecStart=/nowhere/program\n")
    assert execute.sh(line, "systemctl start app.service").code == 1
    failed = shown(line)
    assert (failed["ActiveState"], failed["ExecMainStatus"]) == ("failed", "203")
    assert "/nowhere/program" in execute.sh(line, "journalctl -u app -o cat").out


def test_what_ignores_the_stop_is_killed(sandbox: Sandbox, line: Connection):
    service(sandbox, 'trap "" TERM; while :; do sleep 0.1; done', stop="200ms")
    execute.sh(line, "systemctl start app.service")
    pid = main_pid(line)
    # The shell needs a moment until it ignores the signal; TERM is bit 15 of SigIgn (proc(5)).
    mask = re.compile(r"SigIgn:\s+([0-9a-f]+)")
    until(
        lambda: (
            (found := mask.search(Path(f"/proc/{pid}/status").read_text()))
            and int(found[1], 16) >> 14 & 1
        )
    )
    assert execute.sh(line, "systemctl stop app.service").code == 0
    assert not alive(pid)
    assert shown(line)["Result"] == "timeout"


def test_what_a_service_leaves_behind_ends_with_it(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    left = tmp_path / "left"
    service(sandbox, f"setsid sleep 306 & echo $$! >{left}; exec sleep 307")
    execute.sh(line, "systemctl start app.service")
    until(lambda: left.exists() and left.read_text().strip())
    pid = int(left.read_text())
    assert execute.sh(line, "systemctl stop app.service").code == 0
    assert not alive(pid)


def test_ignored_signals_are_not_inherited_by_a_service(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    execute.sh(line, "trap '' TERM HUP INT; systemctl start app.service")
    pid = main_pid(line)
    os.kill(pid, signal.SIGTERM)
    until(lambda: not alive(pid))


def test_a_lock_of_the_caller_is_not_inherited_by_a_service(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    service(sandbox, "exec sleep 300")
    lock = tmp_path / "lock"
    script = f"exec 9>{lock}; flock 9; systemctl start app.service"
    assert execute.sh(line, script).code == 0
    assert execute.sh(line, f"flock -n {lock} true").code == 0


def test_a_oneshot_is_waited_for_and_its_failure_reported(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    write(sandbox, "good", ONESHOT.format(command=f"sleep 0.2; touch {tmp_path}/done"))
    write(sandbox, "bad", ONESHOT.format(command="echo no room; exit 4"))
    assert execute.sh(line, "systemctl start good.service").code == 0
    assert (tmp_path / "done").exists()
    assert shown(line, "good")["ActiveState"] == "inactive"
    ended = execute.sh(line, "systemctl start bad.service")
    assert ended.code == 1
    assert "Job for bad.service failed because the control process exited" in ended.err
    failed = shown(line, "bad")
    assert (failed["Result"], failed["ExecMainStatus"]) == ("exit-code", "4")
    script = f"journalctl -q -o cat _SYSTEMD_INVOCATION_ID={failed['InvocationID']}"
    assert execute.sh(line, script).out == "no room\n"


def test_a_unit_whose_condition_is_not_met_does_not_start(sandbox: Sandbox, line: Connection):
    write(sandbox, "app", "[Unit]\nConditionPathExists=/nowhere\n[Service]\nExecStart=/bin/true\n")
    assert execute.sh(line, "systemctl start app.service").code == 0
    assert shown(line)["InvocationID"] == ""


def test_directories_of_a_unit_are_made_below_the_host(sandbox: Sandbox, line: Connection):
    text = "RuntimeDirectory=gone\nStateDirectory=app\n"
    write(sandbox, "app", f"[Service]\nType=oneshot\n{text}ExecStart=/bin/true\n")
    assert execute.sh(line, "systemctl start app").code == 0
    assert (sandbox.directory / "host/var/lib/app").is_dir()
    assert not (sandbox.directory / "host/run/gone").exists()


@pytest.mark.parametrize("verb", ["start", "restart"])
def test_an_unknown_unit_is_not_found(line: Connection, verb: str):
    ended = execute.sh(line, f"systemctl {verb} nothing.service")
    assert (ended.code, "Unit nothing.service not found." in ended.err) == (5, True)


def test_stopping_an_unknown_unit_fails(line: Connection):
    ended = execute.sh(line, "systemctl stop nothing.service")
    assert (ended.code, "Unit nothing.service not loaded." in ended.err) == (5, True)


def test_questions_have_systemctls_answers(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    ask = "systemctl is-{0} app.service; echo $?"
    assert execute.sh(line, ask.format("active")).out == "inactive\n3\n"
    assert execute.sh(line, ask.format("enabled")).out == "disabled\n1\n"
    assert execute.sh(line, "systemctl enable --quiet app.service; systemctl start app").code == 0
    assert execute.sh(line, ask.format("active")).out == "active\n0\n"
    assert execute.sh(line, ask.format("enabled")).out == "enabled\n0\n"
    assert execute.sh(line, ask.format("failed")).out == "active\n1\n"
    assert execute.sh(line, "systemctl show -p MainPID,Nonsense,NRestarts app").out.endswith(
        "\nNRestarts=0\n"
    )
    assert execute.sh(line, "systemctl show -p ActiveState --value app").out == "active\n"
    assert execute.sh(line, "systemctl show -p LoadState x").out == "LoadState=not-found\n"
    assert "ExecStart=/bin/sh" in execute.sh(line, "systemctl cat app.service").out


@pytest.mark.parametrize(
    "command", ["systemctl mask app", "systemctl --user start app", "journalctl --vacuum-size=1"]
)
def test_what_a_standin_does_not_know_it_says(line: Connection, command: str):
    ended = execute.sh(line, command)
    assert (ended.code, "the sandbox's" in ended.err) == (1, True)


def test_the_journal_is_kept_by_invocation(sandbox: Sandbox, line: Connection):
    service(sandbox, 'echo "said $$GREETING as $$$$"; exec sleep 300')
    execute.sh(line, "systemctl start app.service")
    first = shown(line)
    execute.sh(line, "systemctl restart app.service")
    second = shown(line)
    said = {
        run["InvocationID"]: f"said hello there as {run['MainPID']}\n" for run in (first, second)
    }

    def kept(invocation: str) -> str:
        script = f"journalctl -q -o cat -n 5 _SYSTEMD_INVOCATION_ID={invocation}"
        return execute.sh(line, script).out

    until(lambda: {invocation: kept(invocation) for invocation in said} == said)
    short = execute.sh(line, "journalctl --no-pager -u app.service -n 1 -o short-iso").out
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000 sandbox app\[\d+\]: said hello there as \d+\n"
    assert re.fullmatch(stamp, short)
    assert execute.sh(line, "journalctl -u other").out == "-- No entries --\n"


def test_the_journal_can_be_followed_until_the_line_drops(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    pids, fifo = tmp_path / "pid", tmp_path / "fifo"
    os.mkfifo(fifo)
    service(sandbox, f"cat {fifo}; exec sleep 300")
    execute.sh(line, "systemctl start app.service")
    other = connect(sandbox)
    script = f"echo $$ >{pids}; exec journalctl -f -o cat -u app"
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(execute.Held, other, script)  # it waits for a line "held"
        fifo.write_text("held\n")
        assert following.result(20).held
    pid = int(pids.read_text())
    assert alive(pid)
    other.close()
    until(lambda: not alive(pid))


def test_a_transient_unit_is_a_mutex_and_outlives_the_connection(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    script, go = tmp_path / "activate", tmp_path / "go"
    script.write_text(
        f'#!/bin/sh\nwhile [ ! -e {go} ]; do sleep 0.05; done\necho "$USER" >$0.done\n'
    )
    script.chmod(0o755)
    options = "--collect --quiet --uid=deploy --service-type=exec --unit=one"
    run = f"/usr/bin/systemd-run {options} {script}"
    allow(sandbox, run)
    assert execute.sh(line, f"sudo -n {run}").code == 0
    again = execute.sh(line, f"sudo -n {run}")
    assert again.code == 1
    assert "Unit one.service was already loaded or has a fragment file." in again.err
    assert execute.sh(line, "systemctl is-active --quiet one.service").code == 0
    line.close()
    go.touch()
    done = Path(f"{script}.done")
    until(lambda: done.exists() and done.read_text() == "deploy\n")
    line = connect(sandbox)
    until(lambda: shown(line, "one")["LoadState"] == "not-found")
    assert execute.sh(line, f"sudo -n {run}").code == 0
    line.close()


def test_of_many_simultaneous_transient_units_one_starts(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    script = tmp_path / "activate"
    script.write_text(f"#!/bin/sh\necho started >>{tmp_path}/log\nexec sleep 300\n")
    script.chmod(0o755)
    run = f"systemd-run --collect --quiet --unit=one {script}"
    one_by_one = "".join(f"{run} & p{n}=$!\n" for n in range(8))
    codes = "".join(f"wait $p{n}; echo $?\n" for n in range(8))
    ended = execute.sh(line, one_by_one + codes)
    assert sorted(ended.out.split()) == ["0"] + ["1"] * 7
    until(lambda: (tmp_path / "log").exists())
    assert (tmp_path / "log").read_text() == "started\n"


def test_what_a_transient_unit_starts_by_systemctl_is_not_part_of_it(
    sandbox: Sandbox, line: Connection, tmp_path: Path
):
    service(sandbox, "exec sleep 300")
    script = tmp_path / "activate"
    script.write_text("#!/bin/sh\nsystemctl start app.service\n")
    script.chmod(0o755)
    assert execute.sh(line, f"systemd-run --collect --quiet --unit=one {script}").code == 0
    until(lambda: shown(line)["ActiveState"] == "active")
    until(lambda: shown(line, "one")["LoadState"] == "not-found")
    first = main_pid(line)
    assert alive(first)
    os.kill(first, signal.SIGKILL)  # what would restart it is alive as well
    until(lambda: shown(line)["NRestarts"] == "1")


def test_sudo_runs_what_its_file_says_word_for_word(sandbox: Sandbox, line: Connection):
    service(sandbox, "exec sleep 300")
    allow(sandbox, "/usr/bin/systemctl start app.service")
    assert execute.sh(line, "sudo -n /usr/bin/systemctl start app.service").code == 0
    for refused in (
        "systemctl start app.service",
        "/usr/bin/systemctl start app",
        "/usr/bin/systemctl stop app.service",
        "id",
    ):
        ended = execute.sh(line, f"sudo -n {refused}")
        assert (ended.code, "a password is required" in ended.err) == (1, True)
    assert shown(line)["ActiveState"] == "active"


def test_accounts_are_remembered(line: Connection):
    assert execute.sh(line, "getent passwd somebody").code == 2
    assert execute.sh(line, "useradd --system --user-group --shell /bin/sh somebody").code == 0
    assert execute.sh(line, "getent passwd somebody").out.startswith("somebody:x:")
    assert execute.sh(line, "getent group somebody").code == 0
    assert execute.sh(line, "useradd somebody").code == 9
    assert execute.sh(line, "groupadd others && getent group others").code == 0
    assert execute.sh(line, "getent passwd others").code == 2


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("# fine\ndeploy ALL=(root) NOPASSWD: /usr/bin/systemctl stop x\n", 0),
        ("deploy ALL=(root) NOPASSWD: systemctl\n", 1),
        ("nonsense\n", 1),
    ],
)
def test_visudo_looks_at_the_lines(line: Connection, tmp_path: Path, text: str, code: int):
    (tmp_path / "rules").write_text(text)
    assert execute.sh(line, f"visudo -cqf {tmp_path}/rules").code == code


def test_visudo_refuses_a_file_that_is_not_there(line: Connection):
    assert execute.sh(line, "visudo -cf /nowhere/rules").code == 1
