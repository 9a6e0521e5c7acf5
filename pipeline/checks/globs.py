"""Which paths a row's inputs mean: globs, later ones over earlier ones, `!` takes out again."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby


@lru_cache(maxsize=64)
def matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Return the test whether a path with slashes is one of `patterns`.

    `*` and `?` stay within one name, `**` crosses directories, `lib/**` is everything below lib.
    The last pattern that matches decides, as in .gitignore; names with a leading dot are no
    exception. A path that begins with `../` is matched only by a pattern that does so.
    """
    # One regular expression per run of equal sign: thousands of paths are asked.
    runs = [
        (wanted, re.compile("|".join(_regex(p.removeprefix("!")) for p in run)).fullmatch)
        for wanted, run in groupby(patterns, lambda pattern: not pattern.startswith("!"))
    ]
    runs.reverse()

    def matches(path: str) -> bool:
        return next((wanted for wanted, match in runs if match(path)), False)

    return matches


def may_lie_below(patterns: Sequence[str], directory: str) -> bool:
    """Say whether something below `directory` could be an input; yes when in doubt."""
    for pattern in patterns:
        if pattern.startswith("!"):
            continue
        fixed = re.split(r"[*?]", pattern, maxsplit=1)[0]
        if fixed.startswith(f"{directory}/") or f"{directory}/".startswith(fixed):
            return True
    return False


def _regex(pattern: str) -> str:
    parts = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    inside = "" if pattern.startswith("../") else r"(?!\.\./)"
    return inside + "".join(
        parts.get(part) or re.escape(part)
        for part in re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
        if part
    )
