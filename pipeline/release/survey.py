"""What is on a host before anything is changed: one read-only script, and its answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.errors import Problem, Unreachable, UsageProblem
from pipeline.release import naming, shell, sudo
from pipeline.release.activation import TERMINAL
from pipeline.release.layout import Layout
from pipeline.release.sudo import Rule


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of history.jsonl."""

    id: str
    kind: str
    to: str
    before: str = msgspec.field(name="from")
    version: str = ""
    commit: str = ""
    by: str = ""
    migrations: str = ""
    digest: str = ""
    pending: tuple[str, ...] = ()
    """The migrations that it was to run."""
    overruled: tuple[str, ...] = ()
    """The guards that were overruled, as options of `fab deploy`."""
    phases: tuple[tuple[str, int], ...] = ()
    """What it went through, and when, in hundredths of a second since the host's boot."""
    started: str = ""
    finished: str = ""
    outcome: str = ""
    reason: str = ""
    downtime: float | None = None


@dataclass(frozen=True)
class Survey:
    """One host as it was found. Disk space is in KiB."""

    clock: str
    current: str
    releases: tuple[str, ...]
    backups: tuple[str, ...]
    failed: frozenset[str]
    history: tuple[Entry, ...]
    phase: str
    activating: bool
    ready: bool
    disk: int
    inodes: int
    have: frozenset[str]
    arch: str
    service: dict[str, str]
    epoch: float = 0
    libc: str = ""
    sudo: tuple[Rule, ...] = ()
    sudo_said: str = ""
    """Why sudo gave no list."""
    journal: dict[str, str] = field(default_factory=dict)
    versions: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unwritable: tuple[str, ...] = ()
    """Directories of setup that are there and cannot be written, each with the reason."""
    silent: str = ""
    """Why systemd did not answer; the service and a running activation are unknown then."""
    contents: str = ""
    """What the serving release consists of, as difference.known reads it, if it was asked for."""
    backups_disk: int | None = None
    """What is free where the backups lie, in KiB, if that is another file system."""
    dumps: dict[str, int] = field(default_factory=dict)
    """Release → bytes of the database's dump from before its migrations."""

    @property
    def names(self) -> frozenset[str]:
        """The name of every release that is here, so that a new one is greater than all."""
        return frozenset({*self.releases, *self.backups})

    @property
    def used(self) -> frozenset[str]:
        """Every name that the history knows, so that a new one is another."""
        return frozenset(entry.to for entry in self.history)


def script(
    layout: Layout,
    holder: str = "",
    history: int = 400,
    silence: float = 0,
    *,
    contents: bool = False,
) -> str:
    """Return the script whose output `parse` reads; `history` is a number of lines.

    With `contents` it also tells what the serving release consists of.

    With a `holder` (who takes the lock, and for what) it takes the lock first, prints `held` when
    all is said, and holds the lock until its input ends or says nothing for `silence` seconds; it
    exits 75 when the lock is taken.
    """
    asked = ("survey", "contents") if contents else ("survey",)
    return shell.render(
        *(("lock", *asked, "hold") if holder else asked),
        BASE=str(layout.base),
        BACKUPS=str(layout.backups),
        SERVICE=layout.service,
        UNIT=layout.activation_unit,
        LINES_OF_HISTORY=history,
        HOLDER=holder,
        SILENCE=silence,
    )


def parse(lines: Iterable[str]) -> Survey:
    """Return the survey in the script's output; lines of other tools are passed over."""
    found: dict[str, list[str]] = {}
    for line in lines:
        word, _, rest = line.rstrip("\n").partition("\t")
        found.setdefault(word, []).append(rest)

    def one(word: str, default: str = "") -> str:
        return found.get(word, [default])[-1]

    manifests = dict(text.split("\t", 1) for text in found.get("manifest", []) if "\t" in text)
    current = one("current").removeprefix("releases/")
    problems = list(found.get("problem", []))
    if current and not naming.is_name(current):
        problems.append(f"`current` leads to {current}, which is no release of ours")
    return Survey(
        clock=one("clock"),
        current=current if naming.is_name(current) else "",
        releases=_names(found.get("release", [])),
        backups=_names(found.get("backup", [])),
        failed=frozenset(found.get("failed", [])),
        history=tuple(entry for text in found.get("history", []) if (entry := _entry(text))),
        phase=one("phase"),
        activating="activating" in found,
        ready="ready" in found,
        disk=int(one("disk", "0") or 0),
        inodes=int(text) if (text := one("inodes", "0")).isdigit() else 0,
        have=frozenset(found.get("have", [])),
        arch=one("arch"),
        service=dict(text.split("=", 1) for text in found.get("unit", []) if "=" in text),
        epoch=float(text) if (text := one("epoch")).isdigit() else 0,
        libc=one("libc"),
        sudo=sudo.rules(found.get("sudo", [])),
        sudo_said=one("sudo-said"),
        backups_disk=int(text) if (text := one("backups-disk")).isdigit() else None,
        journal=dict(text.split("\t", 1) for text in found.get("journal", []) if "\t" in text),
        versions={name: _json(text) for name, text in manifests.items()},
        problems=tuple(problems),
        unwritable=tuple(found.get("unwritable", [])),
        silent=one("silent"),
        contents=one("contents"),
        dumps={
            name: int(size)
            for text in found.get("dump", [])
            for name, _, size in [text.partition("\t")]
            if naming.is_name(name) and size.isdigit()
        },
    )


