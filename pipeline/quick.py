"""What the commit hook starts: the short ways, else `python -m pipeline.commit`.

    python -S pipeline/quick.py DIR

DIR is the application. Without `site`, whose work would be a third of the time; the long way is a
fresh Python with all that it needs.
"""

import os
import sys

sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from pipeline.checks import instant


def main(app: str) -> None:
    """Answer and return, or become the long way."""
    line, closer = instant.answer(os.path.realpath(app), os.environ)
    lines = [line] if line else None
    if closer:
        from pathlib import Path

        from pipeline.checks import glance

        lines = glance.answer(Path(app).resolve(), os.environ)
    if lines is None:
        # -P: the directory of the commit is no place to import from.
        words = [sys.executable, "-P", "-m", "pipeline.commit", "--app", app]
        os.execv(words[0], words)  # noqa: S606
    sys.stderr.reconfigure(errors="replace")  # type: ignore[union-attr]
    sys.stderr.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main(sys.argv[1])
