"""What release commands print: tables and summaries for people, JSON for programs."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING, Any

from pipeline import formats, printable, tables
from pipeline.errors import Problem, UsageProblem
from pipeline.release.cleanup import Cleaned
from pipeline.release.inspect import Listed, Serving
from pipeline.release.operate import Health
from pipeline.release.plan import Plan
from pipeline.release.preflight import Finding
from pipeline.release.setup import Prepared
from pipeline.release.steps import Steps, amount, count, megabytes, shown
from pipeline.release.summary import Summary
from pipeline.release.survey import Entry
from pipeline.release.unlock import Lock
from pipeline.release.variables import Edited, Names

if TYPE_CHECKING:
    from rich.console import Console

FORMATS = ("text", "json")


def narrator(form: str) -> Steps:
    """Return where a command tells its steps: stdout, or stderr when stdout is for JSON."""
    if form not in FORMATS:
        raise UsageProblem(f"--format={form} is not one of {', '.join(FORMATS)}")
    # While the hosts are connected to; whoever prints first waits for it.
    Thread(target=import_module, args=("rich.console",), daemon=True).start()
    stream = sys.stderr if form == "json" else sys.stdout
    return Steps(lambda: _console(to_stderr=form == "json"), terminal=stream.isatty())


@contextmanager
def failing(form: str, environment: str, kind: str, say: Steps) -> Iterator[None]:
    """With `--format json`, print an object for a deploy or rollback that fails, too."""
    try:
        yield
    except Problem as problem:
        if form == "json":
            failure = {
                "environment": environment,
                "kind": kind,
                "exit_code": int(problem.code),
                "error": problem.message,
                "remedy": problem.remedy,
                "detail": problem.detail,
                "steps": say.times(),
            }
            formats.print_json(failure)
        raise


def summary(result: Summary) -> None:
    """Print how a deploy or rollback ended."""
    console = _console()
    downtimes = [host.downtime for host in result.hosts if host.downtime is not None]
    parts = [f"release {result.release}"]
    if result.version:
        parts.append(f"version {result.version} ({result.commit[:9] or 'no commit'})")
    if downtimes:
        parts.append(f"downtime {max(downtimes):.2f} s")
    if result.kind == "deploy":
        parts.append(f"{amount(result.bytes_sent)} sent")
        parts.append(f"{count(len(result.migrations), 'migration')} run")
    word = "deployed" if result.kind == "deploy" else "rolled back"
    where = f" · {result.url}" if result.url else ""
    text = f"{word} to {result.environment}: {', '.join(parts)}{where}"
    console.print(f"[bold green]{shown(text)}[/]", highlight=False, soft_wrap=True)
    if result.watch:
        until = datetime.now().astimezone() + timedelta(seconds=result.watch)
        text = (
            f"the server watches it until {until:%H:%M:%S} and rolls back by itself if it fails; "
            f"`fab -H {result.environment} status` tells"
        )
        console.print(shown(text), highlight=False, soft_wrap=True)
    if result.migrations:
        kept = (
            f"the database before them: {result.dump.path} on {result.dump.host}; "
            if result.dump
            else ""
        )
        text = f"{kept}ClickHouse is not backed up by a deploy"
        console.print(shown(text), highlight=False, soft_wrap=True)


def status(rows: Sequence[Serving]) -> None:
    """Print what each host serves."""
    _table(
        ("host", "release", "version", "commit", "service", "since", "last activation"),
        [(r.host, r.release, r.version, r.commit, r.service, r.since, r.activation) for r in rows],
        "no hosts",
    )


def releases(rows: Sequence[Listed]) -> None:
    """Print the releases that are there, and the dumps of the database where there are any."""
    dumped = any(row.dump_bytes for row in rows)
    _table(
        ("release", "version", "commit", "state", *(["database before it"] if dumped else [])),
        [
            (
                *(row.name, row.version, row.commit, row.state),
                *([megabytes(row.dump_bytes) if row.dump_bytes else ""] if dumped else []),
            )
            for row in rows
        ],
        "no releases yet",
    )


def history(rows: Sequence[Entry]) -> None:
    """Print what happened, newest last."""
    _table(
        (
            "finished (UTC)",
            "what",
            "release",
            "from",
            "version",
            "outcome",
            "downtime",
            "by",
            "why",
        ),
        [
            (
                r.finished,
                r.kind,
                r.to,
                r.before or "-",
                r.version,
                r.outcome,
                f"{r.downtime:.2f} s" if r.downtime is not None else "-",
                r.by,
                " ".join((r.reason, *r.overruled)),
            )
            for r in rows
        ],
        "nothing has happened yet",
    )


def findings(rows: Sequence[Finding]) -> None:
    """Print what was looked at, and what to do about what is not as it should be."""
    _table(
        ("host", "", "what", "what to do"),
        [(row.host, row.state, row.what, row.remedy) for row in rows],
        "preflight: nothing to complain about",
    )


def health(rows: Sequence[Health]) -> None:
    """Print how each host's service is."""
    _table(
        ("host", "health", "version", "restarts", "answer"),
        [
            (r.host, "ok" if r.healthy else "unhealthy", r.version, r.restarts, r.answer)
            for r in rows
        ],
        "no hosts",
    )


