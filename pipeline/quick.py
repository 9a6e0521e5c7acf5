"""What the commit hook starts: the short ways, else what `python -m pipeline.commit` does.

    python -S pipeline/quick.py DIR

DIR is the application. Without `site`, whose work would be a third of the time of the short ways;
the long way loads it, while a BEAM boots beside it.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from pipeline.checks import instant, repository


def main(app: str) -> int:
    """Answer at once, or go the long way; returns the exit code."""
    real = os.path.realpath(app)
    try:
        asked = repository.ask(real, os.environ)
    except OSError:
        asked = None  # the long way asks again, and says what is wrong
    lines = _lines(app, real, asked) if asked else None
    if lines is None:
        return _check(app, real, asked)
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr.write("".join(f"{line}\n" for line in lines))
    return 0


def _lines(app: str, real: str, asked: tuple[bytes, bytes]) -> "list[str] | None":
    """Return what is to be said to a commit that nothing need be run for, or None."""
    line, closer = instant.answer(real, os.environ, asked)
    if line:
        return [line]
    if not closer:
        return None
    from pathlib import Path

    from pipeline.checks import glance

    return glance.answer(Path(app).resolve(), os.environ, asked)


def _check(app: str, real: str, asked: "tuple[bytes, bytes] | None") -> int:
    from pipeline import ahead

    beam = ahead.begin(real, asked[1], os.environ) if asked else None
    try:
        import gc
        import site

        gc.disable()  # imports make nothing but lasting objects
        site.main()
        from pipeline import commit

        gc.enable()
        return commit.main(("--app", app), asked, beam)
    finally:
        if beam:
            beam.release()


if __name__ == "__main__":
    code = main(sys.argv[1])
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        code = code or 1
    # All is done and all children have ended; to take Python apart takes as long as to ask git.
    os._exit(code)
