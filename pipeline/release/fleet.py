"""The hosts of one command: connected together, surveyed together, locked together."""

import getpass
import json
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from fabric import Connection
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pipeline.errors import Locked, Problem, Unreachable, UsageProblem
from pipeline.release import layout as layouts
from pipeline.release import shell
from pipeline.release import survey as surveys
from pipeline.release.layout import Layout
from pipeline.release.survey import Survey
from pipeline.remote import connection as connections
from pipeline.remote import execute, translation
from pipeline.remote.inventory import Environment, Host, Target

T = TypeVar("T")
A = TypeVar("A")

_LOCK_POLL = 1.0
"""Seconds between two attempts to take a lock."""

SILENCE = 30
"""Seconds without a sign of life after which a host frees the lock of a client."""

TAKEN = 75
"""Exit status of the server's scripts when the lock, or the activation's unit, is taken."""

LOST = 76
"""Exit status of launch.sh when the lock is not ours any more."""

NO_ROOM = 77
"""Exit status of launch.sh when the activation could not be written down: a full disk."""


@dataclass(frozen=True)
class Member:
    """One connected host."""

    host: Host
    connection: Connection

    def __str__(self) -> str:
        """Return the host's name."""
        return str(self.host)


@dataclass(frozen=True)
class Fleet:
    """The connected hosts of an environment; the first one runs the migrations."""

    environment: Environment
    layout: Layout
    members: tuple[Member, ...]
    token: str = ""
    """What tells the locks of this command from those of any other."""


@contextmanager
def connected(target: Target, user: str = "") -> Iterator[Fleet]:
    """Connect to every host at once; close all at the end. Raises the first host's Problem."""
    environment = target.environment
    with ExitStack() as stack:

        def open_one(host: Host) -> Member:
            connection = connections.connect(environment, host, user)
            stack.callback(connection.close)
            return Member(host, connection)

        members = each(open_one, target.hosts)
        _require_apart(environment, members)
        yield Fleet(environment, layouts.of(environment), tuple(members), secrets.token_hex(8))


def _require_apart(environment: Environment, members: Sequence[Member]) -> None:
    """Refuse two addresses of one machine: with one host key, one kernel and one set of processes.

    Clones of an image have the same host key, but not the rest.
    """
    keys = [member.connection.transport.get_remote_server_key().asbytes() for member in members]
    alike = [member for member, key in zip(members, keys, strict=True) if keys.count(key) > 1]
    seen: dict[str, Member] = {}
    for member, ran in zip(alike, each(_kernel, alike) if alike else [], strict=True):
        if ran and ran in seen:
            raise _same_machine(environment.name, member, str(seen[ran]))
        seen[ran] = member


def _kernel(member: Member) -> str:
    """Return what tells a running machine or container from any other; "" if it does not say."""
    script = "cat /proc/sys/kernel/random/boot_id && readlink /proc/self/ns/pid"
    said = execute.sh(member.connection, script)
    return said.out if said.code == 0 else ""


def _same_machine(name: str, member: Member, other: str) -> UsageProblem:
    return UsageProblem(
        f"hosts.toml [{name}]: {member} and {other} are one machine; nothing was touched",
        remedy="name it once in `hosts`",
    )


def each(work: Callable[[A], T], items: Sequence[A]) -> list[T]:
    """Run `work` on all items at once and return the results in their order.

    All are waited for. Of several Problems the first is raised, with the others in its detail.
    An item is a host, or what is known of one.
    """

    def one(item: A) -> T:
        with translation.boundary(str(item[0] if isinstance(item, tuple) else item)):
            return work(item)

    if len(items) == 1:
        return [one(items[0])]
    with ThreadPoolExecutor(max(1, len(items))) as pool:
        futures = [pool.submit(one, item) for item in items]
    errors = [error for future in futures if (error := future.exception())]
    problems = [error for error in errors if isinstance(error, Problem)]
    if problems and len(problems) == len(errors):
        first, *rest = problems
        first.detail = "\n".join(filter(None, [first.detail, *map(str, rest)]))
        raise first
    if errors:
        raise next(error for error in errors if not isinstance(error, Problem))
    return [future.result() for future in futures]


def each_surveyed(
    fleet: Fleet, found: Sequence[Survey], work: Callable[[Member, Survey], T]
) -> list[T]:
    """Run `work` on all members at once, each with its own survey; as `each` does."""
    pairs = list(zip(fleet.members, found, strict=True))
    return each(lambda pair: work(*pair), pairs)


def survey(fleet: Fleet, history: int = 400, *, contents: bool = False) -> list[Survey]:
    """Return what is on every host, with so many records of its history; changes nothing.

    With `contents`, also what the serving release consists of.
    """
    script = surveys.script(fleet.layout, history=history, contents=contents)

    def one(member: Member) -> Survey:
        ended = execute.sh(member.connection, script)
        if ended.code:
            raise Unreachable(
                f"{member}: it could not be looked at (exit {ended.code})", detail=ended.err
            )
        return _parsed(member, ended.out.splitlines())

    return each(one, fleet.members)


