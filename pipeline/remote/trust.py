"""`fab trust`: the host keys that are answered with, compared with the known ones, and pinned."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dotenv import set_key

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import connection, inventory, keys, known_hosts, pins, sshconfig
from pipeline.remote.inventory import Environment, Host, Target
from pipeline.remote.known_hosts import Known

State = Literal["pinned", "known", "new", "changed", "revoked"]


@dataclass(frozen=True)
class Answer:
    """The key that one host answered with; `expected` are fingerprints of the keys known for it.

    `state` is pinned (in hosts.toml), known (in known_hosts), new, changed, or revoked (in
    known_hosts: it is never pinned).
    """

    host: Host
    line: str
    fingerprint: str
    state: State
    expected: tuple[str, ...]


def ask(target: Target) -> list[Answer]:
    """Ask every host for its key; nothing is sent to any, not even a user name.

    Raises Unreachable for one that does not answer.
    """
    return [_answer(target.environment, host) for host in target.hosts]


def described(answer: Answer) -> str:
    """Return what there is to say of an answer, in lines for people."""
    says = {
        "pinned": "as pinned in hosts.toml",
        "known": "as in known_hosts; not pinned in hosts.toml",
        "new": "not known yet",
        "revoked": "REVOKED! A known_hosts file says that this key is not to be used any more",
        "changed": "CHANGED! It is not the key that is known for this host",
    }
    lines = [
        f"{answer.host}: {says[answer.state]}",
        f"    {answer.line}",
        f"    answered {answer.fingerprint}",
    ]
    if answer.state == "changed":
        lines += [f"    expected {fingerprint}" for fingerprint in answer.expected]
        lines.append("    If nobody reinstalled it, someone may be answering in its place.")
    return "\n".join(lines)


def fingerprints(given: str) -> frozenset[str]:
    """Return the SHA256:… texts in `given`, separated by commas. Raises UsageProblem."""
    texts = frozenset(text.strip().rstrip("=") for text in given.split(",") if text.strip())
    if given and not (texts and all(text.startswith("SHA256:") for text in texts)):
        raise UsageProblem(
            f"--fingerprint={given} is not one", remedy="write it as ssh-keygen -lf does: SHA256:…"
        )
    return texts


def require_fingerprints(answers: Sequence[Answer], wanted: frozenset[str]) -> None:
    """Raise Unreachable unless every host answered with one of `wanted`; none wanted, any will.

    A revoked key is refused, whatever is wanted.
    """
    for answer in answers:
        if answer.state == "revoked":
            raise Unreachable(
                f"{answer.host} answers with a revoked key; not pinned",
                remedy="if that is a mistake, take the @revoked line out of known_hosts",
            )
        if wanted and answer.fingerprint not in wanted:
            raise Unreachable(
                f"{answer.host} answers with the key {answer.fingerprint}, which --fingerprint "
                "does not name; not pinned",
                remedy="someone may be answering in its place, or the fingerprint is another's",
            )


def place(target: Target, path: Path, dotenv: Path, variables: Mapping[str, str]) -> str:
    """Return where `pin` will write, for people. Raises UsageProblem where it could not."""
    name = pins.variable(_text(path), target.environment.name)
    if not name:
        return path.name
    if name in variables:
        raise UsageProblem(
            f"`host_key` comes from {name}, which is set in this environment; it would win over "
            f"{dotenv.name}, so nothing was pinned",
            remedy=f"set {name} where it comes from, or unset it here",
        )
    return f"{dotenv} as {name}"


def pin(target: Target, answers: Sequence[Answer], path: Path, dotenv: Path) -> str:
    """Pin the answers in hosts.toml at `path`, whole or not at all; return the line now in it.

    Where `host_key` is a variable there, that variable is set in the file `dotenv`. Raises
    UsageProblem, with the line to write by hand, where a file cannot be edited safely.
    """
    environment = target.environment
    every = [inventory.host_of(text, environment, path) for text in environment.hosts]
    wanted = pins.merged(environment, every, {a.host: a.line for a in answers})
    text = _text(path)
    if name := pins.variable(text, environment.name):
        value = "\n".join(wanted)
        try:
            set_key(dotenv, name, value, follow_symlinks=True)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageProblem(
                f"{dotenv} cannot be written: {error}",
                remedy=f"set {name} by hand:",
                detail=value,
            ) from None
        return f"{dotenv.name}: {name}='{value}'"
    _replace(path, pins.rewritten(text, environment.name, wanted))
    return f"hosts.toml [{environment.name}]: {pins.setting(wanted)}"


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # line ends stay as they are
        return file.read()


def _answer(environment: Environment, host: Host) -> Answer:
    route = sshconfig.route(environment, host)
    pinned = connection.pins_for(environment, host)
    # Of a host with several keys, the one that is compared is of a type that is known.
    known = known_hosts.read(route.known_hosts, route.known_as)
    expected = Known(tuple(pinned)) if pinned or environment.host_keys else known
    key = connection.answered_key(environment, host, expected)
    state: State = "new"
    if key.asbytes() in known.revoked:
        state = "revoked"
    elif expected.keys:
        same = key.asbytes() in {each.blob for each in expected.keys}
        state = "changed" if not same else "pinned" if pinned else "known"
    return Answer(
        host=host,
        line=keys.public_line(key),
        fingerprint=keys.fingerprint(key),
        state=state,
        expected=tuple(keys.fingerprint_of(each.line) for each in expected.keys),
    )


def _replace(path: Path, text: str) -> None:
    """Write the file whole or not at all; a link stays one, the mode stays."""
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(name).chmod(target.stat().st_mode & 0o7777)
        Path(name).replace(target)
    finally:
        Path(name).unlink(missing_ok=True)
