"""Standard streams that cannot make a run fail: a closed pipe, a full disk, a closed descriptor.

`inv check | head -1` must end with the verdict of the checks, not with a traceback about the pipe.
"""

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class _Raw(io.FileIO):
    """A descriptor to which every write succeeds; what cannot be written is dropped."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self._broken = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write what can be written; after the first error nothing more is tried."""
        size = memoryview(data).nbytes
        while not self._broken:
            try:
                written = super().write(data)
            except OSError as error:
                self._broken = True
                if error.errno != errno.EPIPE and self.fileno() == 1:
                    sys.stderr.write(f"note: standard output cannot be written: {error.strerror}\n")
                break
            if written is not None:
                return written
            # Somebody who shares this terminal or pipe has made it non-blocking.
            select.select([], [self], [])
        return size


def open_missing() -> None:
    """Open what the caller has closed of descriptors 0 to 2, so that no pipe of ours takes them."""
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is this one.
            os.open(os.devnull, os.O_RDONLY if descriptor == 0 else os.O_WRONLY)


def survive() -> None:
    """Replace the interpreter's own stdout and stderr by such that survive."""
    open_missing()
    if sys.stdout is sys.__stdout__:
        sys.stdout = _surviving(sys.stdout, 1)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _surviving(sys.stderr, 2)


def _surviving(stream: TextIO | None, descriptor: int) -> TextIO:
    try:
        buffer = io.BufferedWriter(_Raw(descriptor))
    except OSError:  # open for reading only, as by `>&0`
        return open(os.devnull, "w", encoding="utf-8")
    return io.TextIOWrapper(
        buffer,
        encoding=stream.encoding if stream else "utf-8",
        # A name that the encoding lacks is shown by its number.
        errors="backslashreplace",
        line_buffering=descriptor == 2 or bool(stream and stream.isatty()),
        write_through=getattr(stream, "write_through", False),
    )
