"""Sandbox stand-in for systemctl, systemd-run and journalctl. NOT systemd; see host.py.

It knows what a deploy asks of systemd: services with Restart=, oneshots, one transient unit,
invocation ids, and a journal that is one file per invocation. Run under the name it stands for.
"""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

ROOT = os.environ["QUSTO_SANDBOX"]
UNITS = f"{ROOT}/host/etc/systemd/system"
STATES = f"{ROOT}/state"
JOURNAL = f"{ROOT}/journal"
BLANK: dict[str, Any] = {
    "ActiveState": "inactive",
    "SubState": "dead",
    "MainPID": 0,
    "InvocationID": "",
    "NRestarts": 0,
    "ActiveEnterTimestamp": "",
    "supervisor": 0,
}
STOP_SECONDS = 60


def main() -> int:
    # systemd starts its children with default signals; ours would inherit what the caller ignores.
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    name = os.path.basename(sys.argv[0])
    words = sys.argv[1:]
    if name == "systemd-run":
        return run_transient(words)
    if name == "journalctl":
        return show_journal(words)
    verb, *rest = [word for word in words if not word.startswith("-")]
    options = [word for word in words if word.startswith("-")]
    if verb == "show":
        return show(words)
    if verb in ("daemon-reload",):
        return 0
    if verb == "is-system-running":
        print("running")
        return 0
    unit = rest[-1] if rest else ""
    verbs: dict[str, Callable[[str], int]] = {
        "start": start,
        "stop": stop,
        "restart": lambda unit: stop(unit) or start(unit),
        "reset-failed": reset_failed,
        "kill": tell_to_end,
        "enable": lambda unit: write_state(unit, {**state(unit), "enabled": True}),
    }
    questions: dict[str, Callable[[dict[str, Any]], bool]] = {
        "is-active": lambda s: s["ActiveState"] == "active",
        "is-failed": lambda s: s["ActiveState"] == "failed",
        "is-enabled": lambda s: bool(s.get("enabled")),
    }
    if verb in questions:
        found = state(unit)
        if "--quiet" not in options and "-q" not in options:
            print(found["ActiveState"])
        return 0 if questions[verb](found) else 3
    if verb not in verbs:
        print(f"the sandbox's systemctl does not know {verb!r}", file=sys.stderr)
        return 1
    return verbs[verb](unit) or 0


def state(unit: str) -> dict[str, Any]:
    try:
        with open(f"{STATES}/{bare(unit)}.json") as file:
            return {**BLANK, **json.load(file)}
    except FileNotFoundError:
        return dict(BLANK)


def write_state(unit: str, values: dict[str, Any]) -> int:
    path = f"{STATES}/{bare(unit)}.json"
    with open(f"{path}.{os.getpid()}", "w") as file:
        json.dump(values, file)
    os.replace(f"{path}.{os.getpid()}", path)
    return 0


def bare(unit: str) -> str:
    return unit.removesuffix(".service")


def settings(unit: str) -> dict[str, list[str]] | None:
    """Return the unit file's assignments, or None for a unit that is not there."""
    try:
        with open(f"{UNITS}/{bare(unit)}.service") as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    found: dict[str, list[str]] = {}
    for line in lines:
        if "=" in line and not line.startswith(("#", "[")):
            key, _, value = line.partition("=")
            found.setdefault(key, []).append(value)
    return found


def start(unit: str) -> int:
    unit = bare(unit)
    config = settings(unit)
    if config is None:
        print(f"Failed to start {unit}.service: Unit {unit}.service not found.", file=sys.stderr)
        return 5
    if state(unit)["ActiveState"] == "active":
        return 0
    for path in config.get("ConditionPathExists", []):
        if not os.path.exists(path):
            return 0
    if config.get("Type") == ["oneshot"]:
        invocation = uuid.uuid4().hex
        write_state(unit, {**state(unit), "InvocationID": invocation})
        if spawn(unit, config, invocation).wait() == 0:
            return 0
        print(
            f"Job for {unit}.service failed because the control process exited with error code.",
            file=sys.stderr,
        )
        return 1
    detach(lambda: supervise(unit, config))
    limit = time.monotonic() + 10
    while state(unit)["ActiveState"] not in ("active", "failed") and time.monotonic() < limit:
        time.sleep(0.01)
    return 0 if state(unit)["ActiveState"] == "active" else 1


def stop(unit: str) -> int:
    unit = bare(unit)
    found = state(unit)
    if not alive(found["supervisor"]):
        write_state(unit, {**found, "ActiveState": "inactive", "SubState": "dead", "MainPID": 0})
        return 0
    open(f"{STATES}/{unit}.stop", "w").close()  # the supervisor looks for it
    while alive(found["supervisor"]):
        time.sleep(0.01)
    os.unlink(f"{STATES}/{unit}.stop")
    return 0


def tell_to_end(unit: str) -> int:
    """Send TERM to the main process: the only signal that a deploy sends."""
    pid = state(unit)["MainPID"]
    if alive(pid):
        os.kill(pid, signal.SIGTERM)
    return 0


def reset_failed(unit: str) -> int:
    found = state(unit)
    if found["ActiveState"] == "failed":
        found.update(ActiveState="inactive", SubState="dead")
    return write_state(unit, {**found, "NRestarts": 0})


