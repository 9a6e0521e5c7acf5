"""`inv check --hook` without Invoke: what the commit hook and pre-commit/prek start.

    python -m pipeline.commit [--app DIR] [--only NAME,...]

Invoke's own start would take longer than the whole answer when everything is reused.
"""

import os
import sys
from collections.abc import Mapping, Sequence

from pipeline import streams
from pipeline.ahead import Started
from pipeline.errors import ExitCode, Problem, told

_INTERRUPTED = 130


def main(
    words: Sequence[str], asked: tuple[bytes, bytes] | None = None, beam: Started | None = None
) -> int:
    """Check what is staged; returns the exit code of `inv check --hook`.

    `asked` is what repository.ask has just returned, `beam` one that boots already.
    """
    streams.survive()
    given = dict(zip(words[::2], words[1::2], strict=False))
    if len(words) % 2 or not set(given) <= {"--app", "--only"}:
        sys.stderr.write("usage: python -m pipeline.commit [--app DIR] [--only NAME,...]\n")
        return ExitCode.USAGE
    only = tuple(name.strip() for name in given.get("--only", "").split(",") if name.strip())
    from pipeline.checks import prepared
    from pipeline.checks.plan import Options

    try:
        between, every = _asked_by_runner(os.environ)
        options = Options(only=only, hook=True, between=between, every=every)
        ahead = prepared.Ahead(asked, beam)
        return prepared.check(options, app=given.get("--app", ""), format="text", ahead=ahead)
    except Problem as problem:
        sys.stderr.write(f"{told(problem)}\n")
        return problem.code
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED


def _asked_by_runner(environ: Mapping[str, str]) -> tuple[tuple[str, str] | None, bool]:
    """Return the two commits that pre-commit or prek names, and whether all rows are to run.

    Outside of `git commit`, which sets GIT_INDEX_FILE, the index says nothing about what is asked:
    `pre-commit run --all-files` cannot be told from `pre-commit run`, so all rows run.
    """
    if not environ.get("PRE_COMMIT"):
        return None, False
    old, new = environ.get("PRE_COMMIT_FROM_REF"), environ.get("PRE_COMMIT_TO_REF")
    if old and new:
        return (old, new), False
    return None, "GIT_INDEX_FILE" not in environ


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
