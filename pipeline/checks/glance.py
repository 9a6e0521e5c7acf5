"""A closer look before a commit: something is not staged, and yet nothing need be run.

Also who notes what the next commit may rely on. This imports no table, no settings and no msgspec.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.checks import globs, instant, worktree
from pipeline.checks.worktree import NoTree, Tree

_NAMED = 3

Rows = Mapping[str, Sequence[str]]
"""Name → input globs."""


def note(
    app: Path,
    environ: Mapping[str, str],
    tree: Tree,
    green: Rows,
    skipped: Rows,
    packages: Sequence[str],
) -> None:
    """Note that with these files every row of the hook is green or skipped. Raises OSError."""
    inputs = ({k: tuple(v) for k, v in green.items()}, {k: tuple(v) for k, v in skipped.items()})
    instant.write(
        str(app),
        {
            "state": instant.state(worktree.listing(tree), str(app), environ, packages),
            # A staged removal is no file any more.
            "paths": {
                path: (select(inputs[0], [path]), select(inputs[1], [path]))
                for path in {*tree.ids, *tree.staged}
            },
            "packages": list(packages),
            "green": inputs[0],
            "skipped": inputs[1],
        },
    )


def answer(
    app: Path, environ: Mapping[str, str], asked: tuple[bytes, bytes] | None = None
) -> list[str] | None:
    """Return the lines for a commit that nothing need be run for, or None for the long way.

    `asked` is what repository.ask has just returned.
    """
    noted = instant.read(str(app))
    tree = worktree.read(app, environ, asked)
    if noted is None or isinstance(tree, NoTree):
        return None
    listing = worktree.listing(tree)
    if instant.state(listing, str(app), environ, noted["packages"]) != noted["state"]:
        return None
    chosen = {name: noted["green"][name] for name in select(noted["green"], tree.staged)}
    if not chosen:
        return None
    closing = instant.closing(tuple(chosen), select(noted["skipped"], tree.staged))
    return [*(f"note: {line}" for line in unseen(chosen, tree)), closing]


def select(rows: Mapping[str, tuple[str, ...]], staged: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the rows of which an input is staged, removals included."""
    return tuple(name for name, inputs in rows.items() if any(map(globs.matcher(inputs), staged)))


def unseen(rows: Mapping[str, tuple[str, ...]], tree: Tree) -> list[str]:
    """Return a warning for each way in which the checked files differ from the committed ones."""
    wanted = [globs.matcher(inputs) for inputs in set(rows.values())]
    seen = [path for path in tree.loose if any(match(path) for match in wanted)]
    partly = [path for path in seen if path in tree.partly]
    others = [path for path in seen if path not in tree.partly]
    found = []
    if partly:
        found.append(
            f"partially staged: {_some(partly)}: the checks see the work tree, "
            "not what is committed"
        )
    if others:
        found.append(f"the checks also see what is not in this commit: {_some(others)}")
    return found


def _some(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(paths[:_NAMED])}{more}"
