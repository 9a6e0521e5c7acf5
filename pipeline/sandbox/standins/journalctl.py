"""Sandbox stand-in for journalctl. NOT systemd; see host.py.

Knows -u UNIT, -n N, -o cat|short-iso, -f, -q, --no-pager and (_SYSTEMD_)INVOCATION_ID=….
"""

import getopt
import os
import select
import sys
import time

from pipeline.sandbox.standins import journal

_SHORT = "u:n:o:fqeb"
_LONG = ["unit=", "lines=", "output=", "follow", "quiet", "no-pager", "pager-end", "boot"]
_POLL_MS = 100


def main(argv: list[str]) -> int:
    """Print the journal; exit 1 for an option that the stand-in does not know."""
    try:
        given, matches = getopt.gnu_getopt(argv, _SHORT, _LONG)
    except getopt.GetoptError as error:
        print(f"the sandbox's journalctl: {error}", file=sys.stderr)
        return 1
    options = dict(given)
    unit = options.get("-u", options.get("--unit", ""))
    follow = "-f" in options or "--follow" in options
    count = options.get("-n", options.get("--lines", "10" if follow else "all"))
    cat = options.get("-o", options.get("--output", "short")) == "cat"
    invocation = ""
    for match in matches:
        if match == "+":
            continue
        field, _, value = match.partition("=")
        if field not in ("_SYSTEMD_INVOCATION_ID", "INVOCATION_ID"):
            print(f"the sandbox's journalctl cannot match {match!r}", file=sys.stderr)
            return 1
        invocation = value
    past: dict[str, int] = {}
    entries = sorted(journal.read(unit, invocation, past))
    if count != "all":
        entries = entries[max(0, len(entries) - int(count)) :]
    _show(entries, cat)
    if not entries and "-q" not in options and "--quiet" not in options:
        print("-- No entries --")
    while follow and not _reader_gone():
        _show(sorted(journal.read(unit, invocation, past)), cat)
    return 0


def _show(entries: list[tuple[float, str, str, str]], cat: bool) -> None:
    try:
        for at, unit, pid, text in entries:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S+0000", time.gmtime(at))
            print(text if cat else f"{stamp} sandbox {unit}[{pid}]: {text}")
        sys.stdout.flush()
    except BrokenPipeError:
        os._exit(141)  # as SIGPIPE would end it


def _reader_gone() -> bool:
    """Wait a moment; True once nobody reads our output any more (journalctl looks for it too)."""
    poll = select.poll()
    poll.register(1, 0)
    return bool(poll.poll(_POLL_MS))
