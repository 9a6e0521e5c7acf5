"""A run before it starts: the application, its rows, what is reused. Quick when nothing is left.

Rich, the event loop and the process runner are for runs that run something.
"""

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import app as apps
from pipeline import settings as all_settings
from pipeline.ahead import Started
from pipeline.checks import (
    gitbase,
    glance,
    hook,
    instant,
    inventory,
    plan,
    red,
    reuse,
    table,
    verdicts,
    worktree,
)
from pipeline.checks.plan import Options, Planned
from pipeline.checks.reuse import Memory
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.checks.worktree import NoTree, Tree
from pipeline.errors import ExitCode, UsageProblem
from pipeline.settings import Settings


@dataclass(frozen=True)
class Ahead:
    """What the commit hook has done before it loaded us: git's answers, a BEAM that boots."""

    asked: tuple[bytes, bytes] | None = None
    beam: Started | None = None


_NOTHING = Ahead()


@dataclass(frozen=True)
class Prepared:
    """What is to run. `notes` are lines for people, `memory` is None where nothing is reused."""

    app: Path
    settings: Settings
    options: Options
    rows: Sequence[Planned]
    memory: Memory | None
    notes: tuple[str, ...] = ()
    ahead: Ahead = _NOTHING
    copied: str | None = None
    """The commit that a copy is to hold, "" for the index; None where the work tree is checked."""

    @property
    def where(self) -> Path:
        """The directory in which the rows run."""
        return self.memory.where if self.memory else self.app

    @property
    def answered(self) -> bool:
        """Whether every row is reused or skipped, and the run is green without running."""
        verdicts = {row.settled.verdict if row.settled else None for row in self.rows}
        return Verdict.REUSED in verdicts and verdicts <= {Verdict.REUSED, Verdict.SKIPPED}

    def finish(self, outcomes: Sequence[Outcome]) -> str:
        """Put the passes on record; returns what hindered it, in half a line."""
        if self.memory is None:
            return ""
        checks = [row.check for row in self.rows]
        hindrance = reuse.remember(self.memory, outcomes, checks, os.environ)
        if hindrance:
            return hindrance
        if {Verdict.FAILED, Verdict.UNKNOWN} & {outcome.verdict for outcome in outcomes}:
            instant.forget(str(self.app))
            return ""
        if self.copied is None:
            self.note()
        return ""

    def note(self) -> None:
        """Let the next commit be quick, if all rows of the hook are green, in this run or before.

        A run of the hook has only those with something staged.
        """
        left_out = self.settings.skip
        own = hook.candidates(
            [row for row in table.CHECKS if row.name not in left_out], self.settings.hook, self.app
        )
        options = Options(only=tuple(row.name for row in own), hook=True)
        rows = plan.plan(self.app, options, self.settings, os.environ)
        memory = reuse.recall(self.app, [row.check for row in rows], os.environ)
        if isinstance(memory, NoTree):
            return
        rows = without_tests(self.app, rows, memory, self.settings)
        settled = reuse.settle(rows, memory)
        verdicts = {row.check.name: row.settled.verdict if row.settled else None for row in settled}
        with suppress(OSError):  # then it is not quick
            until = reuse.until(settled, memory)
            hook.note(self.app, memory, own, verdicts, os.environ, until)


def check(options: Options, *, app: str, format: str, ahead: Ahead = _NOTHING) -> int:
    """Run the planned checks, or answer at once if nothing is left to run; the exit code."""
    began = time.monotonic()
    if options.fix:
        from pipeline.checks import fixing

        return fixing.check(options, app=app, format=format)
    ready = prepare(options, app=app, ahead=ahead)
    if options.hook and not ready.rows:
        empty = {"verdict": "passed", "exit_code": 0, "checks": []}
        text = "nothing staged that a check of the hook looks at: nothing to do"
        sys.stdout.write(f"{json.dumps(empty) if format == 'json' else text}\n")
        return ExitCode.DONE
    if format == "text":
        for note in ready.notes:
            sys.stderr.write(f"note: {note}\n")
        # Files and pages about the run are written by those who can run something.
        if ready.answered and not options.junit and "GITHUB_STEP_SUMMARY" not in os.environ:
            sys.stdout.write(_answer(ready, time.monotonic() - began))
            if ready.memory and ready.copied is None:
                ready.note()
            return ExitCode.DONE
    from pipeline.checks import commands

    with _in_copy(ready) as ready:
        return commands.check(ready, app=app, format=format)


@contextmanager
def _in_copy(ready: Prepared) -> Iterator[Prepared]:
    """Yield what is to run, in a copy of the commit where that is asked for.

    Where no copy can be made, the rows that would run are unknown: what they would see is not what
    is committed.
    """
    if ready.copied is None or ready.memory is None or all(row.settled for row in ready.rows):
        yield ready
        return
    from pipeline.checks import snapshot

    own = [path for row in ready.rows for path in row.check.writes]
    with ExitStack() as stack:
        try:
            where = stack.enter_context(snapshot.made(ready.app, os.environ, ready.copied, own))
        except snapshot.NoSnapshot as error:
            reason = f"the work tree is not what is committed, and no copy can be made: {error}"
            rows = [
                row if row.settled else replace(row, settled=verdicts.unknown(reason))
                for row in ready.rows
            ]
            yield replace(ready, rows=rows)
            return
        # The files of the copy are older than this by definition.
        began = time.time() + reuse.CLOCK
        yield replace(ready, memory=replace(ready.memory, copy=where, began=began))


