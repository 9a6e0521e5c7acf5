"""inv: what runs on a developer's machine or a CI runner. Arguments in, report and exit code out.

Every task imports what it needs when it runs, so that `inv --list` stays quick.
"""

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.main import program
from invoke.tasks import Task
from invoke.tasks import task as invoke_task

from pipeline import command_line, streams
from pipeline.checks.table import CHECKS
from pipeline.errors import speaking

streams.survive()

_APP = "directory of the Elixir application (else QUSTO_APP_DIR, else the nearest mix.exs)"
_FORMAT = "text or json"
_BASE = "compare credo with the merge base of this ref (implied by --ci)"
_CI = "as CI does: its rows, and a missing tool is unknown instead of skipped"
_JOBS = "programs at once (default: one per core)"
_ANEW = "also what has passed with the same files, tools and environment before"
_ENVS = "MIX_ENV to test: test or ce_test; or both, comma separated"
# A letter that Invoke picks by the order of the options means something else after the next change.
task = functools.partial(invoke_task, auto_shortflags=False)
_HELP = {"app": _APP, "format": _FORMAT, "base": _BASE, "ci": _CI, "jobs": _JOBS}


@task(
    name="all",
    default=True,
    help={
        **_HELP,
        "only": "names, comma separated",
        "skip": "names, comma separated",
        "all": _ANEW,
        "hook": "as the commit hook: rows whose inputs are staged (docs/hooks.md)",
        "failed": "only what was not green when it last ran here",
        "fail-fast": "after the first failure nothing more starts",
        "fix": "first run the fix of every failed check that has one; stages nothing",
        "junit": "also write the outcomes to this file, as JUnit XML",
    },
)
@speaking
def check_all(
    _c: Context,
    only: str = "",
    skip: str = "",
    app: str = "",
    ci: bool = False,
    jobs: str = "",
    base: str = "",
    format: str = "text",
    all: bool = False,
    hook: bool = False,
    failed: bool = False,
    fail_fast: bool = False,
    fix: bool = False,
    junit: str = "",
) -> None:
    """Run every check in parallel; exit 0 only if all that ran passed."""
    from pipeline.checks import prepared
    from pipeline.checks.plan import Options

    options = Options(
        only=_names(only),
        skip=_names(skip),
        ci=ci,
        base=base,
        jobs=_number(jobs) or 0,
        failed=failed,
        fail_fast=fail_fast,
        fix=fix,
        junit=junit,
        anew=all,
        hook=hook,
    )
    _end(prepared.check(options, app=app, format=format))


@task(
    name="list",
    help={
        "app": _APP,
        "format": _FORMAT,
        "ci": _CI,
        "base": _BASE,
        "why": "what decides whether each would run or be reused now",
    },
)
@speaking
def check_list(
    _c: Context,
    app: str = "",
    ci: bool = False,
    base: str = "",
    format: str = "text",
    why: bool = False,
) -> None:
    """Show what each check runs, and whether it would run here."""
    from pipeline.checks import listing
    from pipeline.checks.plan import Options

    _end(listing.list_checks(Options(ci=ci, base=base), app=app, format=format, why=why))


def _one(name: str, title: str) -> "Task[Callable[..., None]]":
    @speaking
    def run_one(
        _c: Context,
        app: str = "",
        ci: bool = False,
        jobs: str = "",
        base: str = "",
        format: str = "text",
        all: bool = False,
    ) -> None:
        from pipeline.checks import prepared
        from pipeline.checks.plan import Options

        options = Options((name,), (), ci, base, _number(jobs) or 0, anew=all)
        _end(prepared.check(options, app=app, format=format))

    run_one.__doc__ = f"Check: {title}."
    return Task(run_one, name=name, help={**_HELP, "all": _ANEW}, auto_shortflags=False)


