"""A closer look before a commit: something is not staged, and yet nothing need be run.

Also who notes what the next commit may rely on. This imports no table, no settings and no msgspec.
"""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.checks import globs, instant, repository, worktree
from pipeline.checks.worktree import NoTree, Tree, shown

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
    until: float,
) -> None:
    """Note that with these files every row of the hook is green or skipped. Raises OSError."""
    prefix = repository.prefix(str(app))
    ignored = b"".join(
        b"! %s\0" % os.fsencode(os.path.normpath(Path(prefix, path))) for path in tree.ignored
    )
    asked = worktree.listing(tree, prefix), ignored
    inputs = ({k: tuple(v) for k, v in green.items()}, {k: tuple(v) for k, v in skipped.items()})
    instant.write(
        str(app),
        {
            "since": time.time(),
            "until": until,
            "state": instant.state(asked, str(app), environ, packages),
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
    if noted is None or isinstance(tree, NoTree) or asked is None:
        return None
    listing = worktree.listing(tree, repository.prefix(str(app)))
    if instant.state((listing, asked[1]), str(app), environ, noted["packages"]) != noted["state"]:
        return None
    chosen = {name: noted["green"][name] for name in select(noted["green"], tree.staged)}
    if not chosen:
        return None
    # The note is about the work tree; a commit that holds something else has not been checked.
    if differing(noted["green"], tree, worktree.commit_of(tree)):
        return None
    return [instant.closing(tuple(chosen), select(noted["skipped"], tree.staged))]


def select(rows: Mapping[str, tuple[str, ...]], staged: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the rows of which an input is staged, removals included."""
    return tuple(name for name, inputs in rows.items() if any(map(globs.matcher(inputs), staged)))


def differing(rows: Rows, tree: Tree, commit: Tree) -> list[str]:
    """Return the inputs of these rows that the work tree does not hold as the commit does."""
    wanted = [globs.matcher(tuple(inputs)) for inputs in set(rows.values())]
    paths = tree.loose if commit.ids is tree.committed else {*tree.ids, *commit.ids}
    return sorted(
        path
        for path in paths
        if tree.ids.get(path) != commit.ids.get(path) and any(match(path) for match in wanted)
    )


def some(paths: Sequence[str]) -> str:
    """Name the first of the paths, and how many more there are."""
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    return f"{', '.join(map(shown, paths[:_NAMED]))}{more}"
