"""TOML files read into msgspec structs, with errors that name file, key and remedy."""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipeline.errors import UsageProblem

T = TypeVar("T")

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`")


def read(path: Path) -> dict[str, Any]:
    """Return the parsed file; UsageProblem if it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise UsageProblem(f"{path} does not exist") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path} is not valid TOML: {error}") from None


def convert(table: object, kind: type[T], *, where: str) -> T:
    """Return `table` as a `kind`; `where` ("hosts.toml [staging]") opens every complaint.

    An unknown key names the nearest known one. Raises UsageProblem.
    """
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        raise UsageProblem(*_explain(str(error), kind, where)) from None


def _explain(text: str, kind: type[Any], where: str) -> tuple[str]:
    at = _AT.search(text)
    place = at["path"].lstrip(".") if at else ""
    unknown = _UNKNOWN.search(text)
    if unknown:
        key = f"{place}.{unknown['key']}".lstrip(".")
        known = sorted(_keys(kind, place))
        near = difflib.get_close_matches(unknown["key"], known, n=1)
        hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
        return (f"{where}: unknown key `{key}`; {hint}",)
    problem = _AT.sub("", text)
    return (f"{where}: {f'`{place}`: ' if place else ''}{problem[0].lower()}{problem[1:]}",)


def _keys(kind: Any, place: str) -> set[str]:
    """Return the field names of the struct found at the dotted `place` inside `kind`."""
    for part in filter(None, re.sub(r"\[[^]]*\]", "", place).split(".")):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        kind = fields.get(part, kind)
    return {field.encode_name for field in msgspec.structs.fields(kind)}