@task(
    name="run",
    default=True,
    help={
        "env": _ENVS,
        "partitions": "how many (default: [tool.qusto]; 1 where they would share a database)",
        "partition": "run only this one, from 1",
        "jobs": _JOBS,
        "cover": "measure coverage, merged over all partitions; with --partition export it",
        "failed": "only what failed last, over all partitions",
        "times": "balance by the times in this file (inv test.times), the same for all jobs",
        "parts": "also leave each partition in this directory, for inv test.gather",
        "app": _APP,
        "format": _FORMAT,
    },
)
@speaking
def run_tests(
    _c: Context,
    env: str = "test",
    partitions: str = "",
    partition: str = "",
    jobs: str = "",
    cover: bool = False,
    failed: bool = False,
    times: str = "",
    parts: str = "",
    app: str = "",
    format: str = "text",
) -> None:
    """Run the mix suite in partitions, which together are proven to be the whole."""
    from pipeline.checks import suite_commands

    asked = suite_commands.Asked(
        envs=_environments(env),
        count=_number(partitions),
        single=_number(partition),
        jobs=_number(jobs) or 0,
        cover=cover,
        failed=failed,
        times=times,
        parts=parts,
    )
    _end(suite_commands.test(asked, app=app, format=format))


@task(
    name="gather",
    help={
        "parts": "the directory in which jobs left their partitions",
        "env": _ENVS,
        "cover": "merge their coverage",
        "junit": "also write the outcomes to this file, as JUnit XML",
        "app": _APP,
        "format": _FORMAT,
    },
)
@speaking
def gather_tests(
    _c: Context,
    parts: str,
    env: str = "test",
    cover: bool = False,
    junit: str = "",
    app: str = "",
    format: str = "text",
) -> None:
    """Judge the partitions that jobs left in a directory (inv test --parts) as one suite."""
    from pipeline.checks import suite_commands

    asked = _environments(env)
    _end(suite_commands.gather(asked, parts, cover=cover, junit=junit, app=app, format=format))


@task(
    name="times",
    help={
        "export": "write them to this file instead",
        "import": "first take over the times in this file",
        "app": _APP,
    },
)
@speaking
def times_of_tests(_c: Context, export: str = "", import_: str = "", app: str = "") -> None:
    """Print the seconds of each test file on record, as JSON."""
    from pipeline.checks import suite_commands

    _end(suite_commands.times(export=export, take=import_, app=app))


@task(
    help={
        "env": "MIX_ENV to build for",
        "release": "its name in mix.exs (as `release` in hosts.toml)",
        "app": _APP,
        "dist": "directory for the artifact (default: dist/ beside tasks.py)",
    }
)
@speaking
def build(
    _c: Context, env: str = "prod", release: str = "plausible", app: str = "", dist: str = ""
) -> None:
    """Build the release and pack it, with its manifest, into dist/."""
    from pipeline import settings
    from pipeline.release import build as releases

    found = _application(app)
    target = Path(dist).absolute() if dist else settings.PROJECT / "dist"
    built = releases.build(
        found, os.environ, mix_env=env, dist=target, out=sys.stdout, release=release
    )
    sys.stdout.write(f"built {built.manifest.label}: {built.path}\n")


@task(
    help={
        "env": "MIX_ENV to build for: the community ones leave scripts out",
        "force": "also when nothing has changed",
        "app": _APP,
    }
)
@speaking
def tracker(_c: Context, env: str = "test", force: bool = False, app: str = "") -> None:
    """Build the tracker scripts, if tracker/ has changed or a script is missing."""
    from pipeline import tracker as scripts

    done = scripts.build(_application(app), os.environ, mix_env=env, force=force, out=sys.stdout)
    sys.stdout.write(f"{done}\n")


@task(name="matrix")
@speaking
def ci_matrix(_c: Context) -> None:
    """Print the matrix of the test job, as JSON: each MIX_ENV in each partition."""
    from pipeline.ci import commands

    _end(commands.matrix())


@task(
    name="cache-key",
    help={
        "job": "build, static or security",
        "env": "MIX_ENV of the job",
        "app": _APP,
        "format": "text (lines for GITHUB_OUTPUT) or json",
    },
)
@speaking
def ci_cache_key(
    _c: Context, job: str, env: str = "test", app: str = "", format: str = "text"
) -> None:
    """Print key, restore-keys and path of a job's cache; CACHE_VERSION is in the key."""
    from pipeline.ci import commands

    _end(commands.cache_key(job, env, app=app, format=format))


@task(
    name="deps",
    help={
        "env": "fetch the Hex packages of this MIX_ENV",
        "npm": "install these npm packages: assets, tracker; comma separated",
        "app": _APP,
    },
)
@speaking
def ci_deps(_c: Context, env: str = "", npm: str = "", app: str = "") -> None:
    """Fetch the dependencies of a job, as the lock files say."""
    from pipeline.ci import deps

    deps.fetch(_application(app), os.environ, mix_env=env, packages=_names(npm))


