"""Activating on a fleet: launch, wait until every host is healthy, keep everywhere or nowhere."""

import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from threading import Event

from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from pipeline import redaction
from pipeline.errors import Problem
from pipeline.release import activation as activations
from pipeline.release import batches, failure, health, shell
from pipeline.release.activation import Activation, Kind, Migrate
from pipeline.release.fleet import Fleet, change, each, operator
from pipeline.release.health import Decision, Expected
from pipeline.release.summary import Served
from pipeline.release.survey import Survey
from pipeline.release.watch import Watch
from pipeline.remote.inventory import Health

_POLL = 0.05
_END_SECONDS = 180
"""The longest that a verdict may take to be carried out: a stop, a start and a health check."""


class _NotYet(Exception):
    """Not every host has passed, and none has failed."""


def plan(
    found: Sequence[Survey],
    kind: Kind,
    to: str,
    version: str,
    commit: str,
    migrate: Migrate,
    *,
    digest: str = "",
    pending: Sequence[str] = (),
    overruled: Sequence[str] = (),
    watch: int = 0,
) -> list[Activation]:
    """Return one activation per surveyed host, of one deploy or rollback.

    Only the first host migrates. The id is unique, so that no old verdict is taken for its own.
    """
    identity = f"{to}-{uuid.uuid4().hex[:8]}"
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return [
        Activation(
            id=identity,
            kind=kind,
            to=to,
            before=survey.current,
            migrate=migrate if index == 0 else "none",
            by=operator(),
            version=version,
            commit=commit,
            started=started,
            digest=digest,
            pending=tuple(pending),
            overruled=tuple(overruled),
            watch=watch,
        )
        for index, survey in enumerate(found)
    ]


@dataclass(frozen=True)
class Kept:
    """An activation that was kept on every host; the watches still run what comes after it."""

    served: list[Served]
    watches: list[Watch]


def activate(fleet: Fleet, plans: list[Activation], then: Sequence[str] = ()) -> Kept:
    """Carry out one activation per member; return what was kept on each host.

    `then` are scripts, one per member, that each host runs once its release is kept.
    Raises RolledBack when the release before serves again on every host, RollbackFailed when
    that is not known, with the failing service's own words.
    """
    layout, environment = fleet.layout, fleet.environment
    news = Event()
    scripts = (
        activations.launch(layout, environment, planned, len(fleet.members), fleet.token)
        for planned in plans
    )
    watches = [
        Watch(fleet, member, planned, script + after, news)
        for member, planned, script, after in zip(
            fleet.members, plans, scripts, then or [""] * len(plans), strict=True
        )
    ]
    started = watches[:1]
    reason = ""
    try:
        watches[0].start()
        # The others wait for its migrations; where there are none, nobody has to wait.
        if plans[0].migrate == "none" or _migrated(watches[0]):
            for group in batches.groups(watches, environment.batch):
                for watch in group:
                    if watch is not watches[0]:
                        watch.start()
                        started = watches[: watches.index(watch) + 1]
                # Also those of the groups before: they wait for the verdict, which is one for all.
                reason = _await_health(started, news)
                if reason:
                    break
    except KeyboardInterrupt:
        reason = "interrupted by the operator"
    refusal = watches[0].progress.error
    if refusal and watches[0].progress.not_begun:
        raise refusal  # nothing has begun anywhere
    if not reason and len(started) < len(watches):
        reason = f"{watches[0].member}: {failure.server_reason(watches[0])}"
    _mark_failed(watches[len(started) :])
    return Kept(_conclude(fleet, started, reason, news), started)


def take_up(fleet: Fleet, plans: list[Activation]) -> list[Served]:
    """Take up activations that run on the hosts already, and end them as `activate` does.

    Ctrl-C leaves them alone: they go on without us, as before.
    """
    news = Event()
    watches = [
        Watch(
            fleet,
            member,
            planned,
            activations.watch(fleet.layout, fleet.environment, planned.id),
            news,
        )
        for member, planned in zip(fleet.members, plans, strict=True)
    ]
    for watch in watches:
        watch.start()
    return _conclude(fleet, watches, _await_health(watches, news), news)


def _conclude(fleet: Fleet, watches: list[Watch], reason: str, news: Event) -> list[Served]:
    """Write the verdicts, wait for the ends, and return or raise what they were."""
    _decide(watches, reason)
    limit = time.monotonic() + _END_SECONDS + fleet.environment.health.deadline
    while not all(watch.progress.ended for watch in watches) and time.monotonic() < limit:
        _wait_for(news)(_POLL)
    outcomes = [_served(watch) for watch in watches]
    if all(served.outcome == "kept" for served in outcomes):
        return outcomes
    raise failure.of(fleet, watches, outcomes, reason)


