"""`inv test --failed`: the arguments for what failed last, and the proof that it really ran."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.checks.suite_evidence import Evidence, Failure

_MOST_NAMES = 200
"""Names for one command line; beyond them whole files run."""


def present(failures: Sequence[Failure], app: Path) -> tuple[Failure, ...]:
    """Return the failures whose files are still there."""
    return tuple(failure for failure in failures if (app / failure.file).is_file())


def arguments(failures: Sequence[Failure]) -> tuple[str, ...]:
    """Return what to say to mix test.

    Tests go by name, not by line: lines move while people repair, and 1.14 takes lines for one file
    only. A test of the same name in another of these files runs along.
    """
    files = sorted({failure.file for failure in failures})
    names = sorted({failure.name for failure in failures})
    if "" in names or len(names) > _MOST_NAMES:
        return tuple(files)
    return (*files, *(word for name in names for word in ("--only", f"test:{name}")))


def shortfall(failures: Sequence[Failure], evidence: Evidence | None) -> str:
    """Return what did not run again of what had failed; nothing if all did."""
    if evidence is None:
        return "ExUnit left no evidence of which tests ran"
    wanted = Counter(failure.file for failure in failures)
    short = [file for file, count in wanted.items() if evidence.ran.get(file, 0) < count]
    if not short:
        return ""
    return f"not every test that failed ran again: {', '.join(short)}"
