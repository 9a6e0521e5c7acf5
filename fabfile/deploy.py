"""fab deploy, cancel, attach."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import formats
from pipeline.errors import UsageProblem

from .targets import on_target

if TYPE_CHECKING:
    from pipeline.release.artifact import Artifact
    from pipeline.release.provenance import Guard, Verdict
    from pipeline.release.steps import Steps
    from pipeline.remote.inventory import Target


@on_target(
    artifact="a built artifact (`inv build`); without it the release is built first",
    skip_migrations="do not run pending migrations",
    create_databases="first install: have the release create its databases where they are missing",
    plan="only say what would be done",
    lock_wait="seconds to wait for a lock that is taken",
    watch_for="seconds for which the server may still roll back by itself; default: health.watch",
    yes="do not ask for confirmation",
    format="text or json",
    allow_dirty="to a protected environment: uncommitted changes",
    allow_branch="to a protected environment: another branch than its own",
    allow_unpushed="to a protected environment: a commit on no remote branch",
    allow_ci="to a protected environment: red or missing CI",
)
def deploy(
    target: Target,
    artifact: str = "",
    skip_migrations: bool = False,
    create_databases: bool = False,
    plan: bool = False,
    lock_wait: int = 0,
    watch_for: int = -1,
    yes: bool = False,
    format: str = "text",
    allow_dirty: bool = False,
    allow_branch: bool = False,
    allow_unpushed: bool = False,
    allow_ci: bool = False,
) -> None:
    """Bring a new release to serve: build, upload, back up, activate, check; or roll back.

    Without --artifact the release is built first. Every step that fails leaves, or brings back,
    what served before. --plan looks at the hosts and changes nothing there; it exits with what
    a deploy would be refused with. With --watch-for it ends when the release is healthy, and the
    server goes on watching. A protected environment (`confirm`) asks for its name, and takes
    only a clean, pushed commit of its branch with green CI: each --allow-… overrules one of these.
    Exit: 0 serving, 2 refused, 10 rolled back, 11 rollback failed, 12 locked.
    """
    from pipeline.release import artifact as artifacts
    from pipeline.release import deploy as flow
    from pipeline.release import guards, page, present, provenance

    say = present.narrator(format)
    if not plan:
        guards.confirm(target.environment, "deploy", yes=yes)
    overrides: dict[Guard, bool] = {
        "dirty": allow_dirty,
        "branch": allow_branch,
        "unpushed": allow_unpushed,
        "ci": allow_ci,
    }
    with page.of_step(target, "deploy", say, os.environ):
        built = artifacts.read(Path(artifact)) if artifact else _build(target, format, say)
        _require_release(target, built)
        verdict = _judged(target, built, overrides)
        if plan:
            from pipeline.release import plan as planning

            planned = planning.plan(target, built, skip_migrations=skip_migrations)
            formats.print_json(planned) if format == "json" else present.planned(planned)
            planning.require(planned)
            provenance.require(verdict, target.environment.name)
            return
        provenance.require(verdict, target.environment.name)
        with present.failing(format, target.environment.name, "deploy", say):
            result = flow.deploy(
                target,
                built,
                skip_migrations=skip_migrations,
                create_databases=create_databases,
                lock_wait=lock_wait,
                overruled=verdict.overruled,
                watch=target.environment.health.watch if watch_for < 0 else watch_for,
                say=say,
            )
        formats.print_json(result) if format == "json" else present.summary(result)


def _require_release(target: Target, built: Artifact) -> None:
    """Raise UsageProblem for an artifact of another release than the units of the hosts start."""
    wanted = target.environment.release
    if built.manifest.app != wanted:
        raise UsageProblem(
            f"{built.path} holds the release {built.manifest.app}, and "
            f"{target.environment.name} runs {wanted}",
            remedy=f"`release` in hosts.toml [{target.environment.name}] names it",
        )


def _judged(target: Target, built: Artifact, allowed: Mapping[Guard, bool]) -> Verdict:
    """Judge where the artifact comes from, by the clone of the application or, without, of here."""
    from pipeline import app as apps
    from pipeline import settings
    from pipeline.release import guards

    variables = settings.environment()
    try:
        repository = apps.find(None, variables, Path.cwd())
    except UsageProblem:
        repository = Path.cwd()  # an artifact needs no application beside it
    given = {guard for guard, is_allowed in allowed.items() if is_allowed}
    return guards.provenance_of(target.environment, built.manifest, given, repository, variables)


def _build(target: Target, format: str, say: Steps) -> Artifact:
    """Build the artifact; where stdout is for JSON, the commands print to stderr."""
    from pipeline import app as apps
    from pipeline import settings
    from pipeline.release import build

    with say.step("build") as step:
        application = apps.named()
        built = build.build(
            application,
            os.environ,
            mix_env=target.environment.mix_env,
            release=target.environment.release,
            dist=settings.PROJECT / "dist",
            out=sys.stderr if format == "json" else sys.stdout,
        )
        step.note = str(built.path)
    return built


@on_target(yes="do not ask for confirmation")
def cancel(target: Target, yes: bool = False) -> None:
    """End a running activation, also in the middle of its migrations, and go back.

    Also while the command that began it is alive: that ends as rolled back, with exit 10.
    """
    from pipeline.release import cancel as cancelling
    from pipeline.release import guards, present

    guards.confirm(target.environment, "cancel", yes=yes)
    cancelling.cancel(target, say=present.narrator("text"))


@on_target(format="text or json")
def attach(target: Target, format: str = "text") -> None:
    """Take up a running activation after a dropped line: watch it, judge it, see it end."""
    from pipeline.release import attach as attaching
    from pipeline.release import present

    say = present.narrator(format)
    with present.failing(format, target.environment.name, "attach", say):
        result = attaching.attach(target, say=say)
    formats.print_json(result) if format == "json" else present.summary(result)
