"""fab deploy, attach."""

import os
import sys
from pathlib import Path

from pipeline import app as apps
from pipeline import settings
from pipeline.release import artifact as artifacts
from pipeline.release import attach as attaching
from pipeline.release import build, guards, page, present
from pipeline.release import deploy as flow
from pipeline.release import plan as planning
from pipeline.release.artifact import Artifact
from pipeline.release.steps import Steps
from pipeline.remote.inventory import Target

from .targets import on_target


@on_target(
    artifact="a built artifact (`inv build`); without it the release is built first",
    skip_migrations="do not run pending migrations",
    plan="only say what would be done",
    lock_wait="seconds to wait for a lock that is taken",
    yes="do not ask for confirmation",
    format="text or json",
)
def deploy(
    target: Target,
    artifact: str = "",
    skip_migrations: bool = False,
    plan: bool = False,
    lock_wait: int = 0,
    yes: bool = False,
    format: str = "text",
) -> None:
    """Bring a new release to serve: build, upload, back up, activate, check; or roll back.

    Without --artifact the release is built first. Every step that fails leaves, or brings back,
    what served before. --plan looks at the hosts and changes nothing there; it exits with what
    a deploy would be refused with. Exit: 0 serving, 10 rolled back, 11 rollback failed, 12 locked.
    """
    say = present.narrator(format)
    if not plan:
        guards.confirm(target.environment, "deploy", yes=yes)
    with page.of_step(target, "deploy", say, os.environ):
        built = artifacts.read(Path(artifact)) if artifact else _build(target, format, say)
        if plan:
            planned = planning.plan(target, built, skip_migrations=skip_migrations)
            present.as_json(planned) if format == "json" else present.planned(planned)
            planning.require(planned)
            return
        result = flow.deploy(
            target, built, skip_migrations=skip_migrations, lock_wait=lock_wait, say=say
        )
        present.as_json(result) if format == "json" else present.summary(result)


def _build(target: Target, format: str, say: Steps) -> Artifact:
    """Build the artifact; where stdout is for JSON, the commands print to stderr."""
    with say.step("build") as step:
        application = apps.find(None, settings.environment(), Path.cwd())
        built = build.build(
            application,
            os.environ,
            mix_env=target.environment.mix_env,
            dist=settings.PROJECT / "dist",
            out=sys.stderr if format == "json" else sys.stdout,
        )
        step.note = str(built.path)
    return built


@on_target(format="text or json")
def attach(target: Target, format: str = "text") -> None:
    """Take up a running activation after a dropped line: watch it, judge it, see it end."""
    say = present.narrator(format)
    result = attaching.attach(target, say=say)
    present.as_json(result) if format == "json" else present.summary(result)