def left_open(survey: Survey) -> bool:
    """Tell whether an activation began here, never ended, and is not running any more."""
    running = survey.activating or survey.silent  # what is not known may run
    return bool(survey.phase) and survey.phase not in TERMINAL and not running


def since(survey: Survey) -> str:
    """Return what became of the release that was kept last and is linked; nothing if it runs on.

    Its own process is known by the InvocationID that it had when it was kept.
    """
    journal, service = survey.journal, survey.service
    if survey.silent or survey.phase != "kept" or journal.get("to") != survey.current:
        return ""
    state = service.get("ActiveState", "")
    restarts = service.get("NRestarts", "0")
    parts = []
    if state and state != "active":
        parts.append(f"it does not run now ({state}, {service.get('SubState', '')})")
    if restarts.isdigit() and int(restarts):
        parts.append(f"it ended and was restarted {restarts} times")
    after, now = journal.get("after", ""), service.get("InvocationID", "")
    if state == "active" and not parts and after and now and after != now:
        parts.append("the service was started again, by hand or by a reboot")
    return "; ".join(parts)


def serving_stack(history: Iterable[Entry]) -> list[str]:
    """Return what served, oldest first, the serving release last, as `back` understands it.

    A kept deploy is laid on top. A kept rollback to a release in the stack takes off what lay
    above it, so that going back twice goes two releases back; what was rolled back from, or
    never kept, is never gone back to (research/deploy.md section 2.5).
    """
    stack: list[str] = []
    history = list(history)
    # Kept, and then rolled back while it was watched.
    undone = {(entry.id, entry.to) for entry in history if entry.outcome.startswith("roll")}
    for entry in history:
        if entry.outcome != "kept" or (entry.id, entry.to) in undone:
            continue
        if not stack and entry.before:
            stack.append(entry.before)
        if entry.kind == "rollback" and entry.to in stack:
            del stack[stack.index(entry.to) + 1 :]
        elif not stack or stack[-1] != entry.to:
            stack.append(entry.to)
    return stack


def ended(history: Iterable[Entry]) -> list[Entry]:
    """Return one entry for each activation: its outcome, or `begun` where there is none (yet)."""
    last = {entry.id: entry for entry in history}
    return list(last.values())


def left_applied(history: Iterable[Entry], to: str) -> list[str]:
    """Return the migrations of deploys newer than the release `to`: going back undoes none.

    Those of a deploy that failed may be applied too, as far as it came.
    """
    deploys = [entry for entry in ended(history) if entry.kind == "deploy"]
    names = [entry.to for entry in deploys]
    # By the order of what happened: names may run ahead of the clock.
    newer = (
        deploys[names.index(to) + 1 :]
        if to in names
        else [entry for entry in deploys if entry.to > to]
    )
    sure = {name for entry in newer if entry.outcome == "kept" for name in entry.pending}
    found = dict.fromkeys(name for entry in newer for name in entry.pending if _is_named(name))
    return [name if name in sure else f"{name} (of a failed deploy)" for name in found]


def _is_named(migration: str) -> bool:
    """Tell a migration's name from what stands in its place where none could be read."""
    return not migration.startswith("(")


def predecessor(survey: Survey) -> str:
    """Return what served before the serving release and is still there; empty if nothing."""
    available = {*survey.releases, *survey.backups} - survey.failed
    stack = serving_stack(survey.history)
    if survey.current in stack:
        del stack[stack.index(survey.current) :]
    return next((name for name in reversed(stack) if name in available), "")


def digest_of(survey: Survey, name: str) -> str:
    """Return the digest of the list of release `name`, "" where nobody knows it.

    By the deploy that brought it; its own manifest may be as damaged as the rest.
    """
    for entry in survey.history:
        if entry.kind == "deploy" and entry.to == name and entry.digest:
            return entry.digest
    return str(survey.versions.get(name, {}).get("digest", ""))


def require_ready(survey: Survey, where: str, environment: str) -> None:
    """Refuse a host that setup has not prepared, or whose `current` is not ours.

    Raises Unreachable where that is not known.
    """
    require_answer(survey.silent, where)
    if survey.problems:
        raise UsageProblem(f"{where}: {survey.problems[0]}", remedy="move it away by hand first")
    if survey.unwritable:
        raise Problem(f"{where} cannot be written: {survey.unwritable[0]}")
    state = survey.service.get("LoadState", "")
    if survey.ready and state not in ("loaded", "not-found", ""):
        raise UsageProblem(
            f"{where}: the service unit of {environment} is {state}",
            remedy=f"as root: systemctl unmask it, then `fab -H {environment} setup`"
            if state == "masked"
            else f"`fab -H {environment} setup` writes it anew",
        )
    if not survey.ready or state != "loaded":
        missing = "directories" if not survey.ready else "service unit"
        raise UsageProblem(
            f"{where} is not set up for {environment}: no {missing}",
            remedy=f"run `fab -H {environment} setup` once",
        )


def require_answer(silent: str, where: str) -> None:
    """Raise Unreachable for a host whose systemd did not answer; `silent` is why."""
    if silent:
        raise Unreachable(
            f"{where}: systemd does not answer there: {silent}",
            remedy="whether the service runs is not known; `systemctl status` on the host",
        )


def _names(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in texts if naming.is_name(name)))


def _entry(text: str) -> Entry | None:
    """Return the entry, or nothing for a line that a full disk or a power cut left incomplete."""
    try:
        return msgspec.json.decode(text, type=Entry)
    except msgspec.DecodeError:
        return None


def _json(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
