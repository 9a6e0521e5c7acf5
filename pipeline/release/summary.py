"""How an activation of a fleet ended, for people and for `--format json`."""

from dataclasses import dataclass, field

from pipeline.release.activation import Activation
from pipeline.release.dump import Dump
from pipeline.release.fleet import Fleet
from pipeline.release.steps import Steps


@dataclass(frozen=True)
class Served:
    """How the activation ended on one host; times in seconds, downtime from stop to healthy."""

    host: str
    outcome: str
    downtime: float | None
    phases: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Summary:
    """How an activation of a whole fleet ended: what `--format json` prints."""

    environment: str
    kind: str
    release: str
    before: str
    version: str
    commit: str
    url: str
    hosts: list[Served]
    steps: list[tuple[str, float]]
    watch: int = 0
    """Seconds for which the servers go on watching, and may roll back by themselves."""
    bytes_sent: int | None = 0
    migrations: list[str] = field(default_factory=list)
    dump: Dump | None = None
    """Of a deploy: the database as it was before these migrations."""
    stay_applied: list[str] = field(default_factory=list)
    """Of a rollback: migrations of newer deploys, which it does not undo."""
    dumps: list[str] = field(default_factory=list)
    """Of a rollback: dumps of the first host's database from before these migrations."""


def summarize(fleet: Fleet, plans: list[Activation], served: list[Served], say: Steps) -> Summary:
    """Return the summary of an activation that was kept everywhere; the first host speaks."""
    first = plans[0]
    return Summary(
        environment=fleet.environment.name,
        kind=first.kind,
        release=first.to,
        before=first.before,
        version=first.version,
        commit=first.commit,
        url=fleet.environment.url,
        hosts=served,
        steps=say.times(),
        watch=first.watch,
    )


def note(served: list[Served]) -> str:
    """Return phases and downtime for people, those of the host that was down the longest."""
    slowest = max(served, key=lambda host: host.downtime or 0)
    phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in slowest.phases)
    if slowest.downtime is None:
        return phases
    return f"{phases}; downtime {slowest.downtime:.2f} s"