def supervise(unit: str, config: dict[str, list[str]]) -> None:
    """Run the service until it is stopped, restarting it as its unit says."""
    restart = config.get("Restart", ["no"])[-1]
    pause = float(config.get("RestartSec", ["0.1"])[-1])
    restarts = 0
    while True:
        invocation = uuid.uuid4().hex
        child = spawn(unit, config, invocation)
        active = {
            "ActiveState": "active",
            "SubState": "running",
            "MainPID": child.pid,
            "InvocationID": invocation,
            "NRestarts": restarts,
            "ActiveEnterTimestamp": time.strftime("%a %Y-%m-%d %H:%M:%S UTC", time.gmtime()),
            "supervisor": os.getpid(),
        }
        write_state(unit, {**state(unit), **active})
        code = wait_or_kill(child, f"{STATES}/{unit}.stop")
        ended = {**state(unit), "MainPID": 0}
        if os.path.exists(f"{STATES}/{unit}.stop"):
            write_state(unit, {**ended, "ActiveState": "inactive", "SubState": "dead"})
            return
        if restart == "no" or (restart == "on-failure" and code == 0):
            word = "failed" if code else "inactive"
            write_state(unit, {**ended, "ActiveState": word, "SubState": "dead"})
            return
        restarts += 1
        ended.update(ActiveState="activating", SubState="auto-restart", NRestarts=restarts)
        write_state(unit, ended)
        limit = time.monotonic() + pause
        while time.monotonic() < limit:
            if os.path.exists(f"{STATES}/{unit}.stop"):
                write_state(unit, {**ended, "ActiveState": "inactive", "SubState": "dead"})
                return
            time.sleep(0.02)


def wait_or_kill(child: subprocess.Popen[bytes], stop_file: str) -> int:
    """Wait for the main process; KILL its group once it ended, or was asked to for too long."""
    asked = 0.0
    while child.poll() is None:
        if not asked and os.path.exists(stop_file):
            asked = time.monotonic()
            child.send_signal(signal.SIGTERM)
        if asked and time.monotonic() - asked > STOP_SECONDS:
            child.kill()
        time.sleep(0.01)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    return child.returncode


def spawn(unit: str, config: dict[str, list[str]], invocation: str) -> subprocess.Popen[bytes]:
    environ = {"PATH": os.environ["PATH"], "QUSTO_SANDBOX": ROOT}
    for line in config.get("Environment", []):
        environ.update(_pair(word) for word in shlex.split(line))
    for path in config.get("EnvironmentFile", []):
        with open(path) as file:
            for line in file.read().splitlines():
                if "=" in line and not line.startswith(("#", ";")):
                    key, _, value = line.partition("=")
                    environ[key] = value.strip("\"'")
    for key, base in (("RuntimeDirectory", "run"), ("StateDirectory", "var/lib")):
        for name in config.get(key, []):
            os.makedirs(f"{ROOT}/host/{base}/{name}", exist_ok=True)
    argv = shlex.split(config["ExecStart"][-1].replace("$$", "$"))
    os.makedirs(f"{JOURNAL}/{unit}", exist_ok=True)
    output = open(f"{JOURNAL}/{unit}/{time.time_ns()}-{invocation}", "wb")
    try:
        return subprocess.Popen(
            argv,
            cwd=config.get("WorkingDirectory", ["/"])[-1],
            env={**environ, "INVOCATION_ID": invocation},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        output.write(f"{error}\n".encode())
        return subprocess.Popen(["false"])


def _pair(word: str) -> tuple[str, str]:
    key, _, value = word.partition("=")
    return key, value


def run_transient(words: list[str]) -> int:
    unit = next(word.split("=", 1)[1] for word in words if word.startswith("--unit="))
    command = next(word for word in words if not word.startswith("-"))
    if alive(state(unit)["supervisor"]):
        print(
            f"Failed to start transient service unit: Unit {unit}.service was already loaded.",
            file=sys.stderr,
        )
        return 1
    detach(lambda: supervise(unit, {"ExecStart": [shlex.quote(command)]}))
    limit = time.monotonic() + 5
    while not alive(state(unit)["supervisor"]) and time.monotonic() < limit:
        time.sleep(0.01)
    return 0


def show(words: list[str]) -> int:
    wanted = words[words.index("-p") + 1].split(",")
    unit = [word for word in words if word.endswith(".service")][-1]
    known = settings(unit) is not None or state(unit)["supervisor"]
    values = {**state(unit), "LoadState": "loaded" if known else "not-found"}
    for key in wanted:
        print(values[key] if "--value" in words else f"{key}={values[key]}")
    return 0


def show_journal(words: list[str]) -> int:
    count = int(words[words.index("-n") + 1]) if "-n" in words else 1000
    invocation = next((w.split("=", 1)[1] for w in words if w.startswith("_SYSTEMD_INVO")), "")
    unit = bare(words[words.index("-u") + 1]) if "-u" in words else ""
    lines: list[str] = []
    for directory in [unit] if unit else sorted(os.listdir(JOURNAL)):
        for name in sorted(os.listdir(f"{JOURNAL}/{directory}")):
            if name.endswith(invocation):
                with open(f"{JOURNAL}/{directory}/{name}", errors="replace") as file:
                    lines += file.read().splitlines()
    print("\n".join(lines[-count:]))
    return 0


def alive(pid: int) -> bool:
    """Tell whether the process runs; one that ended and was not waited for yet does not."""
    if not pid:
        return False
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def detach(work: Callable[[], None]) -> None:
    """Run `work` in a process that outlives us, in a session of its own."""
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.closerange(3, 256)
    try:
        work()
    finally:
        os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
