"""From options and settings to the rows of one run: which, in which form, and which not at all."""

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipeline.checks import gitbase, presence
from pipeline.checks.check import Check, Group
from pipeline.checks.presence import Absence
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Judgement, skipped
from pipeline.errors import UsageProblem
from pipeline.settings import Settings


@dataclass(frozen=True)
class Options:
    """What the command line asked for; empty means: not asked."""

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    ci: bool = False
    base: str = ""
    jobs: int = 0
    fail_fast: bool = False
    anew: bool = False
    """Run what could be reused, too."""
    hook: bool = False
    """Only the rows whose inputs are staged; see hook.py."""
    between: tuple[str, str] | None = None
    """With `hook`: the rows whose inputs differ between these commits, on the second one."""
    every: bool = False
    """With `hook`: all its rows, on the work tree."""
    failed: bool = False
    """Only the rows that were not green when they last ran; see red.py."""
    fix: bool = False
    """First repair what a program can repair; see fixing.py."""
    junit: str = ""
    """File to write the outcomes to."""


@dataclass(frozen=True)
class Planned:
    """A row of the run; `settled` is its verdict if it need not run to have one."""

    check: Check
    settled: Judgement | None = None


def plan(
    app: Path, options: Options, settings: Settings, environ: Mapping[str, str]
) -> list[Planned]:
    """Return the rows of this run in table order; UsageProblem for a name that is no check.

    --only brings the rows along that the named ones need. Missing tools are skipped, or unknown
    with --ci and for the names under `require`.
    """
    rows = {check.name: check for check in CHECKS}
    for source, names in (
        ("--only", options.only),
        ("--skip", options.skip),
        ("[tool.qusto] skip", settings.skip),
        ("[tool.qusto] require", settings.require),
        ("[tool.qusto.timeouts]", tuple(settings.timeouts)),
        ("[tool.qusto.reuse_for]", tuple(settings.reuse_for)),
        ("[tool.qusto] hook", settings.hook or ()),
    ):
        known(source, names, rows)
    left_out = dict.fromkeys(settings.skip, "[tool.qusto] skip") | dict.fromkeys(
        options.skip, "--skip"
    )
    if options.only:
        wanted = _with_needs(options.only, rows)
        left_out = {name: why for name, why in left_out.items() if name not in options.only}
    else:
        group = Group.CI if options.ci else Group.LOCAL
        wanted = {name for name, row in rows.items() if group in row.groups}
    return [
        _settle(_adapt(row, options, settings, environ), app, environ, left_out, judge)
        for name, row in rows.items()
        if name in wanted
        for judge in (_judge_of(name, options, settings, environ),)
    ]


def _judge_of(
    name: str, options: Options, settings: Settings, environ: Mapping[str, str]
) -> Callable[[Absence], Judgement]:
    strict = options.ci or name in settings.require
    if options.hook:
        return partial(presence.judge_in_hook, environ=environ, strict=strict)
    return partial(presence.judge, strict=strict)


def jobs(options: Options, settings: Settings) -> int:
    """Return how many programs may run at once: --jobs, the setting, or the cores we may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return options.jobs or settings.jobs or cores


def _settle(
    check: Check,
    app: Path,
    environ: Mapping[str, str],
    left_out: Mapping[str, str],
    judge: Callable[[Absence], Judgement],
) -> Planned:
    if check.name in left_out:
        return Planned(check, skipped(f"left out by {left_out[check.name]}"))
    # What was left out on purpose holds nobody up.
    check = replace(check, needs=tuple(name for name in check.needs if name not in left_out))
    absent = presence.absence(check, app, environ)
    if absent:
        return Planned(check, judge(absent))
    return Planned(presence.asking_mix(check, app, environ, judge))


def _adapt(check: Check, options: Options, settings: Settings, environ: Mapping[str, str]) -> Check:
    if check.name in settings.timeouts:
        check = replace(check, timeout=settings.timeouts[check.name])
    if check.name in settings.reuse_for:
        check = replace(check, reuse_for=settings.reuse_for[check.name])
    if check.name == "test":
        check = replace(check, argv=(*check.argv, *settings.test_args))
    if check.name == "test" and settings.quiet_tests:
        rules = f"quiet_tests = {settings.quiet_tests}, CI = {environ.get('CI', '')}"
        check = replace(check, rules=rules)
    if check.name == "credo" and (options.ci or options.base):
        # The base of a pull request, in GitHub Actions.
        target = environ.get("GITHUB_BASE_REF")
        base = options.base or (f"origin/{target}" if target else settings.base)
        check = replace(
            check,
            argv=("mix", "credo", "diff", "--from-git-merge-base", base),
            preflight=partial(gitbase.comparable, base),
            reuse_for=0.0,  # it looks at another commit too
        )
    return check


def _with_needs(names: Iterable[str], rows: Mapping[str, Check]) -> set[str]:
    found: set[str] = set()
    queue = list(names)
    while queue:
        name = queue.pop()
        if name not in found:
            found.add(name)
            queue.extend(rows[name].needs)
    return found


def known(source: str, names: Sequence[str], rows: Mapping[str, Check]) -> None:
    """Raise UsageProblem for the first name that is no row, with the nearest that is one."""
    for name in names:
        if name not in rows:
            near = difflib.get_close_matches(name, rows, n=1)
            hint = f"did you mean {near[0]}?" if near else f"checks are {', '.join(rows)}"
            raise UsageProblem(f"{source}: there is no check {name!r}", remedy=hint)
