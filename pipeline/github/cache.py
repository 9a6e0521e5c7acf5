"""What a CI job keeps from one run to the next: keys and paths for actions/cache.

The key is the document's: MIX_ENV, CACHE_VERSION, branch, hash of mix.lock. The restore keys leave
out the hash, then the branch. Another job must not overwrite what this one keeps, so each but
`build` has its name in front, as in Qusto's own workflows.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageProblem

VERSION = "CACHE_VERSION"
"""The variable of the workflow file that makes all caches void when it is changed."""

_TRACKER = ("tracker/node_modules", "priv/tracker/js", "priv/tracker/installation_support")
PATHS: Mapping[str, tuple[str, ...]] = {
    "build": ("deps", "_build", *_TRACKER),
    "static": ("deps", "_build", "priv/plts"),
    "security": ("deps", "_build"),
}
"""Job → what it keeps, from the top of the application."""

_LONGEST = 512
"""Characters of a key (actions/toolkit, packages/cache); commas are not allowed in it."""


@dataclass(frozen=True)
class Key:
    """The key to restore and save by, those to restore by if it is not there, and the paths."""

    key: str
    restore_keys: tuple[str, ...]
    paths: tuple[str, ...]


def key(job: str, mix_env: str, app: Path, environ: Mapping[str, str], base: str) -> Key:
    """Return the key of a job's cache; `base` is the branch whose cache serves all others.

    Branch and version come from the variables that GitHub Actions sets. Raises UsageProblem.
    """
    if job not in PATHS:
        raise UsageProblem(f"no job {job!r} keeps a cache; those that do: {', '.join(PATHS)}")
    version = environ.get(VERSION)
    if not version:
        raise UsageProblem(
            f"{VERSION} is not set", remedy="it stands in `env` of the workflow; here: v1 or such"
        )
    start = "" if job == "build" else f"{job}-"
    front = f"{start}{mix_env}-{version}-"
    branch = environ.get("GITHUB_HEAD_REF") or environ.get("GITHUB_REF") or "local"
    restore = dict.fromkeys(
        [f"{front}{_safe(branch)}-", f"{front}refs/heads/{base.removeprefix('origin/')}-"]
    )
    return Key(f"{front}{_safe(branch)}-{lock_hash(app)}", tuple(restore), PATHS[job])


def lock_hash(app: Path) -> str:
    """Return the digest of the application's mix.lock; that of nothing if it has none."""
    path = app / "mix.lock"
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def as_outputs(found: Key) -> str:
    """Return the lines for GITHUB_OUTPUT: key, restore-keys and path."""
    lines = [f"key={found.key}"]
    for name, values in (("restore-keys", found.restore_keys), ("path", found.paths)):
        lines += [f"{name}<<END_OF_{name}", *values, f"END_OF_{name}"]
    return "\n".join(lines) + "\n"


def _safe(branch: str) -> str:
    """Return the branch without what a key or an output must not hold, and not too long."""
    clean = re.sub(r"[,\s]", "_", branch)
    if len(clean) <= _LONGEST // 2:
        return clean
    return f"{clean[: _LONGEST // 2 - 9]}-{hashlib.sha256(branch.encode()).hexdigest()[:8]}"
