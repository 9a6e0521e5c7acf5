"""The activation: its script, how it is launched, watched and told keep or roll back.

Pure builders: each returns POSIX sh text, and nothing here runs it. The transaction itself is
scripts/activate.sh.
"""

import ipaddress
import json
import math
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pipeline.release import batches, shell
from pipeline.release.layout import Layout
from pipeline.remote import inventory
from pipeline.remote.inventory import Environment

Migrate = Literal["after-stop", "before-stop", "none"]
Kind = Literal["deploy", "rollback"]

TERMINAL = frozenset({"kept", "rolled-back", "rollback-failed"})
"""The phases after which an activation does nothing more."""

_RETURN_SECONDS = 20
"""The least time that the release before gets to answer again, however impatient the gate is."""

_STOP_SECONDS = 60
"""TimeoutStopSec of the service unit: the longest that a stop may take."""


@dataclass(frozen=True)
class Activation:
    """One change of the serving release on one host; `before` is empty on an empty host."""

    id: str
    kind: Kind
    to: str
    before: str
    migrate: Migrate
    by: str
    version: str
    commit: str
    started: str
    digest: str = ""
    pending: tuple[str, ...] = ()
    """The migrations that it will run, by name."""
    overruled: tuple[str, ...] = ()
    """The guards of the environment that were overruled, as options."""
    watch: int = 0
    """Seconds after it was kept in which the server may still roll back by itself."""

    def intent(self) -> str:
        """Return the history records' beginning; the server adds "begun", and later the outcome."""
        record = {
            "id": self.id,
            "kind": self.kind,
            "to": self.to,
            "from": self.before,
            "version": self.version,
            "commit": self.commit,
            "by": self.by,
            "migrations": self.migrate,
            "digest": self.digest,
            "pending": self.pending if self.migrate != "none" else (),
            **({"overruled": self.overruled} if self.overruled else {}),
            "started": self.started,
        }
        return json.dumps(record, ensure_ascii=True)[:-1]


def script(layout: Layout, environment: Environment, activation: Activation, hosts: int) -> str:
    """Return the whole activation script for one host of a fleet of `hosts`."""
    health = environment.health
    return shell.SHEBANG + shell.render(
        "probe",
        "control",
        "activate",
        ID=activation.id,
        KIND=activation.kind,
        TO=activation.to,
        FROM=activation.before,
        MIGRATE=activation.migrate,
        ENVIRONMENT=layout.environment,
        BASE=str(layout.base),
        SERVICE=layout.service,
        SERVICE_USER=environment.service_user,
        MIGRATE_TIMEOUT=environment.migrate_timeout,
        MIGRATE_OUTPUT=str(layout.output("migrate")),
        WATCH=activation.watch,
        HEALTH_URL=health.url,
        HEALTH_PORT=inventory.health_port(environment),
        HEALTH_LOCAL=int(_is_local(health.url)),
        HEALTH_TIMEOUT=health.timeout,
        HEALTH_DEADLINE=max(_RETURN_SECONDS, round(health.deadline)),
        VERDICT_SECONDS=verdict_seconds(environment, hosts),
        INTENT=activation.intent(),
    )


def verdict_seconds(environment: Environment, hosts: int) -> int:
    """Return how long, in seconds, the server waits for a verdict before it rolls back.

    The first host of a fleet waits until the others have stopped, started and become healthy, group
    after group (batches.py).
    """
    own = environment.health.deadline + environment.health.timeout + 10
    groups = math.ceil(hosts / batches.size(environment.batch, hosts))
    others = environment.health.deadline + _STOP_SECONDS if hosts > 1 else 0
    return round(own + groups * others)


def launch(
    layout: Layout, environment: Environment, activation: Activation, hosts: int, token: str
) -> str:
    """Return the script that puts the activation in place, starts it and watches it.

    It prints what `watch` prints; it exits 75 when another activation is running, 76 when the
    lock is not held with this `token` any more.
    """
    return shell.render(
        "launch",
        ACTIVATION=script(layout, environment, activation, hosts),
        DEPLOY_USER=environment.user,
        TOKEN=token,
        **_watched(layout, environment, activation.id),
    ) + "".join(map(shell.body, ("probe", "look", "listen", "watch")))


def watch(layout: Layout, environment: Environment, identity: str) -> str:
    """Return the script that follows the activation `identity` to its end; it changes nothing.

    On its standard input it takes the verdict.
    It exits 0 after a terminal phase, 1 if the activation vanished without one.
    """
    known = _watched(layout, environment, identity)
    return shell.render("probe", "look", "listen", "watch", **known)


def look(layout: Layout, environment: Environment, strangers: str = "") -> str:
    """Return the read-only script that prints one look at the service (health.parse).

    Before it comes a line `manifest` of the release that serves. `strangers` are the sockets that
    are known not to be the service's.
    """
    # Twice, since the version is asked of a service that has answered.
    ask = 'question\ntext=$body\n[ "$good" = no ] || question\nbody=$text\nask\nlook\n'
    variables = {**_watched(layout, environment, ""), "STRANGERS": strangers}
    manifest = (
        "printf 'manifest\\t%s\\n' "
        "\"$(tr '\\n\\t' '  ' 2>/dev/null <\"$BASE/current/MANIFEST.json\")\"\n"
    )
    return shell.render("probe", "look", **variables) + manifest + ask


def restart(layout: Layout, environment: Environment) -> str:
    """Return the script that restarts the service.

    It prints `strangers`, for `look`; `front` if a proxy stands there; `held`, who has the port.
    """
    here = {
        "HEALTH_PORT": inventory.health_port(environment),
        "HEALTH_LOCAL": int(_is_local(environment.health.url)),
    }
    return shell.render("probe", "control", "restart", **_watched(layout, environment, ""), **here)


def verdict(layout: Layout, identity: str, *, keep: bool, reason: str, downtime: float) -> str:
    """Return the script that tells the waiting activation to keep the release or roll it back.

    `downtime` is the time from stop to healthy in seconds; the reason goes into the history.
    """
    return shell.render(
        "verdict",
        BASE=str(layout.base),
        ID=identity,
        VERDICT="keep" if keep else "roll-back",
        REASON=json.dumps(reason),
        DOWNTIME=f"{downtime:.2f}",
    )


def _watched(layout: Layout, environment: Environment, identity: str) -> dict[str, str | float]:
    return {
        "BASE": str(layout.base),
        "ID": identity,
        "SERVICE": layout.service,
        "SERVICE_USER": environment.service_user,
        "UNIT": layout.activation_unit,
        "HEALTH_URL": environment.health.url,
        "HEALTH_TIMEOUT": environment.health.timeout,
        "VERSION_URL": environment.health.version_url,
    }


def _is_local(url: str) -> bool:
    """Tell whether `url` names the loopback of the host that asks it."""
    name = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