def _parsed(member: Member, lines: Sequence[str]) -> Survey:
    try:
        return surveys.parse(lines)
    except ValueError as error:
        raise Unreachable(
            f"{member}: what it says of itself cannot be understood: {error}",
            detail="\n".join(lines[-20:]),
        ) from None


@contextmanager
def locked(
    fleet: Fleet, command: str, *, wait: float = 0, contents: bool = False
) -> Iterator[list[Survey]]:
    """Hold every host's lock during the block and yield the surveys taken under it.

    With `contents` they tell also what the serving release consists of.

    The first host is locked before the others, so of two commands one wins everywhere.
    The kernel of the host holds the lock for our open channel: it is free when we end, however
    we end, SILENCE seconds after our machine or the line has vanished. A lock that is taken is
    asked for again for `wait` seconds. Raises Locked with the holder's name, or UsageProblem for a
    host without setup.
    """
    script = surveys.script(
        fleet.layout,
        holder=_holder(command, fleet.token),
        silence=SILENCE,
        contents=contents,
    )
    for attempt in Retrying(
        stop=stop_after_delay(wait),
        wait=wait_fixed(_LOCK_POLL),
        retry=retry_if_exception_type(Locked),
        reraise=True,
    ):
        with attempt, ExitStack() as taking:
            found = _take(fleet, script, taking)
            held = taking.pop_all()
    with held:
        yield found


def change(
    fleet: Fleet, member: Member, script: str, *, stdin: bytes = b"", timeout: float = 60
) -> execute.Output:
    """Run a script that changes something on one host, if this command still holds the lock there.

    The script calls `own` before its last step (own.sh). Raises Locked when the lock was lost.
    """
    ended = execute.sh(member.connection, under_lock(fleet) + script, stdin=stdin, timeout=timeout)
    if ended.code == LOST:
        raise lost(str(member), fleet.environment.name)
    return ended


def under_lock(fleet: Fleet) -> str:
    """Return what goes in front of a script that changes something."""
    return shell.render("own", BASE=str(fleet.layout.base), TOKEN=fleet.token)


def lost(where: str, environment: str) -> Locked:
    """Return the error of a lock that is not ours any more."""
    return Locked(
        f"{where}: this command lost its lock of {environment} (nothing was heard of it for "
        f"{SILENCE} s, or somebody freed the lock); it changes nothing more there",
        remedy=f"`fab -H {environment} status`, then begin again",
    )


def require_idle(fleet: Fleet, found: Sequence[Survey]) -> None:
    """Refuse hosts on which an activation is running that lost its client. Raises Locked.

    One that has kept its release and goes on watching it gives way to the next (put_right).
    """
    for member, seen in zip(fleet.members, found, strict=True):
        if seen.activating and seen.phase != "kept":
            raise Locked(
                f"{member}: an activation of {fleet.environment.name} is still running there",
                remedy="its command was cut off, but the server ends it by itself, keeping or "
                f"rolling back; `fab -H {fleet.environment.name} attach` takes it up again",
            )


def operator() -> str:
    """Return who runs this command: user@machine, or the actor of a CI run."""
    actor = os.environ.get("GITHUB_ACTOR")
    if actor:
        return f"{actor} (CI run {os.environ.get('GITHUB_RUN_ID', '?')})"
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _take(fleet: Fleet, script: str, stack: ExitStack) -> list[Survey]:
    def one(member: Member) -> Survey:
        held = execute.Held(member.connection, script, SILENCE / 6)
        stack.callback(held.release)
        if not held.held:
            raise _refusal(fleet, member, held)
        return _parsed(member, held.lines)

    first = one(fleet.members[0])
    others = each(one, fleet.members[1:]) if fleet.members[1:] else []
    found = [first, *others]
    for member, seen in zip(fleet.members, found, strict=True):
        surveys.require_ready(seen, str(member), fleet.environment.name)
    return found


def taken(where: str, environment: str, details: str) -> Locked:
    """Return the error of a lock that somebody else holds."""
    return Locked(
        f"{where}: {environment} is locked by {details}",
        remedy="wait for it (--lock-wait SECONDS); the lock is freed with it, also when it is "
        f"cut off; `fab -H {environment} unlock` tells more",
    )


def _holder(command: str, token: str) -> str:
    since = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"by": operator(), "since": since, "command": command, "token": token})


def _refusal(fleet: Fleet, member: Member, held: execute.Held) -> Problem:
    name = fleet.environment.name
    if held.code == TAKEN:
        text = next((line[7:] for line in held.lines if line.startswith("locked\t")), "")
        try:
            who = json.loads(text)
            if who.get("token") == fleet.token:
                raise _same_machine(name, member, "another host of it")
            details = f"{who['by']} since {who['since']}, running `{who['command']}`"
        except (ValueError, KeyError, TypeError, AttributeError):
            details = "someone else"
        return taken(str(member), name, details)
    if any(line.startswith("unready\t") for line in held.lines):
        return UsageProblem(
            f"{member} is not set up for {name}: {fleet.layout.deploy} is not there",
            remedy=f"run `fab -H {name} setup` once",
        )
    said = held.error.strip().splitlines() or [f"exit {held.code}"]
    return Problem(
        f"{member}: the lock could not be taken: {said[-1]}",
        detail="\n".join(said[:-1]),
    )
