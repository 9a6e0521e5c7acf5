"""`fab trust`: the host keys that are answered with, compared with the known ones, and pinned."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import connection, inventory, keys, pins
from pipeline.remote.inventory import Environment, Host, Target

State = Literal["pinned", "known", "new", "changed"]


@dataclass(frozen=True)
class Answer:
    """The key that one host answered with; `expected` are fingerprints of the keys known for it.

    `state` is pinned (in hosts.toml), known (in known_hosts), new, or changed.
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
    """Raise Unreachable unless every host answered with one of `wanted`; none wanted, any will."""
    for answer in answers:
        if wanted and answer.fingerprint not in wanted:
            raise Unreachable(
                f"{answer.host} answers with the key {answer.fingerprint}, which --fingerprint "
                "does not name; not pinned",
                remedy="someone may be answering in its place, or the fingerprint is another's",
            )


def pin(target: Target, answers: Sequence[Answer], path: Path) -> str:
    """Pin the answers in hosts.toml at `path`, whole or not at all; return the line now in it.

    Raises UsageProblem, with the line to write by hand, where the file cannot be edited safely.
    """
    environment = target.environment
    every = [inventory.host_of(text, environment, path) for text in environment.hosts]
    wanted = pins.merged(environment, every, {a.host: a.line for a in answers})
    _replace(path, pins.rewritten(_text(path), environment.name, wanted))
    return pins.setting(wanted)


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:  # line ends stay as they are
        return file.read()


def _answer(environment: Environment, host: Host) -> Answer:
    key = connection.answered_key(environment, host)
    pinned = [
        connection.pinned_key(line, environment)
        for line in connection.pinned_lines(environment, host)
    ]
    known = pinned or ([] if environment.host_keys else connection.known_keys(host))
    state: State = "new"
    if known:
        state = "changed" if key not in known else "pinned" if pinned else "known"
    return Answer(
        host=host,
        line=keys.public_line(key),
        fingerprint=keys.fingerprint(key),
        state=state,
        expected=tuple(keys.fingerprint(each) for each in known),
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
