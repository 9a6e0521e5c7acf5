"""Reading unit files and environment files, as far as `fab setup` writes them. Pure.

Syntax: systemd.syntax(7), systemd.time(7), systemd.service(5), EnvironmentFile= in systemd.exec(5).
"""

import re
import shlex

Assignments = dict[str, list[str]]
"""Each key of a unit with all its values, in order; sections are not kept apart."""

_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "ms": 0.001, "m": 60.0, "min": 60.0, "h": 3600.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)")


def parse(text: str) -> Assignments:
    """Return the assignments of a unit file; an empty value forgets those before it."""
    found: Assignments = {}
    for line in text.replace("\\\n", " ").splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith(("#", ";", "[")):
            continue
        key, value = key.strip(), value.strip()
        found[key] = [*found.get(key, []), value] if value else []
    return found


def last(unit: Assignments, key: str, default: str = "") -> str:
    """Return the value that counts where only one can."""
    return (unit.get(key) or [default])[-1]


def seconds(text: str) -> float:
    """Return a time span in seconds: `5`, `200ms`, `1min 30s`."""
    return sum(float(number) * _SECONDS[word] for number, word in _SPAN.findall(text))


def words(text: str) -> list[str]:
    """Return the words of a command line; `$$` and `%%` stand for themselves."""
    return [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(text)]


def pairs(text: str) -> dict[str, str]:
    """Return the variables of one Environment= line."""
    return dict(_pair(word) for word in shlex.split(text))


def environment_file(text: str) -> dict[str, str]:
    """Return the variables of an environment file; quotes around a value are not part of it."""
    lines = (line.strip() for line in text.splitlines())
    return dict(_pair(line) for line in lines if "=" in line and not line.startswith(("#", ";")))


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    for quote in "\"'":
        if len(value) > 1 and value[0] == value[-1] == quote:
            return key, value[1:-1]
    return key, value
