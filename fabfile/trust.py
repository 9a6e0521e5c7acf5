"""fab trust."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pipeline import printable

from .targets import hosts_file, on_target

if TYPE_CHECKING:
    from pipeline.remote.inventory import Target


@on_target(
    fingerprint="SHA256:… that the host must answer with; several: separated by commas",
    yes="with --fingerprint: do not ask for confirmation of a new key",
)
def trust(target: Target, fingerprint: str = "", yes: bool = False) -> None:
    """Show the host key that each host answers with, and pin it in hosts.toml once confirmed.

    Where hosts.toml takes it from a variable, that variable is written into .env.
    Compare the fingerprint with the server's own first, on its console:
    `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`. --yes needs --fingerprint. A key that has
    changed is pinned only after the environment's name was typed. Exit: 0 pinned, 2 not confirmed
    or hosts.toml cannot be edited safely, 13 no answer or another fingerprint.
    """
    from pipeline import settings
    from pipeline.release import guards
    from pipeline.remote import trust as trusting

    wanted = trusting.fingerprints(fingerprint)
    guards.require_trust_options(fingerprint, yes=yes)
    answers = trusting.ask(target)
    sys.stdout.write(
        "".join(f"{printable.line(trusting.described(answer))}\n" for answer in answers)
    )
    sys.stdout.flush()
    trusting.require_fingerprints(answers, wanted)
    if all(answer.state == "pinned" for answer in answers):
        return
    changed = any(answer.state == "changed" for answer in answers)
    path, dotenv = hosts_file(settings.environment()), settings.PROJECT / ".env"
    where = trusting.place(target, path, dotenv, os.environ)
    sys.stdout.write(f"to be written to {where}\n")
    sys.stdout.flush()
    guards.confirm_trust(target.environment, changed=changed, yes=yes)
    sys.stdout.write(f"{trusting.pin(target, answers, path, dotenv)}\n")
