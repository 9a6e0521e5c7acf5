"""Reading what a program prints, in memory that does not grow with it."""

import asyncio
import mmap
import os
from contextlib import suppress

from pipeline.output import GAP, HEAD, TAIL

_AT_ONCE = 64 * 1024

_DRAIN = 1.0
"""Seconds to read on after the child is gone, should someone else hold its output open."""


class Capture:
    """What comes out of a pipe, bounded in memory: the head, the tail and the size between."""

    def __init__(self, descriptor: int, mark: bytes = b"", times: int = 1) -> None:
        """Begin to read; with `mark`, `reached` is set when that has come `times` times."""
        self.reached = asyncio.Event()
        self._mark = mark
        self._marks_left = times
        self._seam = b""
        self._descriptor = descriptor
        # The head, then a ring for the tail. Pages nobody has written to take no memory.
        self._kept = mmap.mmap(-1, HEAD + TAIL)
        self._size = 0
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    async def finish(self) -> None:
        """Wait for the end of the output, for at most `_DRAIN` seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _DRAIN)

    def close(self) -> str:
        """Stop reading and return what was kept, with a line that says how much was not.

        The descriptor stays open.
        """
        self._loop.remove_reader(self._descriptor)
        with self._kept as kept:
            if self._size <= HEAD + TAIL:
                return kept[: self._size].decode("utf-8", "replace")
            oldest = HEAD + (self._size - HEAD) % TAIL
            head = kept[:HEAD].decode("utf-8", "replace")
            tail = (kept[oldest:] + kept[HEAD:oldest]).decode("utf-8", "replace")
        return f"{head}{GAP.format(f'{self._size - HEAD - TAIL:,}')}{tail}"

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _AT_ONCE)
        except BlockingIOError:
            return
        if not data:
            self._loop.remove_reader(self._descriptor)
            self._ended.set()
            return
        if self._mark:
            self._look_for_mark(data)
        while data:
            at, room = self._place()
            part, data = data[:room], data[room:]
            self._kept[at : at + len(part)] = part
            self._size += len(part)

    def _place(self) -> tuple[int, int]:
        """Return where the next byte goes, and how many may follow it there."""
        if self._size < HEAD:
            return self._size, HEAD - self._size
        offset = (self._size - HEAD) % TAIL
        return HEAD + offset, TAIL - offset

    def _look_for_mark(self, data: bytes) -> None:
        seen = self._seam + data
        self._marks_left -= seen.count(self._mark)
        # One byte less than the mark: what was counted is not counted again.
        self._seam = seen[max(0, len(seen) - len(self._mark) + 1) :]
        if self._marks_left <= 0:
            self.reached.set()
