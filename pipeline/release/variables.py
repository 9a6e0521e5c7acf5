"""`fab env.list`, `env.set`, `env.unset`: the environment file of the service on every host.

Values are read from the host into memory, edited there and sent back on standard input; what is
returned, and printed, are names.
"""

import getpass
import hashlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import Problem, UsageProblem
from pipeline.release import envfile, shell
from pipeline.release import fleet as fleets
from pipeline.release import setup as provisioning
from pipeline.release.envfile import Variable
from pipeline.release.fleet import Fleet, Member
from pipeline.remote import execute
from pipeline.remote.inventory import Target

_CHANGED_MEANWHILE = 4


# Read by the loader, the shell, the BEAM or the release script before the application is: each can
# change what runs, or undo what the unit sets (RELEASE_TMP keeps computed secrets out of releases).
_STARTS = re.compile(
    r"LD_.*|GLIBC_TUNABLES|PATH|HOME|SHELL|IFS|ENV|BASH_ENV|LANG|LC_.*|RELEASE_(?!COOKIE$).*|ERL_.*"
    r"|ELIXIR_ERL_OPTIONS|ROOTDIR|BINDIR|EMU|NOTIFY_SOCKET|LISTEN_.*|PHX_SERVER"
)


@dataclass(frozen=True)
class Names:
    """The variables in one host's environment file, by name."""

    host: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Edited:
    """What became of one host's environment file, by name; `file` is its path there."""

    host: str
    file: str
    changed: tuple[str, ...]
    same: tuple[str, ...]


@dataclass(frozen=True)
class _Read:
    member: Member
    text: str
    variables: list[Variable]


def names_of(text: str) -> tuple[str, ...]:
    """Return the names in NAME[,NAME…]; UsageProblem for one that no variable can have."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if not envfile.NAME.fullmatch(name):
            shown = name.split("=")[0]
            raise UsageProblem(
                f"{shown!r} is not the name of a variable"
                if shown == name
                else f"{shown}=… on the command line, where others can see it, is not taken",
                remedy="name only the variable; the value comes from a prompt, stdin or --from",
            )
    if not names:
        raise UsageProblem("no variable is named", remedy="NAME or NAME,NAME")
    return names


def starting(names: Sequence[str]) -> list[str]:
    """Return those of `names` that decide how the service is started, not what it is told."""
    return [name for name in names if _STARTS.fullmatch(name)]


def values_of(names: Sequence[str], file: Path | None) -> dict[str, str]:
    """Return a value for each of `names`: from `file`, else a prompt, else standard input.

    A file is read as systemd reads an environment file; standard input holds NAME=value lines,
    the value verbatim to the end of its line. Raises UsageProblem for a name without a value.
    """
    if file is not None:
        source, known = f"--from={file}", _from_file(file)
    elif sys.stdin.isatty():
        return {name: _prompted(name) for name in names}
    else:
        source, known = "standard input", _from_lines(sys.stdin.read())
    if missing := [name for name in names if name not in known]:
        raise UsageProblem(
            f"{source} holds no value of {', '.join(missing)}", remedy="NAME=value, one a line"
        )
    for name in names:
        envfile.require_value(name, known[name])
    return {name: known[name] for name in names}


def listed(target: Target) -> list[Names]:
    """Return the names in every host's environment file."""
    with fleets.connected(target, user=target.environment.setup_user) as fleet:
        return [
            Names(str(read.member), tuple(dict.fromkeys(v.name for v in read.variables)))
            for read in _read(fleet)
        ]


def assign(target: Target, wanted: Mapping[str, str]) -> list[Edited]:
    """Set `wanted` on every host; a file that already says so is not written."""
    with fleets.connected(target, user=target.environment.setup_user) as fleet:
        found = _read(fleet, strict=True)

        def one(read: _Read) -> Edited:
            now = {variable.name: variable.value for variable in read.variables}
            new = {name: value for name, value in wanted.items() if now.get(name) != value}
            _write(fleet, read, envfile.edit(read.text, read.variables, new, frozenset()))
            same = tuple(name for name in wanted if name not in new)
            return Edited(str(read.member), str(fleet.layout.env_file), tuple(new), same)

        return fleets.each(one, found)


def remove(target: Target, names: Sequence[str]) -> list[Edited]:
    """Take `names` out on every host. UsageProblem, before any change, for one that is on none."""
    with fleets.connected(target, user=target.environment.setup_user) as fleet:
        found = _read(fleet)
        held = {variable.name for read in found for variable in read.variables}
        if absent := [name for name in names if name not in held]:
            raise UsageProblem(
                f"{', '.join(absent)} is not in {fleet.layout.env_file}; nothing was changed",
                remedy="`env.list` names what is there",
            )

        def one(read: _Read) -> Edited:
            here = {variable.name for variable in read.variables}
            gone = tuple(name for name in names if name in here)
            _write(fleet, read, envfile.edit(read.text, read.variables, {}, frozenset(gone)))
            absent = tuple(name for name in names if name not in here)
            return Edited(str(read.member), str(fleet.layout.env_file), gone, absent)

        return fleets.each(one, found)


def _read(fleet: Fleet, *, strict: bool = False) -> list[_Read]:
    path = str(fleet.layout.env_file)
    script = provisioning.as_root(
        fleet.environment, shell.assignments({"FILE": path}) + '[ ! -e "$FILE" ] || cat "$FILE"\n'
    )

    def one(member: Member) -> _Read:
        ended = execute.sh(member.connection, script, timeout=60)
        if ended.code:
            raise Problem(f"{member}: {path} cannot be read", detail=ended.err)
        if "\ufffd" in ended.out:
            raise Problem(f"{member}: {path} is not UTF-8", remedy="put that right by hand")
        return _Read(
            member, ended.out, envfile.parse(ended.out, f"{member}: {path}", strict=strict)
        )

    return fleets.each(one, fleet.members)


def _write(fleet: Fleet, read: _Read, text: str) -> None:
    if text == read.text:
        return
    script = shell.render(
        "trusted",
        "env-write",
        ROOT=str(fleet.layout.root),
        ENV_FILE=str(fleet.layout.env_file),
        SEEN=_digest(read.text),
        WANTED=_digest(text),
    )
    ended = execute.sh(
        read.member.connection,
        provisioning.as_root(fleet.environment, script),
        stdin=text.encode(),
        timeout=60,
    )
    if ended.code:
        remedy = "run the command again" if ended.code == _CHANGED_MEANWHILE else ""
        where = f"{read.member}: {fleet.layout.env_file}"
        raise Problem(f"{where} was not changed", remedy=remedy, detail=ended.err)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _prompted(name: str) -> str:
    value = getpass.getpass(f"{name} (not shown): ")
    if not value:
        raise UsageProblem(
            f"no value was given for {name}; nothing was changed",
            remedy=f"`{name}=` on standard input sets it to nothing",
        )
    envfile.require_value(name, value)
    return value


def _from_file(path: Path) -> dict[str, str]:
    where = f"--from={path}"
    try:
        text = envfile.decoded(path.expanduser().read_bytes(), where)
    except OSError as error:
        raise UsageProblem(f"{where} cannot be read: {error.strerror}") from None
    return {found.name: found.value for found in envfile.parse(text, where, strict=True)}


def _from_lines(text: str) -> dict[str, str]:
    pairs = (line.removesuffix("\r").partition("=") for line in text.split("\n"))
    return {name.strip(): value for name, equals, value in pairs if equals}
