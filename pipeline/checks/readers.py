"""What the readers of all tools share. A reader turns what a tool printed into a verdict.

Readers are pure functions, one module per tool in pipeline/checks/tools. They exist because green
lies (docs/checks.md, "ways for green to lie"). A reader is only asked about programs that ended by
themselves. `facts` are what the tool's module gathered beside the output.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from pipeline.checks.verdicts import PASSED, Judgement, failed, unknown

Facts: TypeAlias = Mapping[str, str]
Reader: TypeAlias = Callable[[str, int, Facts], Judgement]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LONGEST = 200
"""Characters of a tool's own words in a reason."""


def no_facts(_app: Path, _environ: Mapping[str, str]) -> Facts:
    """Return no facts: output and exit code say it all."""
    return {}


def as_printed(output: str) -> str:
    """Return the output: this tool prints for people."""
    return output


def plain(text: str) -> str:
    """Return the text without ANSI escape sequences."""
    return _ANSI.sub("", text)


def short(text: str) -> str:
    """Return the text as one line that fits into a reason."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def counted(number: int, word: str, plural: str = "") -> str:
    """Return `1 file`, `2 files`."""
    return f"{number} {word if number == 1 else plural or word + 's'}"


def listed(names: list[str], most: int = 3) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def by_exit_code(output: str, code: int, _facts: Facts) -> Judgement:
    """0 is a pass; a shell's codes for "could not run" and "killed" are unknown.

    A failure that the machine is to blame for, by the program's own words, is unknown too.
    """
    if code == 0:
        return PASSED
    text = plain(output)
    if code in (126, 127):
        return unknown(f"exit {code}: the program it calls is missing or not executable")
    if code > 128:
        return unknown(f"exit {code}: killed by signal {code - 128}")
    trouble = machine_trouble(text)
    if trouble:
        return unknown(f"exit {code}: {trouble}")
    words = last_words(text)
    return failed(f"exit {code}: {words}" if words else f"exit {code}")


def exception(text: str) -> str:
    """Return the first `** (Some.Exception) message` that a BEAM printed, as one line."""
    found = re.search(r"^ *(\*\* \(.+)$", text, re.MULTILINE)
    return short(found[1]) if found else ""


_MACHINE = re.compile(
    r"^.*(?:no space left on device|\bENOSPC\b|:enospc\b|disk quota exceeded|\bEDQUOT\b"
    r"|read-only file system|\bEROFS\b|too many open files|\bEMFILE\b|cannot allocate memory"
    r"|\bENOMEM\b|heap out of memory|eheap_alloc: ).*$",
    re.MULTILINE | re.IGNORECASE,
)


def machine_trouble(text: str) -> str:
    """Return the line that blames the machine (disk full, no memory), if there is one."""
    found = _MACHINE.search(text)
    return short(found[0]) if found else ""


_ERROR_LINE = re.compile(r"^\s*(?:\[?\w*error\]?|[\w.]*(?:Error|Exception)\b[^:]*): \S.*$", re.I)
_NOISE = re.compile(
    r"^\s*(?:at .*|npm (?:ERR!|error|warn|WARN|notice).*|Node\.js v.*|> .*|[\^~│|└─┃-]+|rc=\d+"
    r"|error Command failed.*|info Visit .*|ELIFECYCLE.*|.*bytes of output left out.*)$"
)


def last_words(text: str) -> str:
    """Return the line with which a program says why it failed: its first error, or its last line.

    Stack traces and npm's own frame are passed over.
    """
    lines = [line for line in text.splitlines() if line.strip() and not _NOISE.match(line)]
    told = next((line for line in lines if _ERROR_LINE.match(line)), "")
    return short(told or (lines[-1] if lines else ""))


@dataclass(frozen=True)
class Document:
    """A JSON object in a tool's output, and what was printed before and after it."""

    content: dict[str, Any]
    before: str
    after: str

    def replaced(self, lines: list[str]) -> str:
        """Return the output with these lines in its place."""
        text = "".join(f"{line}\n" for line in lines)
        return f"{self.before}{text}{self.after.lstrip()}"


def document(text: str, *keys: str) -> Document | None:
    """Return the first whole JSON object at the start of a line that has one of these keys."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r"^\{", text, re.MULTILINE):
        try:
            content, end = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and any(key in content for key in keys):
            return Document(content, text[: start.start()], text[end:])
    return None


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of what should be a list of them; nothing for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def number(value: Any) -> int:
    """Return a line or column; 0 for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