def require_healthy(rows: Sequence[Health]) -> None:
    """Raise Problem, naming the hosts, unless every service is healthy."""
    if ill := [row.host for row in rows if not row.healthy]:
        raise Problem(f"not healthy: {', '.join(ill)}", remedy="`logs` shows the journal")


def logs(rows: Sequence[tuple[str, str]]) -> None:
    """Print each host's journal as it is, below the host's name where there are several."""
    for host, text in rows:
        if len(rows) > 1:
            sys.stdout.write(f"--- {host}\n")
        sys.stdout.write(printable.block(text))


def locks(rows: Sequence[Lock], *, freed: bool) -> None:
    """Print who holds, or held, each host's lock, and what to do about it."""
    console = _console()
    for row in rows:
        if not row.by:
            text = f"{row.host}: free"
        else:
            verb = "was held" if freed else "is held"
            text = f"{row.host}: {verb} by {row.by} since {row.since}, running `{row.command}`"
        console.print(shown(text), highlight=False, soft_wrap=True)
    if any(row.by for row in rows) and not freed:
        console.print(
            "The host holds it for an open connection. If that command still runs, wait for it or "
            "end it there; if its machine or its line is gone, free the lock with --yes.",
            highlight=False,
            soft_wrap=True,
        )


def prepared(rows: Sequence[Prepared], *, plan: bool) -> None:
    """Print what setup changed, or would change."""
    console = _console()
    verb = "would change" if plan else "changed"
    for row in rows:
        count = len(row.changed)
        console.print(f"{row.host}: {verb} {count}, {row.same} unchanged", highlight=False)
        for path in row.changed:
            console.print(f"  {verb}  {shown(path)}", highlight=False, soft_wrap=True)
        if row.absent:
            console.print(
                f"  missing  {row.absent}: give the service its environment with --env-file",
                highlight=False,
                soft_wrap=True,
            )
        if row.kept:
            console.print(
                f"  kept  {row.kept}, which differs from --env-file; --replace-env replaces it",
                highlight=False,
                soft_wrap=True,
            )
        if row.kept_user:
            console.print(
                f"  kept  {row.kept_user} runs the service; --migrate-user gives it a user of its "
                "own, and restarts it",
                highlight=False,
                soft_wrap=True,
            )
        if row.first:
            console.print(
                "  nothing is deployed yet: `deploy --create-databases` lets the first release "
                "create its databases",
                highlight=False,
                soft_wrap=True,
            )


def names(rows: Sequence[Names]) -> None:
    """Print the variables of the environment file by name, and which hosts have them."""
    hosts: dict[str, list[str]] = {}
    for row in rows:
        for name in row.names:
            hosts.setdefault(name, []).append(row.host)
    cells = [(name, ", ".join(on)) for name, on in sorted(hosts.items())]
    _table(("name", "hosts"), cells, "no variables yet")


def edited(rows: Sequence[Edited], environment: str, *, verb: str) -> None:
    """Print by name what was set or removed, and that the service has yet to see it."""
    console = _console()
    for row in rows:
        done = f"{verb} {', '.join(row.changed)}" if row.changed else "nothing changed"
        rest = f"; as wanted before: {', '.join(row.same)}" if row.same else ""
        text = f"{row.host}: {done}{rest} ({row.file})"
        console.print(shown(text), highlight=False, soft_wrap=True)
    if any(row.changed for row in rows):
        text = f"in effect after a restart: `fab -H {environment} restart`"
        console.print(text, highlight=False, soft_wrap=True)


def cleaned(rows: Sequence[Cleaned], *, plan: bool) -> None:
    """Print what was, or would be, removed."""
    console = _console()
    verb = "would remove" if plan else "removed"
    for row in rows:
        names = ", ".join(row.removed) or "nothing"
        console.print(shown(f"{row.host}: {verb} {names}"), highlight=False, soft_wrap=True)


def planned(plan: Plan) -> None:
    """Print what a deploy would do."""
    console = _console()
    label = f"{plan.version} ({plan.commit[:9] or 'no commit'})"
    head = f"a deploy to {plan.environment} would make release {plan.release} of version {label}"
    console.print(shown(head), highlight=False, soft_wrap=True)
    console.print(shown(f"steps: {', '.join(plan.steps)}"), highlight=False, soft_wrap=True)
    _table(
        (
            *("host", "serves", "would send", "disk after", "inodes after"),
            *("would remove", "downtime", "lock"),
        ),
        [
            (
                host.host,
                host.before or "nothing",
                f"{count(host.changed_files, 'file')}, at most {megabytes(host.changed_bytes)}",
                megabytes(host.disk_after),
                "not known" if host.inodes_after is None else f"{host.inodes_after:,}",
                ", ".join(host.removed) or "nothing",
                "not known" if host.downtime is None else f"about {host.downtime:.1f} s",
                host.locked_by or "free",
            )
            for host in plan.hosts
        ],
        "no hosts",
    )
    console.print(shown(f"pending migrations: {plan.migrations}"), highlight=False)
    findings([finding for finding in plan.findings if finding.state != "ok"])


def _table(heads: Sequence[str], rows: Sequence[Sequence[Any]], nothing: str) -> None:
    tables.show(heads, rows, nothing, whole=("release", "from", "host"))


def _console(*, to_stderr: bool = False) -> "Console":
    return tables.console(to_stderr=to_stderr)
