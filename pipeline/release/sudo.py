"""Reading `sudo -l`: what the deploy user may run, by the rule that counts: the last one. Pure."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

_RULE = re.compile(r"\s*\((?P<users>[^)]*)\)\s*(?P<commands>.+)")
_TAG = re.compile(r"(?P<tag>[A-Z_]+): *")
_BETWEEN = re.compile(r"(?<!\\), ")
_FREE = "!authenticate"


@dataclass(frozen=True)
class Rule:
    """One command of a rule that holds for root, as sudo lists it; `command` may be a pattern."""

    command: str
    refuses: bool
    asks: bool
    """Whether it wants a password."""


def rules(lines: Iterable[str]) -> tuple[Rule, ...]:
    """Return the rules in the listing, in sudo's order."""
    found: list[Rule] = []
    every = list(lines)
    free = any(_FREE in line for line in every)
    for line in every:
        match = _RULE.fullmatch(line)
        if not match or not re.search(r"\b(root|ALL)\b", match["users"].split(":")[0]):
            continue
        asks = not free
        for part in _BETWEEN.split(match["commands"].strip()):
            command = part
            while tag := _TAG.match(command):
                asks = {"NOPASSWD": False, "PASSWD": True}.get(tag["tag"], asks)
                command = command[tag.end() :]
            # sudo escapes what sudoers would take for its own: , : = \\ with a backslash.
            command = re.sub(r"\\(.)", r"\1", command)
            found.append(Rule(command.removeprefix("!"), command.startswith("!"), asks))
    return tuple(found)


def verdict(rules: Sequence[Rule], line: str) -> Literal["allowed", "asks", "refused"]:
    """Return what sudo says to the command `line`."""
    last = next((rule for rule in reversed(rules) if _covers(rule.command, line)), None)
    if last is None or last.refuses:
        return "refused"
    return "asks" if last.asks else "allowed"


def _covers(command: str, line: str) -> bool:
    program = line.split(" ", 1)[0]
    if command in ("ALL", line):
        return True
    if command.endswith("/"):
        return program.rpartition("/")[0] == command[:-1]
    if " " not in command:  # without arguments: with any
        return fnmatchcase(program, command)
    return fnmatchcase(line, command)
