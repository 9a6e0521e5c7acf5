"""Sandbox stand-in for systemctl. NOT systemd; see host.py.

It knows what deploys and their tests ask of systemctl, and says so when asked for more.
"""

import getopt
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from pipeline.sandbox.standins import unitfile, units

_LONG = ["property=", "value", "quiet", "no-pager", "now", "no-ask-password", "version"]
_NOT_RUNNING = 3
_NO_SUCH_UNIT = 5


def main(argv: list[str]) -> int:
    """Do what systemctl would; return its exit code."""
    try:
        given, words = getopt.gnu_getopt(argv, "p:q", _LONG)
    except getopt.GetoptError as error:
        print(f"the sandbox's systemctl: {error}", file=sys.stderr)
        return 1
    options = [name for name, _ in given]
    quiet = "-q" in options or "--quiet" in options
    if "--version" in options:
        print("systemd 252 (the sandbox's stand-in)")
        return 0
    verb, *names = words or [""]
    if verb == "daemon-reload":
        return 0
    if verb == "is-system-running":
        print("running")
        return 0
    if verb == "show":
        wanted = ",".join(value for name, value in given if name in ("-p", "--property"))
        return _show(names, wanted, value_only="--value" in options)
    verbs: dict[str, Callable[[str], int]] = {
        "start": start,
        "stop": stop,
        "restart": _restart,
        "reset-failed": _reset_failed,
        "enable": lambda unit: _enable(unit, "enabled"),
        "disable": lambda unit: _enable(unit, "disabled"),
        "cat": _cat,
        "is-active": lambda unit: _ask(unit, "ActiveState", "active", _NOT_RUNNING, quiet),
        "is-failed": lambda unit: _ask(unit, "ActiveState", "failed", 1, quiet),
        "is-enabled": lambda unit: _ask(unit, "UnitFileState", "enabled", 1, quiet),
    }
    if verb not in verbs or not names:
        print(f"the sandbox's systemctl does not know `{' '.join(argv)}`", file=sys.stderr)
        return 1
    return max(verbs[verb](units.bare(name)) for name in names)


def start(unit: str) -> int:
    """Start a unit and wait until that is decided; 0, 1 or 5 as systemctl."""
    config = units.load(unit)
    if config is None:
        _say(f"Failed to start {unit}.service: Unit {unit}.service not found.")
        return _NO_SUCH_UNIT
    if not all(os.path.exists(path) for path in config.get("ConditionPathExists", [])):
        return 0
    lock = units.hold(unit)
    if lock is None:
        if unitfile.last(config, "Type") != "oneshot":
            return 0
        _wait(unit)
        failed = units.read(unit)["Result"] != "success"
    else:
        # Not needed by what only reads; half of the time that this program takes.
        from pipeline.sandbox.standins.launch import launch

        failed = launch(unit, lock) == "failed"
    if failed:
        _say(
            f"Job for {unit}.service failed because the control process exited with error code.\n"
            f'See "systemctl status {unit}.service" and "journalctl -xeu {unit}.service" '
            "for details."
        )
    return int(failed)


def stop(unit: str) -> int:
    """Stop a unit and wait for its end; a unit that does not run is stopped already."""
    if not units.known(unit):
        _say(f"Failed to stop {unit}.service: Unit {unit}.service not loaded.")
        return _NO_SUCH_UNIT
    asked = 0
    while (lock := units.hold(unit)) is None:
        supervisor = units.read(unit)["supervisor"]
        if supervisor and supervisor != asked:
            with suppress(ProcessLookupError):
                os.kill(supervisor, signal.SIGTERM)
            asked = supervisor
        time.sleep(0.01)
    os.close(lock)
    return 0


def _restart(unit: str) -> int:
    if units.load(unit) is not None:
        stop(unit)
    return start(unit)


def _wait(unit: str) -> None:
    while (lock := units.hold(unit)) is None:
        time.sleep(0.01)
    os.close(lock)


def _reset_failed(unit: str) -> int:
    with units.changing(unit) as state:
        state.update(NRestarts=0, starts=[], Result="success")
        if state["ActiveState"] == "failed":
            state.update(ActiveState="inactive", SubState="dead")
    return 0


def _enable(unit: str, word: str) -> int:
    if units.load(unit) is None:
        _say(f"Failed to {word.removesuffix('d')} unit: Unit file {unit}.service does not exist.")
        return 1
    units.change(unit, UnitFileState=word)
    return 0


def _cat(unit: str) -> int:
    if units.load(unit) is None:
        _say(f"No files found for {unit}.service.")
        return 1
    with open(units.path(unit), encoding="utf-8") as file:
        print(f"# {units.path(unit)}\n{file.read()}", end="")
    return 0


def _ask(unit: str, key: str, good: str, otherwise: int, quiet: bool) -> int:
    found = units.read(unit)[key]
    if not quiet:
        print(found)
    return 0 if found == good else otherwise


def _show(names: list[str], wanted: str, *, value_only: bool) -> int:
    """Print properties; like systemctl, nothing at all for one that there is not.

    Between two units stands an empty line.
    """
    for number, unit in enumerate(names):
        if number:
            print()
        load = "loaded" if units.known(unit) else "not-found"
        values = {"Id": f"{units.bare(unit)}.service", "LoadState": load, **units.read(unit)}
        for key in ("supervisor", "starts"):  # ours, not systemd's
            del values[key]
        for key in wanted.split(",") if wanted else values:
            if key in values:
                print(values[key] if value_only else f"{key}={values[key]}")
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr)
