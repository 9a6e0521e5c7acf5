"""fab keys.rotate: another key for the deploy user."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import formats, redaction

from .targets import on_target

if TYPE_CHECKING:
    from pipeline.remote.inventory import Target


@on_target(
    to="file of the new private key (ssh-keygen -t ed25519 -f FILE)",
    encrypted="the new key has a passphrase, which is asked for",
    yes="do not ask for confirmation",
    format="text or json",
)
def rotate(
    target: Target, to: str, encrypted: bool = False, yes: bool = False, format: str = "text"
) -> None:
    """Replace the deploy user's key: add the new one, log in with it, take the old one away.

    On all hosts of the environment or on none; the old key stays until the new one has logged in
    everywhere. Other keys of the deploy user stay. Afterwards hosts.toml, or the secret that it
    takes the key from, must name the new one. Exit: 0 rotated, 2 refused, 13 a host or the new key
    did not answer and all is as before.
    """
    from pipeline.release import guards, present, rotation

    guards.confirm(target.environment, "keys.rotate", yes=yes)
    secret = getpass.getpass("passphrase of the new key (not shown): ") if encrypted else ""
    redaction.learn([secret])
    say = present.narrator(format)
    done = rotation.rotate(target, Path(to), secret, say)
    if format == "json":
        formats.print_json(done)
    else:
        where = f"hosts.toml [{target.environment.name}]"
        sys.stdout.write(
            f"{target.environment.name}: {done.new} is the deploy key now, {done.old} is refused\n"
            f"give {where}, or the secret it takes the key from, the new key before the next use\n"
        )
