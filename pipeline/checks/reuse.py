"""Which rows need not run, because they have passed with exactly what is there now.

The key of a row stands for the content of its inputs in the work tree, its command, and the
circumstances it runs in, and for the keys of the rows it needs. A pass is recorded only if the
key after the run is the key before it and no input was written to in between.
"""

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.checks import circumstances, globs, passes, worktree
from pipeline.checks.check import Check
from pipeline.checks.passes import Pass, Record
from pipeline.checks.plan import Planned
from pipeline.checks.verdicts import Judgement, Outcome, Verdict
from pipeline.checks.worktree import NoTree, Tree, shown

SCHEMA = "1"
"""What the keys below are made of; another number makes all passes on record void."""

_NAMED = 3
CLOCK = 0.02
"""Seconds by which a file system's clock may lag behind ours (a tick of the kernel)."""


@dataclass(frozen=True)
class Question:
    """What a row would be asked now; with `why_not` it has no answer from the past.

    `inputs` is path → git object id, `around` is circumstance → digest.
    """

    key: str
    inputs: Mapping[str, str]
    around: Mapping[str, str]
    why_not: str = ""


@dataclass(frozen=True)
class Memory:
    """The state of things before a run: what each row would be asked, and what passed before.

    `copy` is the application in a copy of the commit, where the checks run in one (snapshot.py).
    """

    app: Path
    place: Path
    tree: Tree
    began: float
    questions: Mapping[str, Question]
    records: Mapping[str, Record]
    copy: Path | None = None

    @property
    def where(self) -> Path:
        """The directory that the checks read."""
        return self.copy or self.app


def recall(
    app: Path, checks: Sequence[Check], environ: Mapping[str, str], *, tree: Tree | None = None
) -> Memory | NoTree:
    """Look at the work tree and the records; NoTree says why nothing can be reused here.

    `tree` is for a caller who has already read it.
    """
    began = time.time()
    place = worktree.records(app)
    if place is None:
        return NoTree("the application is in no git work tree")
    found = tree or worktree.read(app, environ)
    if isinstance(found, NoTree):
        return found
    if "mix.exs" not in found.ids:
        return NoTree("git ignores the application")
    questions = ask(app, checks, found, environ)
    records = {check.name: passes.load(place, check.name) for check in checks}
    return Memory(app, place, found, began, questions, records)


def ask(
    app: Path, checks: Sequence[Check], tree: Tree, environ: Mapping[str, str]
) -> dict[str, Question]:
    """Return the question of each row; `checks` hold the rows that others need before those."""
    shared = {k: _digest(v) for k, v in circumstances.shared(str(app), environ).items()}
    found: dict[str, Question] = {}
    for check in checks:
        mine = inputs(check, tree)
        around = shared | {k: _digest(v) for k, v in circumstances.own(check, app).items()}
        needed = {name: found[name] for name in check.needs if name in found}
        around |= {f"the check {name}": question.key for name, question in needed.items()}
        opaque = [path for path, value in mine.items() if value == worktree.UNKNOWABLE]
        why_not = f"git does not know the content of {shown(opaque[0])}" if opaque else ""
        why_not = why_not or circumstances.outside(check, app)
        why_not = why_not or next((f"{n}: {q.why_not}" for n, q in needed.items() if q.why_not), "")
        parts = [SCHEMA, check.name]
        for made_of in (mine, around):
            parts += ("", *(f"{name}\0{value}" for name, value in sorted(made_of.items())))
        found[check.name] = Question(_digest("\0\0".join(parts)), mine, around, why_not)
    return found


def inputs(check: Check, tree: Tree) -> dict[str, str]:
    """Return path → id of the files that are inputs of `check`."""
    wanted = globs.matcher(check.inputs)
    return {
        path: value
        for path, value in (*tree.ids.items(), *tree.ignored.items())
        if wanted(path)
        or (value == worktree.UNKNOWABLE and globs.may_lie_below(check.inputs, path))
    }


def settle(rows: Sequence[Planned], memory: Memory, *, now: float | None = None) -> list[Planned]:
    """Return the rows, those settled that have passed with the same question before."""
    at = time.time() if now is None else now
    found = []
    for row in rows:
        earlier = None if row.settled else _earlier(row.check, memory, at)
        found.append(replace(row, settled=_reused(row.check, earlier, at)) if earlier else row)
    return found


def until(rows: Sequence[Planned], memory: Memory) -> float:
    """Return the time at which the first of these reused rows is too old."""
    now = time.time()
    ends = [
        earlier.when + row.check.reuse_for
        for row in rows
        if row.check.reuse_for < math.inf and (earlier := _earlier(row.check, memory, now))
    ]
    return min(ends, default=math.inf)


