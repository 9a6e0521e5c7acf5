"""Coverage of the whole suite: each part exports its own, all are merged once.

`mix test.coverage` merges whatever lies in the directory, old or new, of this suite or another, and
exits 0 with nothing to merge (research/checks.md 0.6). So the directory is emptied before, each
part must have left its file, and mix must name each of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.checks.readers import plain
from pipeline.checks.verdicts import PASSED, Judgement, Verdict, failed, unknown

_PART_BELOW = re.compile(r"^FAILED: Expected minimum coverage of .*", re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    """The percentage that must be reached: 0 only reports; None leaves it to the application.

    Mix's own limit of 90, which nobody has set, is then no limit.
    """

    limit: float | None = None


THEIRS = Rule()


def export_name(number: int) -> str:
    """Return the name under which partition `number` exports."""
    return f"qusto-{number}"


def options(number: int) -> tuple[str, ...]:
    """Return what makes `mix test` export coverage; ExCoveralls heeds it as well."""
    return ("--cover", "--export-coverage", export_name(number))


def directory(app: Path) -> Path:
    """Return where mix puts coverage: `output:` of test_coverage, or cover."""
    settings = _settings(app)
    match = re.search(r'output:\s*"([^"]+)"', settings)
    return app / (match[1] if match else "cover")


def by_excoveralls(app: Path) -> bool:
    """Whether the application measures with ExCoveralls."""
    return bool(re.search(r"tool:\s*ExCoveralls\b", _settings(app)))


def clean(directory: Path) -> None:
    """Remove what could be merged by mistake. Raises OSError."""
    for path in directory.glob("*.coverdata"):
        path.unlink()


def lacking(directory: Path, numbers: Sequence[int], since: float) -> str:
    """Return which parts left no coverage since this time (seconds since the epoch)."""
    missing = []
    for number in numbers:
        path = directory / f"{export_name(number)}.coverdata"
        # The kernel's clock for files ticks in steps of some milliseconds.
        if not path.is_file() or not path.stat().st_size or path.stat().st_mtime < since - 0.1:
            missing.append(str(number))
    return f"no coverage of this run from partition {', '.join(missing)}" if missing else ""


def merging(app: Path, first_file: str) -> tuple[str, ...]:
    """Return the command that merges and reports.

    ExCoveralls does it at the end of a test run only, so one that runs no test of `first_file`.
    """
    if by_excoveralls(app):
        place = str(directory(app).relative_to(app))
        return ("mix", "coveralls", "--import-cover", place, "--exclude", "test", first_file)
    return ("mix", "test.coverage")


def part_is_fine(output: str, code: int, failures: int) -> bool:
    """Whether a part exits with 1 only since ExCoveralls holds it to the limit of the whole."""
    below = _PART_BELOW.search(plain(output))
    return code == 1 and not failures and below is not None and "Coverage data exported" in output


def absent_tool(output: str) -> str:
    """Return why nothing can be measured; Qusto has ExCoveralls under MIX_ENV=test alone."""
    found = re.search(
        r"function (\S+)\.start/2 is undefined \(module \1 is not avail", plain(output)
    )
    return f"{found[1]}, which should measure coverage, is no dependency here" if found else ""


def judge(
    output: str, code: int, parts: int, rule: Rule, app: Path, *, excoveralls: bool
) -> Judgement:
    """Read the merging command. A pass has the total as its reason.

    From 1.14 `  85.00% | Total`, from 1.19 in a frame; ExCoveralls `[TOTAL]  85.0%`.
    """
    text = plain(output)
    total = re.search(r"^[| ]*(\d+(?:\.\d+)?)% \| Total\b|^\[TOTAL\] +(\d+(?:\.\d+)?)%", text, re.M)
    merged = len(set(re.findall(r"^Importing cover results: (.+)$", text, re.MULTILINE)))
    if total is None:
        return unknown(f"coverage: exit {code} and no total")
    if not excoveralls and merged != parts:
        return unknown(f"coverage: {merged} of {parts} parts were merged")
    if code and not _PART_BELOW.search(text) and "threshold not met" not in text:
        return unknown(f"coverage: exit {code}")
    reached = float(total[1] or total[2])
    if rule.limit is None:
        if code and (excoveralls or re.search(r"threshold:\s*\d", _settings(app))):
            return failed(f"coverage {reached:g} % is below the limit of the application")
        return Judgement(Verdict.PASSED, f"coverage {reached:g} %")
    if reached < rule.limit:
        return failed(f"coverage {reached:g} % is below {rule.limit:g} %")
    return Judgement(PASSED.verdict, f"coverage {reached:g} %")


def _settings(app: Path) -> str:
    """Return `test_coverage: [...]` of mix.exs, or all of it where that is put otherwise."""
    text = re.sub(r"(?m)^\s*#.*$", "", (app / "mix.exs").read_text("utf-8", "replace"))
    start = text.find("test_coverage:")
    return text[start : start + 600] if start >= 0 else ""
