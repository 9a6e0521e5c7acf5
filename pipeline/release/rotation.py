"""`fab keys.rotate`: another deploy key, on every host or on none, and never a host without one.

Added everywhere beside the old key; proved by a log-in with it alone, everywhere; only then the
old one is taken away, over connections that the new one has opened.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from pipeline.errors import Problem, Unreachable, UsageProblem
from pipeline.release import fleet as fleets
from pipeline.release import shell
from pipeline.release.fleet import Fleet, Member
from pipeline.release.setup import public_key
from pipeline.release.steps import Steps
from pipeline.remote import connection as connections
from pipeline.remote import execute, inventory, keys
from pipeline.remote.inventory import Environment, Host, Target


@dataclass(frozen=True)
class Rotated:
    """The fingerprints of both keys, and the hosts that accept only the new one now."""

    old: str
    new: str
    hosts: list[str]


def rotate(target: Target, new_key: Path, passphrase: str, say: Steps) -> Rotated:
    """Replace the configured deploy key by the private key in the file `new_key`.

    Raises UsageProblem (a key that cannot be read, or is the old one) or Unreachable (a host, or
    the new key refused: the old one stays then, and what was added is taken away again).
    """
    environment = target.environment
    if not (environment.key or environment.key_file):
        raise UsageProblem(
            f"hosts.toml [{environment.name}] names no key, so nobody can say which one is the old",
            remedy="set `key` or `key_file` to the one in use",
        )
    after = msgspec.structs.replace(
        environment, key=_text(new_key), key_file="", key_passphrase=passphrase
    )
    old, new = public_key(environment), public_key(after)
    if old == new:
        raise UsageProblem(f"{new_key} is the key that {environment.name} uses already")
    with ExitStack() as stack:
        fleet = stack.enter_context(fleets.connected(target))
        stack.enter_context(fleets.locked(fleet, "keys.rotate"))
        changed: list[Member] = []
        try:
            with say.step("add") as step:
                _add(fleet, old, new, changed)
                step.note = f"{keys.fingerprint_of(new)} beside {keys.fingerprint_of(old)}"
            with say.step("prove") as step:
                proved = stack.enter_context(fleets.connected(Target(after, target.hosts)))
                fleets.each(_log_in, proved.members)
                step.note = "logged in with the new key alone, on every host"
        except BaseException as error:
            left = _undo(changed, old, new)
            if isinstance(error, Problem):
                error.detail = "\n".join(filter(None, [error.detail, left]))
            raise
        with say.step("remove") as step:
            _edit(proved.members, remove=old, keep=new)
            step.note = "the old key, over the connections of the new one"
    with say.step("check") as step:
        still = _accepting(target)
        if still:
            raise Problem(
                f"the old key is still accepted by {', '.join(still)}, beside the new one",
                remedy="is it in another file of AuthorizedKeysFile (sshd_config), or in an agent?",
            )
        step.note = "the old key is refused"
    hosts = [str(host) for host in target.hosts]
    return Rotated(keys.fingerprint_of(old), keys.fingerprint_of(new), hosts)


def shared_with(environment: Environment, others: Sequence[Environment]) -> list[str]:
    """Return the names of `others` whose deploy key is the one of `environment`.

    A key that cannot be read from here (another's, an agent's) is passed over.
    """

    def line(one: Environment) -> str:
        try:
            return public_key(one) if one.key or one.key_file else ""
        except UsageProblem:
            return ""

    own = line(environment)
    return [other.name for other in others if own and line(other) == own]


def _text(path: Path) -> str:
    try:
        return path.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"--to={path} cannot be read: {error}") from None


def _add(fleet: Fleet, old: str, new: str, changed: list[Member]) -> None:
    """Add `new` on every host; those where it was not there yet are noted in `changed`."""
    script = shell.render("authorize", ADD=new, BESIDE=old, REMOVE="", KEEP=old)

    def one(member: Member) -> None:
        if "changed" in _done(member, script, "the new key could not be added"):
            changed.append(member)

    fleets.each(one, fleet.members)


def _undo(changed: Sequence[Member], old: str, new: str) -> str:
    """Take away what was added; return what hindered that, for people."""
    try:
        _edit(changed, remove=new, keep=old)
    except Problem as problem:
        return f"the new key was not taken away again: {problem.message}"
    return ""


def _edit(members: Sequence[Member], *, remove: str, keep: str) -> None:
    script = shell.render("authorize", ADD="", BESIDE="", REMOVE=remove, KEEP=keep)
    name = keys.fingerprint_of(remove)
    fleets.each(
        lambda member: _done(member, script, f"the key {name} could not be removed"), list(members)
    )


def _done(member: Member, script: str, complaint: str) -> str:
    ended = execute.sh(member.connection, script, timeout=60)
    if ended.code:
        raise Problem(f"{member}: {complaint}", detail=ended.err)
    return ended.out


def _log_in(member: Member) -> None:
    if execute.sh(member.connection, "exit 0", timeout=60).code:
        raise Unreachable(f"{member}: the new key logs in, but runs no command")


def _accepting(target: Target) -> list[str]:
    """Return the hosts that still let the old key in."""

    def one(host: Host) -> str:
        try:
            connections.connect(target.environment, host).close()
        except Unreachable:
            return ""
        return str(host)

    return [name for name in fleets.each(one, target.hosts) if name]


def others(target: Target, path: Path, variables: Mapping[str, str]) -> list[str]:
    """Return the other environments of hosts.toml that use the same deploy key."""
    known = inventory.environments(path, variables)
    rest = [one for one in known if one.name != target.environment.name]
    return shared_with(target.environment, rest)
