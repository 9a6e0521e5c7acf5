"""What programs have printed, as results hold it: both ends of it, in little memory."""

import re

HEAD = 256 * 1024
TAIL = 768 * 1024
"""Bytes of output kept from the beginning and from the end; what lies between is counted."""

GAP = "\n[… {} bytes of output left out …]\n"
"""Stands between beginning and end; the number has commas."""

_GAP_SEEN = re.compile(GAP.format("[0-9,]+").replace("[…", r"\[…").replace("…]", r"…\]"))


def is_cut(output: str) -> bool:
    """Return whether something was left out between the beginning and the end of the output."""
    return _GAP_SEEN.search(output) is not None


class Compact:
    """A text attribute of a dataclass that is held as UTF-8; "" if it is not given.

    A character beyond Latin-1 makes Python hold every character of a text in two or four bytes,
    and tools print ticks and boxes.
    """

    def __set_name__(self, _owner: type, name: str) -> None:
        self._key = f"_{name}"

    def __get__(self, instance: object | None, owner: type) -> str:
        """Return the text; of the class, the default."""
        if instance is None:
            return ""
        kept: bytes = instance.__dict__[self._key]
        return kept.decode("utf-8", "surrogatepass")

    def __set__(self, instance: object, text: str) -> None:
        """Keep the text; also for frozen dataclasses, whose __init__ goes past their own guard."""
        instance.__dict__[self._key] = text.encode("utf-8", "surrogatepass")