@task(
    name="run",
    help={
        "job": "the job's name in the workflow file",
        "workflow": "the file, where several have a job of that name",
        "matrix": "values that choose one job of a matrix: mix_env=test,mix_test_partition=3",
        "list": "only show its steps",
        "app": _APP,
    },
)
@speaking
def ci_run(
    _c: Context,
    job: str,
    workflow: str = "",
    matrix: str = "",
    list: bool = False,
    app: str = "",
) -> None:
    """Replay the steps of a workflow job here, in order, with its environment."""
    from pipeline.ci import commands

    _end(commands.run_job(job, workflow=workflow, matrix=matrix, only_list=list, app=app))


@task(name="lint", help={"app": _APP, "format": _FORMAT})
@speaking
def ci_lint(_c: Context, app: str = "", format: str = "text") -> None:
    """Check the workflow files: schema, zizmor, actionlint, and drift from the check table."""
    from pipeline.ci import commands

    _end(commands.check_workflows(app=app, format=format))


@task(help={"app": _APP, "format": _FORMAT})
@speaking
def doctor(_c: Context, app: str = "", format: str = "text") -> None:
    """Compare tools, services, disk and git with what the application asks for."""
    from pipeline.checks import listing

    _end(listing.doctor(app=app, format=format))


@task(help={"format": _FORMAT})
@speaking
def audit(_c: Context, format: str = "text") -> None:
    """Look for known vulnerabilities among this project's own locked packages; needs PyPI."""
    from pipeline import audit as auditing

    _end(auditing.report(auditing.run(auditing.locks()), json=format == "json"))


@task(
    name="protect",
    help={
        "check": "change nothing; exit 1 where GitHub differs",
        "docs": "print docs/BRANCH_PROTECTION.md; asks nobody",
        "app": _APP,
    },
)
@speaking
def github_protect(_c: Context, check: bool = False, docs: bool = False, app: str = "") -> None:
    """Protect the branches as .github/protection.toml says, by the checks that jobs report."""
    from pipeline.github import commands

    _end(commands.protect(check=check, docs=docs, app=app))


@task(
    name="secrets",
    help={
        "set": "set these, comma separated (or all): from the environment, .env, or asked for",
        "environment": "only what jobs of this GitHub environment need",
        "app": _APP,
        "format": _FORMAT,
    },
)
@speaking
def github_secrets(
    _c: Context, set: str = "", environment: str = "", app: str = "", format: str = "text"
) -> None:
    """Show, by name, which secrets and variables the workflows need and GitHub has; 1 if not."""
    from pipeline.github import commands

    if set:
        _end(commands.set_secrets(_names(set), environment, app=app))
    else:
        _end(commands.list_secrets(environment, app=app, format=format))


@task(
    name="runs",
    help={
        "limit": "how many (default: 15)",
        "branch": "only of this branch",
        "workflow": "only of this workflow file",
        "failed": "only those that have failed",
        "app": _APP,
        "format": _FORMAT,
    },
)
@speaking
def github_runs(
    _c: Context,
    limit: str = "15",
    branch: str = "",
    workflow: str = "",
    failed: bool = False,
    app: str = "",
    format: str = "text",
) -> None:
    """Show the newest runs of the workflows."""
    from pipeline.github import watching

    asked = watching.Which(int(limit), branch, workflow, failed)
    _end(watching.list_runs(asked, app=app, format=format))


@task(
    name="logs",
    help={
        "run": "its number (default: the newest that failed)",
        "all-lines": "of each failed step all it printed, not the last 200 lines",
        "app": _APP,
    },
)
@speaking
def github_logs(_c: Context, run: str = "", all_lines: bool = False, app: str = "") -> None:
    """Show what the failed steps of a run have printed."""
    from pipeline.github import watching

    _end(watching.show_logs(run, all_lines=all_lines, app=app))


@task(
    name="deploy",
    help={
        "environment": "where to: staging or production",
        "skip-migrations": "do not run pending migrations",
        "ref": "branch or tag (default: the environment's branch in hosts.toml)",
        "follow": "wait for its end (--no-follow: only start it)",
        "app": _APP,
    },
)
@speaking
def github_deploy(
    _c: Context,
    environment: str,
    skip_migrations: bool = False,
    ref: str = "",
    follow: bool = True,
    app: str = "",
) -> None:
    """Start the deploy workflow by hand and follow it; 1 if it does not succeed."""
    from pipeline.github import watching

    asked = watching.Dispatch(environment, skip_migrations, ref, follow)
    _end(watching.deploy(asked, app=app))


