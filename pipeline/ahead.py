"""A BEAM that boots while the commit hook still loads Python: half of a quick row is that boot.

Nothing is imported that the hook has not loaded anyway (checks/repository.py).
"""

from __future__ import annotations

import os
import resource

from pipeline import gitlocal, marker, mix_program

TYPE_CHECKING = False  # see checks/repository.py
if TYPE_CHECKING:
    from collections.abc import Mapping

DRIVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "checks", "beam.exs")

_SOURCES = (".ex", ".exs", ".heex", ".eex", ".leex")
_IGNORED_BY_PYTHON = (13, 25)
"""PIPE and XFSZ, which a child must find as they were (subprocess.Popen, restore_signals)."""


class Started:
    """One BEAM that boots: its pid, its marker, the pipes of its output and of its orders."""

    def __init__(self, app: str, environ: Mapping[str, str]) -> None:
        """Start it for rows of MIX_ENV=test in `app`. Raises OSError where there is no elixir."""
        self.app = app
        self.environ = {**gitlocal.without(environ), "MIX_ENV": "test"}
        self.marker = marker.new_marker()
        self.mark = f"\x1e{os.urandom(8).hex()}"
        self._free = True
        _, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
        self.output, writing = os.pipe()
        reading, self.orders = os.pipe()
        os.set_blocking(self.output, False)
        os.set_inheritable(reading, True)
        before = os.getcwd()
        try:
            os.chdir(app)
            self.pid = os.posix_spawnp(
                "elixir",
                ("elixir", DRIVER, f"/dev/fd/{reading}", self.mark),
                {**self.environ, self.marker: "1"},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_DUP2, writing, 1),
                    (os.POSIX_SPAWN_DUP2, writing, 2),
                ],
                setsid=True,
                setsigdef=_IGNORED_BY_PYTHON,
            )
        except OSError:
            os.close(self.output)
            os.close(self.orders)
            raise
        finally:
            os.chdir(before)
            os.close(writing)
            os.close(reading)

    def take(self, app: str, environ: Mapping[str, str]) -> bool:
        """Return whether it is the caller's from now on: free, and what would be started anew."""
        fits = self._free and (app, environ) == (self.app, self.environ)
        self._free = self._free and not fits
        return fits

    def release(self) -> None:
        """End it if nobody has taken it."""
        if self._free:
            self._free = False
            os.killpg(self.pid, 9)
            os.waitpid(self.pid, 0)
            os.close(self.output)
            os.close(self.orders)


def begin(app: str, status: bytes, environ: Mapping[str, str]) -> Started | None:
    """Start a BEAM if Elixir files are among what `git status` names; None where it cannot be."""
    paths = status.decode("utf-8", "replace").split("\0")
    if not any(path.endswith(_SOURCES) for path in paths):
        return None
    if not mix_program.is_elixirs_own(environ.get("PATH")):
        return None
    try:
        return Started(app, environ)
    except (OSError, NotImplementedError):
        return None  # whoever needs it says why it cannot be started
