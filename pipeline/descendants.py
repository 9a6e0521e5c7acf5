"""Finding and ending everything a child process left behind, wherever it moved to.

A process group is not enough: a BEAM's erl_child_setup leads a session of its own and puts every
port program into a further one (measured on OTP 25), and what such a program leaves behind is
re-parented to init. So each child carries a marker in its environment, which its descendants
inherit. Where there is no /proc (macOS), the process group is all that can be reached.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.marker import PREFIX

PROC = Path("/proc")

# epmd serves every BEAM of the machine and outlives the one that started it on purpose.
_SHARED = frozenset({"epmd"})

_CHILD_SETUP = "erl_child_setup"

# The guard reads from a pipe that only we hold open. A line means all is well; end of file means
# that we died without a word, and then it ends whatever carries this run's markers.
_GUARD = """
IFS= read -r word && exit 0
for signal in QUIT TERM KILL; do
    pids=$(grep -lzs "^$0" /proc/[0-9]*/environ | cut -d/ -f3)
    [ -n "$pids" ] || exit 0
    for pid in $pids; do
        [ "$signal" != KILL ] && grep -qsx erl_child_setup "/proc/$pid/comm" && continue
        kill -s "$signal" "$pid" 2>/dev/null
    done
    sleep 1
done
"""


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    group: int
    name: str
    marked: bool


def living(marker: str, group: int) -> list[int]:
    """Return the pids that carry `marker` or belong to `group`, and all below them; no zombies."""
    if not PROC.is_dir():
        return [group] if _answers(group) else []
    table = list(_processes(f"{marker}=".encode()))
    found = {p.pid for p in table if p.marked or p.group == group}
    grown = True
    while grown:
        more = {p.pid for p in table if p.parent in found} - found
        found |= more
        grown = bool(more)
    return sorted(found)


def leftovers(marker: str, group: int) -> list[int]:
    """Return what should have ended with its leader: `living` without machine-wide services."""
    return [pid for pid in living(marker, group) if _name(pid) not in _SHARED]


def ask_to_end(pids: Sequence[int], number: signal.Signals, group: int) -> None:
    """Send the signal to those of the pids that see to the end of the others.

    That is the group as long as it has members. Never erl_child_setup: without it a BEAM aborts
    with a crash dump ("erl_child_setup closed") instead of doing what the signal asks for.
    """
    polite = [pid for pid in pids if _name(pid) != _CHILD_SETUP]
    send([pid for pid in polite if _group(pid) == group] or polite, number, group)


def send(pids: Iterable[int], number: signal.Signals, group: int) -> None:
    """Send the signal to each pid; to the whole group where single pids are not known."""
    if not PROC.is_dir():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)
        return
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


@contextmanager
def guarded() -> Iterator[None]:
    """See to it that this run's children end even if this process is killed by SIGKILL.

    One small shell waits beside us. Without /proc there is nothing it could search: no guard.
    """
    if not PROC.is_dir():
        yield
        return
    reading, writing = os.pipe()
    try:
        guard = subprocess.Popen(
            ["/bin/sh", "-c", _GUARD, PREFIX],
            env={"PATH": f"{os.defpath}:{os.environ.get('PATH', '')}"},
            stdin=reading,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(reading)
    try:
        yield
    finally:
        with suppress(BrokenPipeError):
            os.write(writing, b"done\n")
        os.close(writing)
        guard.wait()


def _processes(marker: bytes) -> Iterator[_Process]:
    for entry in os.scandir(PROC):
        if not entry.name.isdigit():
            continue
        # A process may end between any two of these reads, or belong to someone else.
        with suppress(OSError):
            stat = Path(entry.path, "stat").read_text("utf-8", "replace")
            name, _, rest = stat.partition("(")[2].rpartition(")")
            state, parent, group = rest.split()[:3]
            if state in "ZX":
                continue
            environ = b""
            with suppress(PermissionError):
                environ = Path(entry.path, "environ").read_bytes()
            marked = environ.startswith(marker) or b"\0" + marker in environ
            yield _Process(int(entry.name), int(parent), int(group), name, marked)


def _name(pid: int) -> str:
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text("utf-8", "replace").strip()
    return ""


def _group(pid: int) -> int:
    with suppress(ProcessLookupError, PermissionError):
        return os.getpgid(pid)
    return 0


def _answers(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
