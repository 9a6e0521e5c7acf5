"""Where settings come from: the real environment, then .env, then [tool.qusto]."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from pipeline import tomlfile

PROJECT = Path(__file__).resolve().parent.parent
"""The directory of tasks.py, fabfile/, hosts.toml and .env."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[tool.qusto] of pyproject.toml; docs/settings.md explains each key."""

    partitions: Annotated[int, msgspec.Meta(ge=1)] = 6
    base: str = "origin/main"
    jobs: Annotated[int, msgspec.Meta(ge=0)] = 0
    skip: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    timeouts: dict[str, Annotated[float, msgspec.Meta(gt=0)]] = {}
    reuse_for: dict[str, Annotated[float, msgspec.Meta(ge=0)]] = {}
    hook: tuple[str, ...] | None = None
    test_args: tuple[str, ...] = ()
    coverage: Annotated[float, msgspec.Meta(ge=0, le=100)] | None = None
    partition_databases: Literal["", "config-dir"] = ""
    quiet_tests: bool | Literal["ci"] = False


def environment(project: Path = PROJECT) -> Mapping[str, str]:
    """Return the real environment over the values of `.env` beside tasks.py.

    os.environ itself is left alone, so that no secret of .env leaks into children.
    """
    file = project / ".env"
    if not file.exists():
        return dict(os.environ)
    from dotenv import dotenv_values  # every inv starts here

    lower = {k: v for k, v in dotenv_values(file).items() if v is not None}
    return {**lower, **os.environ}


def load(project: Path = PROJECT) -> Settings:
    """Return [tool.qusto]; UsageProblem names the key that is wrong."""
    path = project / "pyproject.toml"
    table = tomlfile.read(path).get("tool", {}).get("qusto", {})
    return tomlfile.convert(table, Settings, where=f"{path.name} [tool.qusto]")