def explain(row: Planned, memory: Memory, *, now: float | None = None) -> str:
    """Return in half a line why this row would run, or not."""
    at = time.time() if now is None else now
    check = row.check
    if row.settled:
        return f"{row.settled.verdict}: {row.settled.reason}"
    earlier = _earlier(check, memory, at)
    if earlier:
        return f"reused: {_reused(check, earlier, at).reason}"
    return f"run: {_why_run(check, memory)}"


def remember(
    memory: Memory,
    outcomes: Sequence[Outcome],
    checks: Sequence[Check],
    environ: Mapping[str, str],
) -> str:
    """Put the passes of a run on record; returns what hindered it, in half a line.

    What failed or is unknown has no pass with this question any more.
    """
    ran = [o for o in outcomes if o.verdict not in (Verdict.REUSED, Verdict.SKIPPED)]
    if not ran:
        return ""
    tree = memory.tree if memory.copy else worktree.read(memory.app, environ)
    after = {} if isinstance(tree, NoTree) else ask(memory.app, checks, tree, environ)
    rows = {check.name: check for check in checks}
    records: dict[str, Record] = {}
    for outcome in outcomes:
        name = outcome.check
        question, record = memory.questions[name], memory.records[name]
        if outcome.verdict in (Verdict.FAILED, Verdict.UNKNOWN):
            records[name] = passes.without(record, question.key)
        elif _steady(question, after.get(name), memory):
            left = _digest(circumstances.left_behind(rows[name], memory.where))
            if outcome.verdict is Verdict.PASSED:
                new = Pass(question.key, time.time(), outcome.reason, left)
                records[name] = passes.with_pass(record, new, question.inputs, question.around)
            elif outcome.verdict is Verdict.REUSED:
                # Who ran may have renewed what this row had made.
                records[name] = passes.with_left(record, question.key, left)
    try:
        passes.save(memory.place, ((n, r) for n, r in records.items() if r != memory.records[n]))
    except OSError as error:
        return f"the passes cannot be put on record in {memory.place}: {error.strerror}"
    return ""


def _earlier(check: Check, memory: Memory, now: float) -> Pass | None:
    question = memory.questions[check.name]
    if question.why_not:
        return None
    for known in memory.records[check.name].passes:
        if known.key == question.key and 0 <= now - known.when < check.reuse_for:
            same = known.left == _digest(circumstances.left_behind(check, memory.app))
            return known if same else None
    return None


def _why_run(check: Check, memory: Memory) -> str:
    question, record = memory.questions[check.name], memory.records[check.name]
    if check.reuse_for <= 0:
        return "it also asks the network or another commit, so it is never reused"
    if question.why_not:
        return question.why_not
    if not record.passes:
        return "has not passed here yet"
    if any(known.key == question.key for known in record.passes):
        if check.reuse_for != float("inf"):
            return f"its pass is older than {_age(check.reuse_for)}, or what it made has changed"
        return f"{', '.join(check.writes) or 'what it made'} has changed since it passed"
    changed = [
        name
        for old, new in ((record.inputs, question.inputs), (record.around, question.around))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]
    if not changed:
        return "it failed with this since it passed"
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return f"changed: {', '.join(map(shown, changed[:_NAMED]))}{more}"


def _steady(before: Question, after: Question | None, memory: Memory) -> bool:
    """Say whether nothing happened to the inputs while the run lasted."""
    if after is None or before.why_not or before.key != after.key:
        return False
    for name in before.inputs:
        try:
            found = (memory.where / name).lstat()
        except OSError:
            return False
        # Written to and put back: the check may have seen what lay between.
        if max(found.st_mtime, found.st_ctime) > memory.began - CLOCK:
            return False
    return True


def _reused(check: Check, earlier: Pass, now: float) -> Judgement:
    day, today = (time.strftime("%Y-%m-%d", time.localtime(at)) for at in (earlier.when, now))
    clock = time.strftime("%H:%M:%S", time.localtime(earlier.when))
    when = clock if day == today else f"{day} {clock}"
    what = f", {earlier.reason}" if earlier.reason else ""
    until = f", asked again after {_age(check.reuse_for)}" if check.reuse_for != math.inf else ""
    return Judgement(Verdict.REUSED, f"from {when}{what}{until}")


def _age(seconds: float) -> str:
    hours = seconds / 3600
    if hours == int(hours) and hours:
        return "an hour" if hours == 1 else f"{hours:g} hours"
    return f"{seconds:g} s"


def _digest(text: str) -> str:
    # Only digests go on record: a variable may be a password.
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
