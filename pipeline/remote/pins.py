"""The pinned host keys in the text of hosts.toml: merged and rewritten, all else left alone. Pure.

The edit is textual, so that comments stay; the TOML before and after is compared, so that nothing
but the one key can have changed.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.errors import UsageProblem
from pipeline.remote.inventory import Environment, Host

_PIN_WORDS = 2
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-)?\}")
_KEY = re.compile(r"[ \t]*host_key[ \t]*=[ \t]*")


def merged(environment: Environment, every: Sequence[Host], seen: Mapping[Host, str]) -> list[str]:
    """Return the pins of `environment` with those of the hosts in `seen` replaced.

    `every` host of the environment is given: a pin that holds for all of them ("type base64") goes
    on holding for the others. A pin of ours names its host as soon as there are several.
    """
    pins = []
    for pin in environment.host_keys:
        words = pin.split()
        names = words[0].split(",") if len(words) > _PIN_WORDS else [str(host) for host in every]
        replaced = {name for host in seen for name in _names(host)}
        if left := [name for name in names if name not in replaced]:
            pins.append(" ".join([",".join(left), *words[-_PIN_WORDS:]]))
    for host, line in seen.items():
        pins.append(line if len(every) == 1 else f"{host} {line}")
    return pins


def rewritten(text: str, name: str, pins: Sequence[str]) -> str:
    """Return hosts.toml's `text` with `host_key` of the table `name` set to `pins`.

    Raises UsageProblem with the line to write by hand where that cannot be done safely: the value
    comes from a variable, or is written in a way that this does not understand.
    """
    line = setting(pins)
    before = tomllib.loads(text)
    variables = re.findall(r"\$\{([A-Za-z0-9_]+)", json.dumps(before[name].get("host_key", "")))
    if variables:
        raise UsageProblem(
            f"hosts.toml [{name}]: `host_key` comes from {' and '.join(variables)}; not changed",
            remedy=f"set {' and '.join(variables)}, in .env or among CI's variables, to hold:",
            detail="\n".join(f"    {pin}" for pin in pins),
        )
    after = _edited(text, name, line, "host_key" in before[name])
    wanted: dict[str, Any] = {**before, name: {**before[name], "host_key": _value(pins)}}
    try:
        safe = after is not None and tomllib.loads(after) == wanted
    except tomllib.TOMLDecodeError:
        safe = False
    if after is None or not safe:
        raise UsageProblem(
            f"hosts.toml [{name}] is written in a way that cannot be edited safely; not changed",
            remedy="write there:",
            detail=f"    {line}",
        )
    return after


def variable(text: str, name: str) -> str:
    """Return the variable that is all of `host_key` in the table `name`, "" if none is."""
    present = tomllib.loads(text)[name].get("host_key", "")
    only = present[0] if isinstance(present, list) and len(present) == 1 else present
    match = _VARIABLE.fullmatch(only) if isinstance(only, str) else None
    return match[1] if match else ""


def setting(pins: Sequence[str]) -> str:
    """Return the line of hosts.toml that pins `pins`."""
    return f"host_key = {json.dumps(_value(pins))}"


def _value(pins: Sequence[str]) -> str | list[str]:
    return pins[0] if len(pins) == 1 else list(pins)


def _names(host: Host) -> set[str]:
    return {str(host), host.address, f"[{host.address}]:{host.port}"}


def _edited(text: str, name: str, line: str, is_set: bool) -> str | None:
    """Return the edited text, unchecked; None where the key is not found."""
    lines = text.splitlines(keepends=True)
    heads = [
        i for i, head in enumerate(lines) if re.match(rf"\s*\[\s*{re.escape(name)}\s*\]", head)
    ]
    if len(heads) != 1:
        return None
    start = heads[0] + 1
    end = next((i for i in range(start, len(lines)) if lines[i].lstrip().startswith("[")), None)
    end = len(lines) if end is None else end
    if not is_set:
        while end > start and not lines[end - 1].strip():
            end -= 1
        # Comments before the next table are that table's.
        while end > start and lines[end - 1].lstrip().startswith("#"):
            end -= 1
        while end > start and not lines[end - 1].strip():
            end -= 1
        joint = "" if lines[end - 1].endswith("\n") else "\n"
        return "".join([*lines[:end], joint, line, "\n", *lines[end:]])
    for first in range(start, len(lines)):
        if match := _KEY.match(lines[first]):
            last = _end_of_value(lines, first)
            if last is None:
                return None
            indent = match[0][: len(match[0]) - len(match[0].lstrip())]
            comment = _comment(lines[first], match.end()) if last == first + 1 else ""
            if last > first + 1 and any("#" in part for part in lines[first:last]):
                return None  # a comment among the keys
            return "".join([*lines[:first], indent, line, comment, "\n", *lines[last:]])
    return None


def _end_of_value(lines: Sequence[str], first: int) -> int | None:
    """Return the line after the value that begins in line `first`."""
    for last in range(first + 1, len(lines) + 1):
        try:
            tomllib.loads("".join(lines[first:last]))
        except tomllib.TOMLDecodeError:
            continue
        return last
    return None


def _comment(line: str, value_at: int) -> str:
    """Return what follows the value on its line; keys of ours hold no `#`."""
    value = line[value_at:].rstrip("\n")
    at = value.find("#")
    return "" if at < 0 else value[len(value[:at].rstrip()) :]
