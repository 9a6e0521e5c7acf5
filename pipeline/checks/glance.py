"""The short way to a green commit: all is as it was when the rows of the hook were green.

`git commit` right after a green `inv check` gets here and no further. So this imports nothing that
is slow to import: no table, no settings, no msgspec. Whatever it cannot answer goes the long way.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.checks import circumstances, globs, worktree
from pipeline.checks.worktree import NoTree, Tree

_FILE = "glance.json"
_PROJECT = Path(__file__).resolve().parent.parent.parent
_NAMED = 3

Rows = Mapping[str, Sequence[str]]
"""Name → input globs."""


def state(app: Path, environ: Mapping[str, str], tree: Tree, packages: Sequence[str]) -> str:
    """Return a digest of everything that any row's verdict hangs on; `packages` are npm's."""
    around = circumstances.shared(app, environ)
    locks = {name: circumstances.installed(app, name) for name in packages}
    settings = circumstances.stamp(_PROJECT / "pyproject.toml")
    parts = [
        f"{kind}\0{name}\0{value}"
        for kind, facts in (("input", tree.ids), ("around", around), ("npm", locks))
        for name, value in sorted(facts.items())
    ]
    parts.append(settings)
    text = "\0\0".join(parts).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(text, digest_size=16).hexdigest()


def note(app: Path, now: str, green: Rows, skipped: Rows, packages: Sequence[str]) -> None:
    """Note that with the state `now` every row of the hook is green or skipped. Raises OSError."""
    place = worktree.records(app)
    if place is None:
        return
    content = {"state": now, "green": green, "skipped": skipped, "packages": packages}
    place.mkdir(parents=True, exist_ok=True)
    fresh = place / f".glance-{os.getpid()}"
    fresh.write_text(json.dumps(content), "utf-8")
    fresh.replace(place / _FILE)


def forget(app: Path) -> None:
    """Take the note away."""
    place = worktree.records(app)
    if place is not None:
        (place / _FILE).unlink(missing_ok=True)


def answer(app: Path, environ: Mapping[str, str]) -> list[str] | None:
    """Return the lines for a commit that nothing need be run for, or None for the long way."""
    place = worktree.records(app)
    if place is None:
        return None
    try:
        noted = json.loads((place / _FILE).read_bytes())
        green, skipped, packages = noted["green"], noted["skipped"], noted["packages"]
        known = noted["state"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    tree = worktree.read(app, environ)
    if isinstance(tree, NoTree) or state(app, environ, tree, packages) != known:
        return None
    chosen = {name: tuple(inputs) for name, inputs in green.items()}
    chosen = {name: chosen[name] for name in select(chosen, tree.staged)}
    left_out = select({name: tuple(inputs) for name, inputs in skipped.items()}, tree.staged)
    if not chosen:
        return None
    also = f" (skipped: {', '.join(left_out)})" if left_out else ""
    closing = f"reused {', '.join(chosen)}: passed with these files before{also}"
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
