"""Whether `mix` on PATH is Elixir's own, so that its tasks may run in a BEAM that we start.

We start `elixir` with a script of ours (checks/beam.exs, checks/evidence.exs). A `mix` that is a
wrapper (docker, a devcontainer, nix) runs somewhere else: then the rows must go through it.

Only os is imported, and no Path used: the commit hook asks, too (checks/repository.py).
"""

from __future__ import annotations

import os

from pipeline.checks.repository import which

_MOST = 64 * 1024


def is_elixirs_own(path: str | None) -> bool:
    """Return whether `mix` on this PATH runs in the BEAM that `elixir` there would start.

    It does if both are Elixir's own scripts, or what a version manager puts in their place.
    """
    mix, elixir = which("mix", path), which("elixir", path)
    if not (mix and elixir):
        return False
    managers = _manager(mix, "mix"), _manager(elixir, "elixir")
    if any(managers):
        return managers[0] == managers[1]
    head, _, script = _text(mix).partition(b"\n")
    own = head.startswith(b"#!") and os.path.basename(head.split()[-1]) == b"elixir"
    return own and b"Mix.CLI.main" in script and b"ELIXIR_ERL_OPTIONS" in _text(elixir)


def _manager(place: str, name: str) -> str:
    """Return the version manager whose shim this is; nothing for any other program."""
    if os.path.basename(os.path.realpath(place)) in ("mise", "rtx"):
        return "mise"
    text = _text(place)
    shim = any(words.encode() in text for words in (f'asdf exec "{name}" ', f"asdf exec {name} "))
    return "asdf" if shim else ""


def _text(place: str) -> bytes:
    try:
        with open(place, "rb") as file:
            return file.read(_MOST)
    except OSError:
        return b""
