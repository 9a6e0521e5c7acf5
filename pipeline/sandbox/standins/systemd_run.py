"""Sandbox stand-in for systemd-run. NOT systemd; see host.py.

Knows --unit=NAME (a mutex, as with systemd), --uid=USER, --collect, --quiet,
--service-type=exec, and passes over --property=; the unit outlives whoever started it.
"""

import getopt
import sys

from pipeline.sandbox.standins import units
from pipeline.sandbox.standins.launch import launch

_LONG = ["unit=", "uid=", "collect", "quiet", "service-type=", "property=", "no-ask-password"]


def main(argv: list[str]) -> int:
    """Start a transient unit; exit 0 once its program runs."""
    try:
        given, command = getopt.getopt(argv, "q", _LONG)
    except getopt.GetoptError as error:
        print(f"the sandbox's systemd-run: {error}", file=sys.stderr)
        return 1
    options = dict(given)
    if not command or not options.get("--unit"):
        print("the sandbox's systemd-run needs --unit=NAME and a command", file=sys.stderr)
        return 1
    unit = units.bare(options["--unit"])
    lock = units.hold(unit)
    if lock is None:
        print(
            f"Failed to start transient service unit: Unit {unit}.service was already loaded "
            "or has a fragment file.",
            file=sys.stderr,
        )
        return 1
    units.change(unit, starts=[])
    if launch(unit, lock, (options.get("--uid", "root"), *command)) == "failed":
        print(f"Job for {unit}.service failed.", file=sys.stderr)
        return 1
    if "--quiet" not in options and "-q" not in options:
        print(f"Running as unit: {unit}.service", file=sys.stderr)
    return 0
