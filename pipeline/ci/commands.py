"""What the `inv ci.…` tasks do: strings from the command line in, text out, an exit code back."""

import json
import os
import sys
from pathlib import Path

from pipeline import app as apps
from pipeline import printable
from pipeline import settings as all_settings
from pipeline.checks.table import CHECKS
from pipeline.ci import drift, lint
from pipeline.errors import ExitCode
from pipeline.formats import print_json
from pipeline.github import around, cache, expressions, replay, workflows


def matrix() -> int:
    """Print the matrix of the test job, as JSON."""
    sys.stdout.write(f"{json.dumps(drift.matrix(CHECKS, all_settings.load()))}\n")
    return ExitCode.DONE


def cache_key(job: str, mix_env: str, *, app: str, format: str) -> int:
    """Print key, restore keys and paths of a job's cache."""
    found = apps.named(app)
    made = cache.key(job, mix_env, found, os.environ, all_settings.load().base)
    if format == "json":
        content = {"key": made.key, "restore_keys": made.restore_keys, "paths": made.paths}
        print_json(content)
    else:
        sys.stdout.write(cache.as_outputs(made))
    return ExitCode.DONE


def check_workflows(*, app: str, format: str) -> int:
    """Lint the workflow files and compare them with the check table; 1 with findings."""
    project = all_settings.PROJECT
    found = apps.find_or(project, app or None, all_settings.environment(), Path.cwd())
    places = workflows.files(found, all_settings.PROJECT)
    said = lint.lint(places)
    lines = drift.differences(
        workflows.read_all(found, all_settings.PROJECT), CHECKS, all_settings.load()
    )
    if format == "json":
        content = {
            "files": [str(path) for path in places],
            "tools": {one.tool: {"clean": one.clean, "output": one.output} for one in said},
            "drift": lines,
        }
        print_json(content)
    else:
        for one in said:
            sys.stdout.write(f"{'ok    ' if one.clean else 'failed'} {one.tool}\n")
            if not one.clean:
                sys.stdout.write(printable.block(one.output))
        sys.stdout.write(f"{'failed' if lines else 'ok    '} drift from the check table\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
    clean = not lines and all(one.clean for one in said)
    return ExitCode.DONE if clean else ExitCode.CHECK_FAILED


def run_job(job: str, *, workflow: str, matrix: str, only_list: bool, app: str) -> int:
    """Replay a job here, or list its steps; 1 if a step failed."""
    found = apps.named(app)
    chosen = replay.choose(workflows.read_all(found, all_settings.PROJECT), job, workflow, matrix)
    context = around.github(found, chosen.workflow, chosen.job)
    own = found / replay.PLACE
    project = own if (own / "tasks.py").is_file() else all_settings.PROJECT
    here = replay.Here(found, project, all_settings.environment(), context)
    if only_list:
        _list(chosen, here)
        return ExitCode.DONE
    replay.require_replayable(chosen, here)
    _services(chosen)
    done = replay.replay(chosen, here, sys.stdout)
    failed = [ended for ended in done if ended.outcome == "failed"]
    counted = {outcome: [one.outcome for one in done].count(outcome) for outcome in _OUTCOMES}
    told = ", ".join(f"{count} {outcome}" for outcome, count in counted.items() if count)
    sys.stdout.write(f"\n{chosen.job.id} of {Path(chosen.workflow.path).name}: {told}\n")
    stopped = [one for one in failed if not one.step.continue_on_error]
    return ExitCode.CHECK_FAILED if stopped else ExitCode.DONE


_OUTCOMES = ("passed", "failed", "skipped")


def _services(chosen: replay.Chosen) -> None:
    for one in _beside(chosen):
        state = one.trouble or "answers"
        remedy = "; `inv services.up` starts it, if the tests need it" if one.trouble else ""
        sys.stdout.write(f"service {one.name} ({one.image}) {one.address}: {state}{remedy}\n")


def _beside(chosen: replay.Chosen) -> list[around.Beside]:
    scope = expressions.Scope(
        {"matrix": dict(chosen.combination.values)}, where=f"services of job {chosen.job.id}"
    )
    images = {
        name: expressions.filled(service.image, scope)
        for name, service in chosen.job.services.items()
    }
    return around.services(chosen.job, images)


def _list(chosen: replay.Chosen, here: replay.Here) -> None:
    """Print the steps, and what is around them; runs nothing."""
    for one in _beside(chosen):
        sys.stdout.write(f"service {one.name} ({one.image}) {one.address}\n")
    for name in replay.outside(chosen):
        state = "set here" if name in here.environ else "not set here"
        sys.stdout.write(f"from GitHub: {name}, {state}\n")
    for step in chosen.job.steps:
        condition = f"  if: {step.if_}" if step.if_ else ""
        what = f"action, skipped here: {step.uses}" if step.uses else step.run.strip()
        sys.stdout.write(f"{step.number:>3}  {step.title}{condition}\n")
        sys.stdout.writelines(f"       {line}\n" for line in what.splitlines())
