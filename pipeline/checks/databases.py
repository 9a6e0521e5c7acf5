"""Databases of their own for partitions that run at the same time.

Qusto's config/.env.test names one database for all and overwrites the environment (Envy), but a
file in CONFIG_DIR beats both (research/qusto-detail.md section 6). So each partition gets a
CONFIG_DIR in which DATABASE_URL and CLICKHOUSE_DATABASE_URL end with its number; `mix test` of
Qusto creates and migrates what they name.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dotenv import dotenv_values

from pipeline import scratch
from pipeline.errors import UsageProblem

CONFIG_DIR = "config-dir"
"""The value of `partition_databases` in the settings that asks for this."""

_NAMES = ("DATABASE_URL", "CLICKHOUSE_DATABASE_URL")
_LONGEST = 63
"""Bytes of a name that PostgreSQL tells apart (NAMEDATALEN - 1)."""


def shared(app: Path) -> str:
    """Return why partitions must not run at the same time, or nothing if they may.

    They may when the configuration puts MIX_TEST_PARTITION into a name, or names no database.
    """
    texts = {
        path.relative_to(app): path.read_text("utf-8", "replace")
        for path in (app / "config/.env.test", *sorted((app / "config").glob("*.exs")))
        if path.is_file()
    }
    if any("MIX_TEST_PARTITION" in text for text in texts.values()):
        return ""
    for name, text in texts.items():
        if re.search(r"^\s*(?:export\s+)?DATABASE_URL=|^\s*database:\s", text, re.MULTILINE):
            return f"{name} names one database for all partitions"
    return ""


def urls(app: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the database URLs that a plain `mix test` would use, by the names of their variables.

    UsageProblem if there is no DATABASE_URL.
    """
    lower = {**environ, **dotenv_values(app / "config/.env.test", interpolate=False)}
    found = {name: value for name in _NAMES if (value := _file(environ, name) or lower.get(name))}
    if "DATABASE_URL" not in found:
        raise UsageProblem(
            f'[tool.qusto] partition_databases = "{CONFIG_DIR}", but there is no DATABASE_URL',
            remedy="it belongs into config/.env.test, the environment or CONFIG_DIR",
        )
    return found


def named(url: str, mix_env: str, number: int) -> str:
    """Return the URL with the name of its database ending in MIX_ENV and partition.

    UsageProblem, without the URL's password, if it names none or the name gets too long.
    """
    parts = urlsplit(url)
    base = parts.path.removeprefix("/")
    name = f"{base}_{mix_env}_{number}"
    if not base or "/" in base:
        raise UsageProblem("a database URL for the partitions names no database")
    if len(name.encode()) > _LONGEST:
        raise UsageProblem(f"the database name {name} is longer than {_LONGEST} bytes")
    return urlunsplit(parts._replace(path=f"/{name}"))


def require(app: Path, environ: Mapping[str, str], mix_envs: Sequence[str], count: int) -> None:
    """Raise UsageProblem, as `urls` and `named`, if `separate` would for these partitions."""
    for url in urls(app, environ).values():
        for mix_env in mix_envs:
            named(url, mix_env, count)


@contextmanager
def separate(
    app: Path, environ: Mapping[str, str], mix_env: str, numbers: Sequence[int]
) -> Iterator[dict[int, dict[str, str]]]:
    """Give what the environment of each partition holds beside ours; files live as long.

    Raises UsageProblem as `urls` and `named`, before anything is written.
    """
    bases = urls(app, environ)
    contents = {
        number: {name: named(url, mix_env, number) for name, url in bases.items()}
        for number in numbers
    }
    with scratch.directory("partitions") as top:
        for number, files in contents.items():
            _fill(top / str(number), files, environ)
        yield {number: {"CONFIG_DIR": str(top / str(number))} for number in numbers}


def _fill(directory: Path, files: Mapping[str, str], environ: Mapping[str, str]) -> None:
    directory.mkdir(mode=0o700)
    for name, text in files.items():
        (directory / name).touch(mode=0o600)
        (directory / name).write_text(text)
    # Whatever else the application reads from its own CONFIG_DIR.
    own = environ.get("CONFIG_DIR")
    if own and Path(own).is_dir():
        for path in Path(own).resolve().iterdir():
            if path.name not in files:
                (directory / path.name).symlink_to(path)


def _file(environ: Mapping[str, str], name: str) -> str:
    path = Path(environ.get("CONFIG_DIR") or "/run/secrets") / name
    return path.read_text("utf-8").strip() if path.is_file() else ""
