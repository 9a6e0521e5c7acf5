"""Finding the Elixir application that checks and builds are about."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.errors import UsageProblem


def named(app: str = "") -> Path:
    """Return the application of a task called here with --app=`app`. Raises UsageProblem."""
    from pipeline import settings

    return find(app or None, settings.environment(), Path.cwd())


def find_or(fallback: Path, explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return what `find` does, or `fallback` where there is no application and none was named."""
    try:
        return find(explicit, environ, cwd)
    except UsageProblem:
        if explicit:
            raise
        return fallback


def find(explicit: str | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return the absolute directory that holds the application's mix.exs.

    `explicit` (--app) wins, then QUSTO_APP_DIR, then the nearest mix.exs at or above `cwd`:
    so the same files work inside the application's repository and beside it.
    Raises UsageProblem when there is none.
    """
    for source, value in (("--app", explicit), ("QUSTO_APP_DIR", environ.get("QUSTO_APP_DIR"))):
        if value:
            directory = (cwd / Path(value).expanduser()).resolve()
            if not (directory / "mix.exs").is_file():
                raise UsageProblem(
                    f"{source} names {directory}, which holds no mix.exs",
                    remedy="name the directory of the Elixir application",
                )
            return directory
    for directory in (cwd.resolve(), *cwd.resolve().parents):
        if (directory / "mix.exs").is_file():
            return directory
    raise UsageProblem(
        f"no mix.exs in {cwd} or above it",
        remedy="go into the application, or use --app DIR, or set QUSTO_APP_DIR (also in .env)",
    )
