r"""The text of an environment file, as systemd reads EnvironmentFile=. Pure.

The rules are those of systemd.exec(5) and, where that is silent, of systemd's own parser (v252,
src/basic/env-file.c): in double quotes a backslash escapes only `"`, `\`, backtick and `$`;
unquoted it escapes any character; values are never expanded. A value that holds a control character
other than tab and newline is dropped by older versions with no more than a log line
(src/basic/env-util.c), so it is refused here.
"""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass

from pipeline.errors import UsageProblem

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_LONGEST = 131_000
"""Bytes; the kernel takes 128 KiB for `NAME=value` (execve(2), MAX_ARG_STRLEN)."""

_BLANK = " \t\n\r"
_QUOTED = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|\s)*""", re.DOTALL)
_SWALLOWED = re.compile(r"\\(?:\r|\n[ \t]*(?:[#;]|[A-Za-z_][A-Za-z0-9_]*=))")
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
            f"the value of {name} holds the character U+{ord(found[0]):04X}, and some versions of "
            "systemd drop a variable with such a value",
            remedy="encode the value, in base64 for example",
        )
    if len(name.encode()) + len(value.encode()) > _LONGEST:
        raise UsageProblem(f"the value of {name} is longer than the 128 KiB that the kernel takes")


def decoded(raw: bytes, where: str) -> str:
    """Return the text of a file; UsageProblem, with the line, for one that is not UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        raise _unsafe(where, before.decode(), len(before), "not UTF-8") from None


def parse(text: str, where: str, *, strict: bool = False) -> list[Variable]:
    """Return the assignments in `text`, in order; of several with one name the last one counts.

    Raises UsageProblem, naming `where`, for text whose end is open (a quote, a backslash) or that
    versions of systemd read differently: neither can be edited safely. `strict` also refuses what
    systemd drops without a word, and what it hardly reads as it was meant.
    """
    found: list[Variable] = []
    position = 0
    if strict and text.startswith("\ufeff"):
        raise _unsafe(where, text, 0, "a byte order mark, which systemd takes for part of a name")
    if strict and "\0" in text:
        raise _unsafe(
            where, text, text.index("\0"), "a NUL, with which systemd reads nothing of it"
        )
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
            if strict:
                _require_meant(where, text, position, (name, value, text[equals + 1 : end]))
            if NAME.fullmatch(name):
                found.append(Variable(name, value, position, end))
        elif strict and line.strip(_BLANK):
            raise _unsafe(where, text, position, "no NAME=, so systemd drops the line")
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


def _require_meant(where: str, text: str, position: int, found: tuple[str, str, str]) -> None:
    """Raise UsageProblem for an assignment (name, value, how it is written) that misleads."""
    name, value, written = found
    why = ""
    if name.startswith("export "):
        why = "systemd knows no `export` and drops the line"
    elif not NAME.fullmatch(name):
        why = "what stands before `=` is no name, so systemd drops the line"
    elif control := _CONTROL.search(value):
        why = f"the value of {name} holds U+{ord(control[0]):04X}, which some systemd drop"
    elif written.lstrip(_BLANK).startswith(('"', "'")):
        if not _QUOTED.fullmatch(written):
            why = f"the value of {name} goes on behind its closing quote"
    elif _SWALLOWED.search(written):
        why = f"the backslash at its end makes the next line part of the value of {name}"
    elif re.search(r"[ \t]#", value):
        why = f"systemd takes ` #` for part of the value of {name}; in quotes it is meant"
    if why:
        raise _unsafe(where, text, position, why)
    require_value(name, value)


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


def _unsafe(where: str, text: str, position: int, why: str) -> UsageProblem:
    line = text.count("\n", 0, position) + 1
    return UsageProblem(f"{where}, line {line}: {why}; nothing was changed")
