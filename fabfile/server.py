"""fab setup, doctor, status, health, logs, restart, releases, history, unlock, cleanup."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import formats
from pipeline.errors import Problem

from .targets import hosts_file, on_target

if TYPE_CHECKING:
    from pipeline.release.preflight import Finding
    from pipeline.remote.inventory import Target


@on_target(
    env_file="local file with the service's environment, KEY=value lines",
    deploy_key="public key file for the deploy user; default: the configured key's",
    replace_env="replace an environment file that differs",
    migrate_user="let `service_user` run the service, where another does; restarts it",
    plan="only say what would change",
    yes="do not ask for confirmation",
)
def setup(
    target: Target,
    env_file: str = "",
    deploy_key: str = "",
    replace_env: bool = False,
    migrate_user: bool = False,
    plan: bool = False,
    yes: bool = False,
) -> None:
    """Make a host ready for deploys: users, directories, units, sudo lines, environment file.

    Logs in as `setup_user` of hosts.toml, once; deploys need no root. May be repeated. --plan
    says what differs and changes nothing. --env-file is the service's environment (KEY=value
    lines). --deploy-key is a .pub file for the deploy user, by default the configured key's.
    """
    from pipeline.release import guards, present
    from pipeline.release import setup as provisioning

    if not plan:
        guards.confirm(target.environment, "setup", yes=yes)
    rows = provisioning.setup(
        target,
        env_file=Path(env_file) if env_file else None,
        deploy_key=provisioning.public_line_of(Path(deploy_key)) if deploy_key else "",
        replace_env=replace_env,
        migrate_user=migrate_user,
        plan=plan,
    )
    present.prepared(rows, plan=plan)


@on_target(artifact="an artifact that should fit as well", format="text or json")
def doctor(target: Target, artifact: str = "", format: str = "text") -> None:
    """Check everything that a deploy needs, on every host, changing nothing."""
    from pipeline.release import artifact as artifacts
    from pipeline.release import deploy as deploying
    from pipeline.release import preflight, present

    built = artifacts.read(Path(artifact)) if artifact else None
    rows = [*deploying.doctor(target, built), *_shared_keys(target)]
    formats.print_json(rows) if format == "json" else present.findings(rows)
    preflight.require(rows, Problem)


def _shared_keys(target: Target) -> list[Finding]:
    """Say so if the key of this environment opens another one too."""
    from pipeline import settings
    from pipeline.release import rotation
    from pipeline.release.preflight import Finding

    variables = settings.environment()
    others = rotation.others(target, hosts_file(variables), variables)
    remedy = f"`fab -H {target.environment.name} keys.rotate --to=FILE` gives it its own"
    return [
        Finding("hosts.toml", "note", f"one key with {other}: separate them", remedy)
        for other in others
    ]


@on_target(format="text or json")
def releases(target: Target, format: str = "text") -> None:
    """List the releases on the (first) host, and which of them serves."""
    from pipeline.release import inspect, present

    rows = inspect.releases(target)
    formats.print_json(rows) if format == "json" else present.releases(rows)


@on_target(format="text or json")
def status(target: Target, format: str = "text") -> None:
    """Show what each host serves at this moment."""
    from pipeline.release import inspect, present

    rows = inspect.status(target)
    formats.print_json(rows) if format == "json" else present.status(rows)
    inspect.require_known(rows)


@on_target(limit="how many, at most", format="text or json")
def history(target: Target, limit: int = 30, format: str = "text") -> None:
    """Show the last deploys and rollbacks of the environment, newest last."""
    from pipeline.release import inspect, present

    rows = inspect.history(target, limit)
    formats.print_json(rows) if format == "json" else present.history(rows)


@on_target(yes="free it")
def unlock(target: Target, yes: bool = False) -> None:
    """Show who holds the lock; with --yes free what a client that vanished still holds.

    A client that is alive loses its lock as well: its deploy goes on, and a second one may start.
    A running activation keeps a lock of its own, which this does not touch.
    """
    from pipeline.release import present
    from pipeline.release import unlock as locking

    present.locks(locking.release(target) if yes else locking.locks(target), freed=yes)


@on_target(format="text or json")
def health(target: Target, format: str = "text") -> None:
    """Ask each host's service for its health once; exit 1 if one is not healthy."""
    from pipeline.release import operate, present

    rows = operate.look(target)
    formats.print_json(rows) if format == "json" else present.health(rows)
    present.require_healthy(rows)


@on_target(lines="how many lines of the journal")
def logs(target: Target, lines: int = 100) -> None:
    """Show the newest lines of the service's journal on each host."""
    from pipeline.release import operate, present

    present.logs(operate.logs(target, lines))


@on_target(
    plan="only say what would be removed",
    lock_wait="seconds to wait for a lock that is taken",
    format="text or json",
)
def cleanup(target: Target, plan: bool = False, lock_wait: int = 0, format: str = "text") -> None:
    """Remove releases and backups beyond `keep` of hosts.toml, as every deploy does at its end.

    What serves, and what served before it, is never removed. --plan changes nothing.
    """
    from pipeline.release import cleanup as cleaning
    from pipeline.release import present

    rows = cleaning.plan(target) if plan else cleaning.clean(target, lock_wait=lock_wait)
    formats.print_json(rows) if format == "json" else present.cleaned(rows, plan=plan)


@on_target(lock_wait="seconds to wait for a lock that is taken", yes="do not ask for confirmation")
def restart(target: Target, lock_wait: int = 0, yes: bool = False) -> None:
    """Restart the service, host after host, each checked before the next."""
    from pipeline.release import guards, operate, present

    guards.confirm(target.environment, "restart", yes=yes)
    operate.restart(target, lock_wait=lock_wait, say=present.narrator("text"))
