"""What other programs have said, made fit for a terminal and for GitHub's log.

A migration, a failing process or a host can print titles, clear-screen, text that runs backwards
and, in a GitHub job, commands to the runner (`::add-mask::`, `##[error]`). Control characters are
shown by their number; what is a block of another program's words stands between stop-commands
tokens; in a line of ours such a command loses its form.
https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from pipeline import redaction

# C0 without tab and line feed, DEL, C1, bidi controls, line separators, and halves of a character.
_HIDDEN = "\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_CONTROL = re.compile(f"[{_HIDDEN}]")
_BUT_COLOURS = re.compile(f"(\x1b\\[[0-9;:]*m)|[{_HIDDEN}]")
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\[)", re.MULTILINE)
"""As the runner finds them: `::` after blanks, `##[` anywhere in a line."""


def visible(text: str, *, colours: bool = False) -> str:
    """Return `text` with the number of each control character in its place; `colours` stay."""
    text = text.replace("\r\n", "\n")
    if colours:
        return _BUT_COLOURS.sub(lambda found: found[1] or _number(found), text)
    return _CONTROL.sub(_number, text)


def line(text: str) -> str:
    """Return a line of ours, which may hold other programs' words, as it may be printed."""
    return inert(redaction.clean(text))


def inert(text: str) -> str:
    """Return `line`, for a text that is known to hold no secret."""
    text = visible(text)
    return _COMMAND.sub(lambda found: f"{found[0]}\\", text) if _in_actions() else text


def block(text: str, *, tokens: bool | None = None) -> str:
    """Return lines of another program as they may be printed, ending with a line end.

    They stand between `tokens` by default in a GitHub job.
    """
    text = visible(redaction.clean(text))
    text += "" if text.endswith("\n") or not text else "\n"
    if not text or not (_in_actions() if tokens is None else tokens):
        return text
    before, after = _tokens()
    return f"{before}{text}{after}"


@contextmanager
def of_others(stream: TextIO) -> Iterator[None]:
    """While other programs write to `stream` themselves, let the runner obey no command in it."""
    if not _in_actions():
        yield
        return
    before, after = _tokens()
    stream.write(before)
    stream.flush()
    try:
        yield
    finally:
        stream.write(f"\n{after}")
        stream.flush()


def json(text: str) -> str:
    """Return a JSON text that means the same and holds neither controls nor the runner's `##[`."""
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).replace("##[", "\\u0023#[")


def _tokens() -> tuple[str, str]:
    token = secrets.token_hex(16)
    return f"::stop-commands::{token}\n", f"::{token}::\n"


def _in_actions() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _number(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
