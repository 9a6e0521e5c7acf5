"""The stand-in for what PID 1 does for one running unit. NOT systemd; see host.py.

    supervisor UNIT LOCK READY [USER COMMAND…]

LOCK is a descriptor that holds the unit's lock; it is freed by our end. On READY one word is
written when the start is decided: `active`, `done` (a oneshot) or `failed`. With a COMMAND the
unit is transient. SIGTERM asks for the stop. Everything of an invocation carries its INVOCATION_ID,
which takes the place of the control group.
"""

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from contextlib import suppress

from pipeline.sandbox.standins import journal, unitfile, units

WATCHED = {signal.SIGTERM, signal.SIGCHLD}
CLEAN_SIGNALS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
EXEC_FAILED = 203
"""What systemd reports for a program that could not be executed (systemd.exec(5))."""
_FOREVER = 3600.0


class Ready:
    """The line to the program that asked for the start; it can be told one thing, once."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def tell(self, word: str) -> None:
        """Say how the start went; whoever asked may have gone."""
        if self._descriptor:
            with suppress(BrokenPipeError):
                os.write(self._descriptor, word.encode())
            os.close(self._descriptor)
            self._descriptor = 0


def main(argv: list[str]) -> int:
    """Supervise one unit until it has ended for good."""
    unit, _lock, ready, *transient = argv
    signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    for number in WATCHED:
        signal.signal(number, signal.SIG_DFL)
    units.change(unit, supervisor=os.getpid())
    if transient:
        user, *command = transient
        environment = f"USER={user} HOME={shlex.quote(units.HOST)}/home/{user}"
        config = {"Environment": [environment], "ExecStart": [shlex.join(command)]}
    else:
        config = units.load(unit) or {}
    told = Ready(int(ready))
    _supervise(unit, config, told)
    told.tell("failed")
    units.change(unit, supervisor=0)
    if transient:
        units.forget(unit)
    return 0


def _supervise(unit: str, config: unitfile.Assignments, told: Ready) -> None:
    restarts = 0
    while _may_start(unit, config):
        stopped, code, killed = _run(unit, config, told, restarts)
        fine = code == 0 or (code < 0 and -code in CLEAN_SIGNALS)
        result = "timeout" if killed else "success" if fine or stopped else "exit-code"
        ended = {"MainPID": 0, "ExecMainStatus": abs(code), "Result": result}
        policy = unitfile.last(config, "Restart", "no")
        if stopped or policy == "no" or (policy == "on-failure" and fine):
            state = "inactive" if result == "success" else "failed"
            units.change(
                unit, **ended, ActiveState=state, SubState=state.replace("inactive", "dead")
            )
            told.tell("done" if result == "success" else "failed")
            return
        told.tell("failed")
        restarts += 1
        ended |= {"ActiveState": "activating", "SubState": "auto-restart", "NRestarts": restarts}
        units.change(unit, **ended)
        pause = unitfile.seconds(unitfile.last(config, "RestartSec", "100ms"))
        if _asked_to_stop(pause):
            units.change(unit, ActiveState="inactive", SubState="dead")
            return


def _may_start(unit: str, config: unitfile.Assignments) -> bool:
    """Count this start; False if there were too many (StartLimitBurst= in systemd.unit(5))."""
    burst = int(unitfile.last(config, "StartLimitBurst", "5"))
    interval = unitfile.seconds(unitfile.last(config, "StartLimitIntervalSec", "10"))
    now = time.monotonic()
    with units.changing(unit) as state:
        recent = [at for at in state["starts"] if now - at < interval]
        if interval and len(recent) >= burst:
            state.update(ActiveState="failed", SubState="failed", Result="start-limit-hit")
            return False
        state["starts"] = [*recent, now]
    return True


def _run(
    unit: str, config: unitfile.Assignments, told: Ready, restarts: int
) -> tuple[bool, int, bool]:
    """Run the main process to its end.

    Return whether we were asked to stop it, its exit code (negative: the signal that ended it),
    and whether it had to be killed.
    """
    invocation = os.urandom(16).hex()
    oneshot = unitfile.last(config, "Type") == "oneshot"
    state = {"InvocationID": invocation, "NRestarts": restarts}
    try:
        child = _spawn(config, invocation)
    except OSError as error:
        units.change(unit, **state)
        journal.write(unit, invocation, os.getpid(), f"Failed to execute: {error}")
        return False, EXEC_FAILED, False
    writer = threading.Thread(target=_keep, args=(unit, invocation, child), daemon=True)
    writer.start()
    state |= {
        "ActiveState": "activating" if oneshot else "active",
        "SubState": "start" if oneshot else "running",
        "MainPID": child.pid,
        "ActiveEnterTimestamp": time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime()),
    }
    units.change(unit, **state)
    if not oneshot:
        told.tell("active")
    stop_seconds = unitfile.seconds(unitfile.last(config, "TimeoutStopSec", "90"))
    stopped, killed = _attend(child, stop_seconds)
    _kill_rest(invocation)
    writer.join(2)
    _remove_runtime_directories(config)
    return stopped, child.returncode, killed


def _attend(child: "subprocess.Popen[bytes]", stop_seconds: float) -> tuple[bool, bool]:
    """Wait for the main process; return whether it was asked to stop, and had to be killed."""
    deadline = 0.0
    killed = False
    while child.poll() is None:
        left = max(0.0, deadline - time.monotonic()) if deadline and not killed else _FOREVER
        got = signal.sigtimedwait(WATCHED, left)
        if got is None and deadline:
            killed = True
            child.kill()
        elif got is not None and got.si_signo == signal.SIGTERM and not deadline:
            deadline = time.monotonic() + stop_seconds
            child.terminate()
    return bool(deadline), killed


def _asked_to_stop(seconds: float) -> bool:
    """Wait that long for a SIGTERM."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        got = signal.sigtimedwait({signal.SIGTERM}, left)
        if got is not None:
            return True
    return False