def prepare(options: Options, *, app: str, ahead: Ahead = _NOTHING) -> Prepared:
    """Find the application and its rows, and settle those that have passed before.

    Raises UsageProblem. With --ci nothing is reused: a fresh clone has no past, and a cached one
    should not be believed.
    """
    found = apps.named(app)
    settings = all_settings.load()
    tree: Tree | None = None
    notes: list[str] = []
    if options.failed:
        options = _red(found, options)
    copied: str | None = None
    if options.hook:
        options, tree = _chosen(found, options, settings, ahead)
        if not options.only:
            return Prepared(found, settings, options, (), None)
    rows = plan.plan(found, options, settings, os.environ)
    if options.hook and tree and not options.every:
        tree, copied, notes = _committed(found, options, rows, tree)
    if options.base and gitbase.missing(options.base, found, os.environ):
        raise UsageProblem(
            f"--base {options.base!r}: there is no such commit in this repository",
            remedy="git fetch, or name another branch, tag or commit",
        )
    if options.ci:
        return Prepared(found, settings, options, rows, None)
    memory = reuse.recall(found, [row.check for row in rows], os.environ, tree=tree)
    rows = without_tests(found, rows, memory, settings)
    if isinstance(memory, NoTree):
        if not all(row.settled for row in rows):
            notes.append(f"nothing is reused: {memory.reason}")
        return Prepared(found, settings, options, rows, None, tuple(notes), ahead)
    if not options.anew:
        rows = reuse.settle(rows, memory)
    return Prepared(found, settings, options, rows, memory, tuple(notes), ahead, copied)


def without_tests(
    app: Path, rows: list[Planned], memory: Memory | NoTree, settings: Settings
) -> list[Planned]:
    """Return the rows, `test` skipped if the application has no test file and loses none.

    Files that are missing on the disk, or whose removal is staged, are files it has.
    """
    if isinstance(memory, NoTree) or "test" in settings.require or not inventory.is_usual(app):
        return rows
    tree = memory.tree
    paths = (*tree.ids, *tree.committed, *tree.staged, *tree.loose, *tree.ignored)
    if any(path.endswith("_test.exs") and not path.startswith("../") for path in paths):
        return rows
    none = verdicts.skipped("the application has no test files")
    return [
        replace(row, settled=none) if row.check.name == "test" and not row.settled else row
        for row in rows
    ]


def _red(app: Path, options: Options) -> Options:
    """Return the options that name what was not green; UsageProblem if nothing is known to be."""
    if options.only or options.hook:
        raise UsageProblem("--failed names the checks by itself: it goes with no --only or --hook")
    rows = {row.name for row in table.CHECKS}
    names = tuple(name for name in red.names(app) or () if name in rows)
    if not names:
        raise UsageProblem(
            "--failed: no failed check is on record here, so there is nothing to run again",
            remedy="inv check",
        )
    return replace(options, only=names)


def _chosen(app: Path, options: Options, settings: Settings, ahead: Ahead) -> tuple[Options, Tree]:
    """Return the options that name the rows of the hook, and the tree."""
    if options.ci or options.base:
        raise UsageProblem("--hook is about the commit being made: it goes with no --ci or --base")
    rows = {row.name: row for row in table.CHECKS}
    plan.known("--only", options.only, rows)
    plan.known("[tool.qusto] hook", settings.hook or (), rows)
    known = [row for row in table.CHECKS if row.name not in (*settings.skip, *options.skip)]
    candidates = hook.candidates(known, options.only or settings.hook, app)
    tree = worktree.read(app, os.environ, ahead.asked)
    if isinstance(tree, NoTree):
        raise UsageProblem(f"--hook looks at what is staged, but {tree.reason}")
    staged: Sequence[str] | None = tree.staged
    if options.between:
        staged = worktree.changed(app, os.environ, *options.between)
    if options.every or staged is None:
        return replace(options, only=tuple(row.name for row in candidates)), tree
    return replace(options, only=glance.select(hook.inputs(candidates), staged)), tree


def _committed(
    app: Path, options: Options, rows: Sequence[Planned], tree: Tree
) -> tuple[Tree, str | None, list[str]]:
    """Return the tree to check, the commit of a copy of it if one is needed, and what to say.

    The work tree itself is checked where it holds all inputs as they are committed.
    """
    commit, wanted = "", worktree.commit_of(tree)
    if options.between:
        commit = options.between[1]
        held = worktree.of_commit(app, os.environ, commit)
        if held is None:
            return tree, None, [f"{commit} is not here: the work tree is checked"]
        wanted = held
    differing = glance.differing({row.check.name: row.check.inputs for row in rows}, tree, wanted)
    if not differing:
        return tree, None, []
    names = glance.some(differing)
    note = f"not as in the commit: {names}; a copy of the commit is checked"
    if not set(differing) & {*tree.committed, *tree.staged}:
        note += " (untracked files that you never commit: list them in .git/info/exclude)"
    return wanted, commit, [note]


def _answer(ready: Prepared, seconds: float) -> str:
    width = max(len(row.check.name) for row in ready.rows)
    settled = [(row.check.name, row.settled) for row in ready.rows if row.settled]
    lines = [f"{said.verdict:<7} {name:<{width}} {said.reason}" for name, said in settled]
    counts = [
        f"{number} {verdict}"
        for verdict in (Verdict.SKIPPED, Verdict.REUSED)
        if (number := sum(said.verdict is verdict for _, said in settled))
    ]
    closing = f"PASSED in {seconds:.1f} s: {', '.join(counts)}"
    hint = "" if ready.options.hook else " (--all runs them)"
    return "".join(f"{line}\n" for line in [*lines, closing + hint])
