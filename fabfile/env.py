"""fab env.list, env.set, env.unset: the environment file of the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import formats, redaction

from .targets import on_target

if TYPE_CHECKING:
    from pipeline.remote.inventory import Target


@on_target(format="text or json")
def names(target: Target, format: str = "text") -> None:
    """List the variables in the service's environment file, by name; values are never shown.

    Logs in as `setup_user` of hosts.toml, as `setup` does: the file is root's.
    """
    from pipeline.release import present, variables

    rows = variables.listed(target)
    formats.print_json(rows) if format == "json" else present.names(rows)


@on_target(
    names="NAME or NAME,NAME",
    from_="local environment file that holds the values",
    yes="do not ask for confirmation",
)
def assign(target: Target, names: str, from_: str = "", yes: bool = False) -> None:
    """Set variables in the service's environment file; the service must be restarted to see them.

    The values come from a prompt that shows nothing; from standard input, where that is no
    terminal: NAME=value lines, verbatim; or with --from from a file in systemd's form. Never from
    the command line, which every user of a machine can read. Logs in as `setup_user`.
    """
    from pipeline.release import guards, present, variables

    wanted = variables.names_of(names)
    guards.confirm(target.environment, "env.set", yes=yes)
    guards.confirm_variables(variables.starting(wanted), yes=yes)
    values = variables.values_of(wanted, Path(from_) if from_ else None)
    redaction.learn(values.values())
    present.edited(variables.assign(target, values), target.environment.name, verb="set")


@on_target(names="NAME or NAME,NAME", yes="do not ask for confirmation")
def unset(target: Target, names: str, yes: bool = False) -> None:
    """Take variables out of the service's environment file; effective with the next restart."""
    from pipeline.release import guards, present, variables

    wanted = variables.names_of(names)
    guards.confirm(target.environment, "env.unset", yes=yes)
    present.edited(variables.remove(target, wanted), target.environment.name, verb="removed")
