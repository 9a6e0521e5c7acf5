"""The journal of the sandbox: one file a unit, one line an entry."""

import os
import time
from collections.abc import Iterator

from pipeline.sandbox.standins import units

DIRECTORY = f"{units.ROOT}/journal"


def write(unit: str, invocation: str, pid: int, text: str) -> None:
    """Append one line: seconds since the epoch, invocation, pid, text."""
    line = f"{time.time():.6f} {invocation} {pid} {text}\n"
    with open(f"{DIRECTORY}/{units.bare(unit)}", "ab", buffering=0) as file:
        file.write(line.encode())


def read(unit: str, invocation: str, past: dict[str, int]) -> Iterator[tuple[float, str, str, str]]:
    """Yield (time, unit, pid, text) of what came after the positions `past`, which move on.

    Empty `unit` or `invocation` stand for every one.
    """
    names = [units.bare(unit)] if unit else sorted(os.listdir(DIRECTORY))
    for name in names:
        try:
            with open(f"{DIRECTORY}/{name}", "rb") as file:
                file.seek(past.get(name, 0))
                text = file.read()
        except FileNotFoundError:
            continue
        whole = text[: text.rfind(b"\n") + 1]
        past[name] = past.get(name, 0) + len(whole)
        for line in whole.decode("utf-8", "replace").split("\n")[:-1]:
            at, of, pid, said = line.split(" ", 3)
            if invocation in ("", of):
                yield float(at), name, pid, said