@task(name="usage", help={"days": "so many days back (30)", "app": _APP, "format": _FORMAT})
@speaking
def github_usage(_c: Context, days: str = "30", app: str = "", format: str = "text") -> None:
    """Show the minutes that jobs have taken, by workflow, and the room that caches take."""
    from pipeline.github import watching

    _end(watching.show_usage(int(days), app=app, format=format))


@task(name="up", help={"app": _APP, "format": _FORMAT})
@speaking
def services_up(_c: Context, app: str = "", format: str = "text") -> None:
    """Start the services that the application's tests name, where they do not answer yet."""
    from pipeline.services import commands

    _end(commands.up(_application(app), os.environ, format=format))


@task(name="down", help={"app": _APP, "format": _FORMAT})
@speaking
def services_down(_c: Context, app: str = "", format: str = "text") -> None:
    """Remove the containers that services.up has started, with their data."""
    from pipeline.services import commands

    _end(commands.down(_application(app), os.environ, format=format))


@task(name="status", help={"app": _APP, "format": _FORMAT})
@speaking
def services_status(_c: Context, app: str = "", format: str = "text") -> None:
    """Show which services the application's tests name, and whether they answer; 1 if not."""
    from pipeline.services import commands

    _end(commands.status(_application(app), os.environ, format=format))


@task(name="install", help={"app": _APP})
@speaking
def hooks_install(_c: Context, app: str = "") -> None:
    """Write the commit hook of the application's repository; one that is there runs first."""
    from pipeline import hooks, settings

    place = hooks.find(_application(app), os.environ)
    done = hooks.install(place, Path(sys.executable), settings.PROJECT)
    sys.stdout.write(f"{done}\n")


@task(name="uninstall", help={"app": _APP})
@speaking
def hooks_uninstall(_c: Context, app: str = "") -> None:
    """Take the commit hook of the application away and put back the one that was there before."""
    from pipeline import hooks

    place = hooks.find(_application(app), os.environ)
    sys.stdout.write(f"{hooks.uninstall(place)}\n")


@task(
    help={
        "period": "only weekly, monthly or quarterly",
        "app": _APP,
        "format": _FORMAT,
    }
)
@speaking
def maintenance(_c: Context, period: str = "", app: str = "", format: str = "text") -> None:
    """Show what is due weekly, monthly and quarterly, with evidence; 1 if something is."""
    from pipeline.maintenance import commands

    _end(commands.maintain(period, app=app, format=format))


@task(help={"keep": "the sandbox stays until Ctrl-C, for commands of your own"})
@speaking
def demo(_c: Context, keep: bool = False) -> None:
    """Show deploys, an automatic and a manual rollback on a throw-away host."""
    from pipeline import settings
    from pipeline.sandbox import demo as sandbox

    _end(sandbox.run(settings.PROJECT, keep=keep))


def _application(app: str) -> Path:
    from pipeline import app as apps

    return apps.named(app)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _environments(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_names(text)))


def _number(text: str) -> int | None:
    """Return the number, None for an option that was not given."""
    return int(text) if text else None


def _end(code: int) -> None:
    if code:
        raise Exit(code=code)


_check = Collection("check", check_all, check_list)
for _row in CHECKS:
    _check.add_task(_one(_row.name, _row.title))

_hooks = Collection("hooks", hooks_install, hooks_uninstall)

_test = Collection("test", run_tests, gather_tests, times_of_tests)

_services = Collection("services", services_up, services_down, services_status)

_ci = Collection("ci", ci_matrix, ci_cache_key, ci_deps, ci_run, ci_lint)

_github = Collection(
    "github",
    github_protect,
    github_secrets,
    github_runs,
    github_logs,
    github_deploy,
    github_usage,
)

ns = Collection(
    *(_check, _ci, _github, _hooks, _services, _test),
    *(audit, build, doctor, demo, maintenance, tracker),
)
# Invoke would read our standard input away from the shell that called us.
ns.configure({"run": {"in_stream": False, "encoding": "utf-8"}})

command_line.judge_first(program, Path(__file__).parent)
