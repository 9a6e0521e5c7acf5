r"""The text of an environment file, as systemd reads EnvironmentFile=. Pure.

The rules are those of systemd.exec(5) and, where that is silent, of systemd's own parser (v252,
src/basic/env-file.c): in double quotes a backslash escapes only `"`, `\`, backtick and `$`;
unquoted it escapes any character; values are never expanded. A variable whose value is not UTF-8
or holds a control character other than tab and newline is dropped with no more than a log line
(src/basic/env-util.c), so such a value is refused here.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from pipeline.errors import Problem, UsageProblem

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LONGEST = 131_000
"""Bytes; the kernel takes 128 KiB for `NAME=value` (execve(2), MAX_ARG_STRLEN)."""

_BLANK = " \t\n\r"
_ESCAPED = '"\\`$'


@dataclass(frozen=True)
class Variable:
    """One assignment: the lines that hold it are text[start:end]."""

    name: str
    value: str
    start: int
    end: int


def quote(value: str) -> str:
    """Return `value` as an environment file must hold it."""
    return '"' + re.sub(r'(["\\`$])', r"\\\1", value) + '"'


def require_value(name: str, value: str) -> None:
    """Raise UsageProblem, naming the variable only, for a value that systemd would drop."""
    if found := _CONTROL.search(value):
        raise UsageProblem(
            f"the value of {name} holds the character U+{ord(found[0]):04X}, and systemd drops a "
            "variable with such a value",
            remedy="encode the value, in base64 for example",
        )
    if len(name.encode()) + len(value.encode()) > _LONGEST:
        raise UsageProblem(f"the value of {name} is longer than the 128 KiB that the kernel takes")


def parse(text: str, where: str) -> list[Variable]:
    """Return the assignments in `text`, in order; of several with one name the last one counts.

    Raises Problem, naming `where`, for text whose end is open (a quote, a backslash) or that
    versions of systemd read differently: neither can be edited safely.
    """
    found: list[Variable] = []
    position = 0
    while position < len(text):
        end = _line_end(text, position)
        line = text[position:end]
        if line.lstrip(_BLANK).startswith(("#", ";")):
            if line.rstrip("\r\n").endswith("\\"):
                raise _unsafe(where, text, position, "a comment ends with a backslash")
        # A line that begins with `=` has a name that does, which no variable can have.
        elif (equals := text.find("=", end - len(line.lstrip(_BLANK)) + 1, end)) >= 0:
            value, end = _value(text, equals + 1, where)
            name = text[position:equals].strip(_BLANK)
            if NAME.fullmatch(name):
                found.append(Variable(name, value, position, end))
        position = end
    return found


def edit(text: str, found: list[Variable], wanted: Mapping[str, str], gone: Set[str]) -> str:
    """Return `text` with `wanted` set and the names of `gone` removed; all else stays as it is.

    Of several assignments to one name the first is replaced and the others go.
    """
    parts, position, left = [], 0, dict(wanted)
    for variable in found:
        if variable.name not in wanted and variable.name not in gone:
            continue
        parts.append(text[position : variable.start])
        if variable.name in left:
            parts.append(_line(variable.name, left.pop(variable.name)))
        position = variable.end
    parts.append(text[position:])
    kept = "".join(parts)
    if left and kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(_line(name, value) for name, value in left.items())


def _line(name: str, value: str) -> str:
    return f"{name}={quote(value)}\n"


def _value(text: str, position: int, where: str) -> tuple[str, int]:
    """Return the value that begins at `position`, and where the next line begins."""
    start, value, kept = position, "", 0
    state = "before"
    while position < len(text):
        character = text[position]
        position += 1
        if state == "before":
            # Also after a closing quote: "a" 'b' is ab.
            if character in "\r\n":
                return value, position
            state = {"'": "single", '"': "double", "\\": "escape"}.get(character, state)
            if state == "before" and character not in _BLANK:
                state, value = "plain", value + character
            kept = len(value)
        elif state == "plain":
            if character in "\r\n":
                return value[:kept], position
            if character == "\\":
                state, kept = "escape", len(value)
            else:
                value += character
                kept = kept if character in _BLANK else len(value)
        elif state == "escape":
            state = "plain"
            if character not in "\r\n":
                value += character
            kept = len(value)
        elif state == "single":
            if character == "'":
                state = "before"
            else:
                value += character
        elif character == '"':
            state = "before"
        elif character == "\\" and position < len(text):
            value += _escaped(text[position])
            position += 1
        else:
            value += character
    if state not in ("before", "plain"):
        raise _unsafe(where, text, start, "a value does not end")
    return value[:kept] if state == "plain" else value, position


def _escaped(character: str) -> str:
    """Return what a backslash and `character` mean in double quotes."""
    if character == "\n":
        return ""
    return character if character in _ESCAPED else f"\\{character}"


def _line_end(text: str, position: int) -> int:
    match = re.compile(r"[\r\n]").search(text, position)
    return match.end() if match else len(text)


def _unsafe(where: str, text: str, position: int, why: str) -> Problem:
    line = text.count("\n", 0, position) + 1
    return Problem(f"{where}, line {line}: {why}; not changed", remedy="put that right by hand")