def _migrated(first: Watch) -> bool:
    """Wait until the first host has passed its migrations; tell whether it got that far."""
    while not first.progress.ended:
        if first.progress.at("starting") is not None:
            return first.progress.at("rolling-back") is None
        time.sleep(_POLL)
    return False


def _wait_for(news: Event) -> Callable[[float], None]:
    """Return a sleep that ends as soon as there is something new to look at."""

    def sleep(seconds: float) -> None:
        news.wait(seconds)
        news.clear()

    return sleep


def _await_health(watches: list[Watch], news: Event) -> str:
    """Wait until every host is healthy; return why not, or nothing.

    The deadline begins when all are being started: neither a stop nor a migration counts.
    """
    while not all(w.progress.ended or w.progress.at("starting") for w in watches):
        _wait_for(news)(_POLL)
    decisions: list[Decision] = []
    public = ""
    rules = watches[0].fleet.environment.health
    try:
        for attempt in Retrying(
            sleep=_wait_for(news),
            stop=stop_after_delay(rules.deadline),
            wait=wait_fixed(_POLL),
            retry=retry_if_exception_type(_NotYet),
        ):
            with attempt:
                decisions = [_judged(watch) for watch in watches]
                if any(decision.verdict == "fail" for decision in decisions):
                    break
                if any(decision.verdict == "wait" for decision in decisions):
                    raise _NotYet
                public = public_complaint(rules)
                if public:
                    raise _NotYet
    except RetryError:
        late = f"not healthy within {rules.deadline:g} s: "
    else:
        late = ""
    said = [
        f"{watch.member}: {late}{decision.reason}"
        for watch, decision in zip(watches, decisions, strict=True)
        if decision.verdict == "fail" or (late and decision.verdict == "wait")
    ]
    if late and public:
        said.append(f"{late}{public}")
    return "; ".join(said)


def public_complaint(rules: Health) -> str:
    """Return what is wrong with the answer of health.public_url; nothing if it is 200 or unset.

    Asked from this machine, so it sees what users see: DNS, proxy and certificate included.
    """
    if not rules.public_url:
        return ""
    import httpx  # 0.1 s that most commands never need

    try:
        answer = httpx.get(rules.public_url, timeout=rules.timeout, follow_redirects=True)
    except httpx.HTTPError as error:
        return f"{rules.public_url}: {error or type(error).__name__}"
    return "" if answer.is_success else f"{rules.public_url}: HTTP {answer.status_code}"


def _judged(watch: Watch) -> Decision:
    progress = watch.progress
    if progress.error:
        return Decision("fail", progress.error.message)
    if progress.phase in ("rolling-back", "rolled-back", "rollback-failed"):
        return Decision("fail", progress.reason or "it rolled back by itself")
    expected = Expected(
        before=progress.before,
        version=watch.activation.version,
        commit=watch.activation.commit,
        health=watch.fleet.environment.health,
        front="front" in progress.notes,
    )
    return health.judge(progress.looks, expected)


def _decide(watches: list[Watch], reason: str) -> None:
    """Give the verdict to every host that still waits for one."""
    for watch in watches:
        if not watch.progress.ended:
            watch.tell(
                activations.verdict(
                    watch.fleet.layout,
                    watch.activation.id,
                    keep=not reason,
                    reason=redaction.clean(reason) or "healthy",
                    downtime=_downtime(watch) or 0.0,
                )
            )


def _mark_failed(watches: list[Watch]) -> None:
    """Mark the release as failed where its activation was never started."""

    def mark(watch: Watch) -> None:
        script = shell.render("mark", BASE=str(watch.fleet.layout.base), TO=watch.activation.to)
        if watch.activation.kind == "deploy":
            # The verdict of the others does not wait for this.
            with suppress(Problem):
                change(watch.fleet, watch.member, script, timeout=30)

    each(mark, watches)


def _downtime(watch: Watch) -> float | None:
    """Return the seconds from the stop to the first of the unbroken passes."""
    stopped = watch.progress.at("stopping")
    since = _judged(watch).since
    return (since - stopped) / 100 if stopped is not None and since else None


def _served(watch: Watch) -> Served:
    progress = watch.progress
    outcome = progress.phase if progress.error is None else "unknown"
    if progress.not_begun:
        outcome = "rolled-back"
    downtime = _downtime(watch) if outcome == "kept" else None
    return Served(str(watch.member), outcome, downtime, _durations(progress.phases))


def _durations(phases: tuple[tuple[str, int], ...]) -> tuple[tuple[str, float], ...]:
    return tuple((name, (later - at) / 100) for (name, at), (_, later) in pairwise(phases))
