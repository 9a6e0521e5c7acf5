"""What really ran in one `mix test`: files, times, counts and failures, from inside of ExUnit.

A formatter of ours (evidence.exs) is handed to mix beside those of the application. It is loaded by
`elixir -r FILE -S mix test …`, which is what `mix` itself does, so the application is not touched.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from pipeline import mix_program
from pipeline.checks.tools import exunit
from pipeline.checks.tools.exunit import NOTHING, Tally

_SCRIPT = Path(__file__).with_name("evidence.exs")
_FORMATTER = "Qusto.Pipeline.TestEvidence"
_MODULES = re.compile(r"\s*[A-Z][\w.]*(\s*,\s*[A-Z][\w.]*)*\s*,?\s*")


@dataclass(frozen=True)
class Failure:
    """A test that failed; without a name it is the whole file, of which nobody can say more."""

    file: str
    line: int = 0
    name: str = ""


@dataclass(frozen=True)
class Evidence:
    """A suite that came to its end. Paths are relative to the application.

    `loaded` are the files that were read, whether or not they hold tests; `seconds` is each file's
    share of the time that the suite took; `ran` counts the tests of each that passed or failed.
    """

    loaded: frozenset[str]
    seconds: Mapping[str, float] = field(default_factory=dict)
    ran: Mapping[str, int] = field(default_factory=dict)
    failures: tuple[Failure, ...] = ()
    cover: Path = Path("cover")
    """Where mix puts its coverage."""
    total: Tally = NOTHING
    suites: int = 1
    """How many suites came to their end: more than one in an umbrella."""

    @property
    def facts(self) -> dict[str, str]:
        """What the reader of ExUnit's output is told."""
        return {"suites": str(self.suites), **exunit.told(self.total)}


def command(argv: Sequence[str], app: Path, directory: Path) -> tuple[str, ...]:
    """Return `argv`, a mix test, so that it leaves evidence in this directory, which is ours.

    Returned as it was where that cannot be done.

    It cannot where `mix` is a wrapper. Where formatters are set by something else than a list of
    modules, ours is not among them (those on the command line replace those of test_helper.exs and
    config): then the evidence is what ExUnit tells the callbacks of after_suite, without the files.
    """
    if not mix_program.is_elixirs_own(os.environ.get("PATH")):
        return tuple(argv)
    formatters = configured_formatters(app)
    names = (*formatters, _FORMATTER) if formatters is not None else ()
    options = [word for name in names for word in ("--formatter", name)]
    link = directory / _SCRIPT.name
    link.symlink_to(_SCRIPT)
    return ("elixir", "-r", str(link), "-S", *argv, *options)


def configured_formatters(app: Path) -> tuple[str, ...] | None:
    """Return ExUnit's formatters as the application sets them; None if they cannot be read off."""
    found: tuple[str, ...] = ("ExUnit.CLIFormatter",)
    for path in (*sorted(app.glob("test/**/test_helper.exs")), *sorted(app.glob("config/*.exs"))):
        text = re.sub(r"(?m)^\s*#.*$", "", path.read_text("utf-8", "replace"))
        if path.parent.name == "config" and ":ex_unit" not in text:
            continue
        for match in re.finditer(r"\bformatters:\s*(\[([^\]]*)\])?", text):
            if match[1] is None or not _MODULES.fullmatch(match[2]):
                return None
            found = tuple(name.strip() for name in match[2].split(",") if name.strip())
    return found


def read(directory: Path) -> Evidence | None:
    """Return what the formatter wrote; None if it did not come to its end."""
    try:
        lines = (directory / "evidence").read_text("utf-8").splitlines()
    except FileNotFoundError:
        return None
    return parse(lines)


def parse(lines: Iterable[str]) -> Evidence | None:
    """Read the lines of evidence.exs: words URI-encoded, tabs between; the last one is `end`."""
    loaded: set[str] = set()
    seconds: dict[str, float] = {}
    ran: dict[str, int] = {}
    failures: list[Failure] = []
    cover = Path("cover")
    total, suites = NOTHING, 1
    for line in lines:
        match [unquote(word, errors="backslashreplace") for word in line.split("\t")]:
            case ["loaded", path]:
                loaded.add(path)
            case ["time", path, number]:
                seconds[path] = float(number)
            case ["passed" | "failed", path, number]:
                ran[path] = ran.get(path, 0) + int(number)
            case ["failure", path, number, name]:
                failures.append(Failure(path, int(number), name))
            case ["cover", directory]:
                cover = Path(directory)
            case ["total", number, failed, excluded]:
                total = Tally(int(number), int(failed), int(excluded))
            case ["suites", number]:
                suites = int(number)
            case ["end"]:
                failures.sort(key=lambda failure: (failure.file, failure.line, failure.name))
                return Evidence(
                    frozenset(loaded), seconds, ran, tuple(failures), cover, total, suites
                )
    return None