def _kill_rest(invocation: str) -> None:
    """KILL what the main process left behind (KillMode=mixed in systemd.kill(5))."""
    mark = f"\0INVOCATION_ID={invocation}\0".encode()
    found = True
    while found:
        found = False
        for entry in os.listdir("/proc"):
            # A process may end while we look at it, or belong to someone else.
            with suppress(OSError):
                if entry.isdigit() and mark in b"\0%b\0" % _environ(entry):
                    os.kill(int(entry), signal.SIGKILL)
                    found = True
        time.sleep(0.005 if found else 0)


def _environ(pid: str) -> bytes:
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


def _spawn(config: unitfile.Assignments, invocation: str) -> "subprocess.Popen[bytes]":
    environ = units.inherited()
    for line in config.get("Environment", []):
        environ |= unitfile.pairs(line)
    for path in config.get("EnvironmentFile", []):
        if not path.startswith("-") or os.path.exists(path[1:]):
            with open(path.removeprefix("-"), encoding="utf-8") as file:
                environ |= unitfile.environment_file(file.read())
    for base, key in (("run", "RuntimeDirectory"), ("var/lib", "StateDirectory")):
        for name in " ".join(config.get(key, [])).split():
            os.makedirs(f"{units.HOST}/{base}/{name}", exist_ok=True)
    return subprocess.Popen(
        unitfile.words(unitfile.last(config, "ExecStart")),
        cwd=unitfile.last(config, "WorkingDirectory", "/"),
        env={**environ, "INVOCATION_ID": invocation},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_default_signals,
    )


def _default_signals() -> None:
    """Give the service what PID 1 would: nothing blocked and nothing ignored."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with suppress(OSError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _keep(unit: str, invocation: str, child: "subprocess.Popen[bytes]") -> None:
    for line in child.stdout or ():
        journal.write(unit, invocation, child.pid, line.decode("utf-8", "replace").rstrip("\r\n"))


def _remove_runtime_directories(config: unitfile.Assignments) -> None:
    if unitfile.last(config, "RuntimeDirectoryPreserve", "no") == "no":
        for name in " ".join(config.get("RuntimeDirectory", [])).split():
            shutil.rmtree(f"{units.HOST}/run/{name}", ignore_errors=True)
