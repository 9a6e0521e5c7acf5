"""A `docker` that notes how it is called, for there is no engine to test with.

It stands for the ways in which docker fails, and for one that starts Debian's own Redis.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """#!{python}
import json, os, subprocess, sys
words = sys.argv[1:]
text = sys.stdin.read() if "-" in words else ""
secrets = {{k: v for k, v in os.environ.items() if k.startswith("QUSTO_")}}
with open({log!r}, "a") as log:
    print(json.dumps([words, text, secrets]), file=log)
answers = {answers!r}
for word in words:
    if word in answers:
        code, out, err = answers[word]
        sys.stdout.write(out)
        sys.stderr.write(err)
        if word == "up" and {start!r}:
            subprocess.run({start!r}, check=True, stdout=subprocess.DEVNULL)
        sys.exit(code)
"""


@dataclass(frozen=True)
class Call:
    """One call: its words, its input, and the secrets in its environment."""

    words: list[str]
    text: str
    secrets: dict[str, str]


@dataclass(frozen=True)
class Docker:
    """Where the program is; `calls` are in order."""

    directory: Path

    @property
    def calls(self) -> list[Call]:
        path = self.directory / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [Call(*json.loads(line)) for line in lines]


def make(
    directory: Path, answers: dict[str, tuple[int, str, str]], start: tuple[str, ...] = ()
) -> Docker:
    """Write it; `answers` are exit code and streams by the word that decides, else 0 and nothing.

    `start` is what `up` runs.
    """
    log = str(directory / "calls")
    text = _SCRIPT.format(python=sys.executable, log=log, answers=answers, start=list(start))
    (path := directory / "docker").write_text(text)
    path.chmod(0o755)
    return Docker(directory)
