"""Real git repositories for tests, free of the configuration of whoever runs them."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pipeline.process import environment


def isolated(home: Path, **more: str) -> dict[str, str]:
    """Return an environment in which git knows an author and no configuration but `home`'s."""
    ours = ("QUSTO_APP_DIR", "PYTEST_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    who = {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "T"), ("EMAIL", "t@example.org"))
    }
    own = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "XDG_CONFIG_HOME": str(home / "xdg")}
    return environment(kept, {**who, **own, "NO_COLOR": "1", **more})


def git(
    where: Path, *words: str, env: Mapping[str, str] | None = None, ok: bool = True
) -> "subprocess.CompletedProcess[str]":
    """Run git in `where`; a failure is an error unless `ok` is off."""
    ended = subprocess.run(
        ("git", *words),
        cwd=where,
        env=env or isolated(where),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not ok or ended.returncode == 0, ended.stderr
    return ended


def repository(where: Path, files: Mapping[str, str]) -> Path:
    """Make a repository with these files committed."""
    where.mkdir(parents=True, exist_ok=True)
    git(where, "init", "--quiet", "--initial-branch=main")
    write(where, files)
    git(where, "add", "--all")
    git(where, "commit", "--quiet", "--no-verify", "--message=first")
    return where


def write(where: Path, files: Mapping[str, str]) -> None:
    """Write the files, with the directories they need."""
    for name, text in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)


# Stands in for `elixir beam.exs ORDERS MARK`: hands each order to mix and ends where that fails.
# What Elixir's own scripts are told by is a version manager's shim here (pipeline/mix_program.py).
_SHIM = '# asdf exec "{}" "$@"\n'

_ELIXIR = """#!/bin/sh
suite() {
  # `elixir -r FILE -S mix test …` loads the formatter of the tests first, which leaves evidence.
  directory=${2%/*}
  shift 4
  mix "$@" || exit
  find test -name '*_test.exs' 2>/dev/null | sed 's/^/loaded\t/' >"$directory/evidence"
  printf 'total\\t1\\t0\\t0\\nend\\n' >>"$directory/evidence"
}
if [ "$1" = -r ]; then suite "$@"; exit; fi
separator=$(printf '\\037')
while IFS= read -r order; do
  (IFS=$separator; set -- $order; unset IFS
   if [ "$1" = -r ]; then suite "$@"; else exec mix "$@"; fi) || exit
  printf '%s+' "$3" >&2
  printf '%s+' "$3"
done <"$2"
"""


def stand_in(home: Path, mix: str) -> None:
    """Put the script `mix`, and an elixir that calls it, into the programs of this home."""
    programs = {"bin/mix": mix, "bin/elixir": _ELIXIR}
    for name, text in programs.items():
        head, _, rest = text.partition("\n")
        write(home, {name: f"{head}\n{_SHIM.format(Path(name).name)}{rest}"})
    for name in programs:
        (home / name).chmod(0o755)
