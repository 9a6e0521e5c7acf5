"""Which tools the workflows take from .tool-versions, so that a missing line can be named.

A step output that the file does not fill is empty, and setup-node with an empty version silently
takes the node of the runner image. Read as text: three idioms need no YAML parser.
"""

import re
from pathlib import Path

_FILES = {"node": "nodejs", "go": "golang", "python": "python", "ruby": "ruby", "java": "java"}
"""Prefix of `…-version-file:` in GitHub's setup actions, and asdf's name of that tool."""

_TOOLS = frozenset({*_FILES.values(), "erlang", "elixir"})


def read(app: Path) -> dict[str, str]:
    """Return tool → the workflow that takes its version from .tool-versions, by asdf's names.

    Workflows lie in .github/workflows of the application and of the repository it is in.
    """
    found: dict[str, str] = {}
    for directory in _directories(app):
        for path in sorted((*directory.glob("*.yml"), *directory.glob("*.yaml"))):
            for tool in asked(path.read_text("utf-8", "replace")):
                found.setdefault(tool, f".github/workflows/{path.name}")
    return found


def asked(text: str) -> list[str]:
    """Return the tools that the text of one workflow takes from .tool-versions.

    They are asked for by `node-version-file: .tool-versions` and its like, by setup-beam's
    `version-file:`, or as outputs of a step whose action or script reads the file.
    """
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    text = "\n".join(lines)
    tools: dict[str, None] = {}
    for prefix in re.findall(r"\b(?:(\w+)-)?version-file:\s*[\"']?\S*\.tool-versions", text):
        for tool in (_FILES.get(prefix, ""),) if prefix else ("erlang", "elixir"):
            tools[tool] = None
    for step in re.split(r"^(?=\s*- )", text, flags=re.MULTILINE):
        name = re.search(r"^\s*(?:- )?id:\s*[\"']?([\w-]+)", step, re.MULTILINE)
        reads = re.search(
            r"uses:\s*\S*tool-versions|^\s*(?:- )?run:[\s\S]*\.tool-versions", step, re.M
        )
        if name and reads:
            for tool in re.findall(rf"\bsteps\.{re.escape(name[1])}\.outputs\.(\w+)", text):
                tools[tool] = None
    return [tool for tool in tools if tool in _TOOLS]


def _directories(app: Path) -> list[Path]:
    places = [app]
    if not (app / ".git").exists():
        places += [parent for parent in app.parents if (parent / ".git").exists()][:1]
    return [place / ".github/workflows" for place in places]
