"""The compose file for the services an application names: a pure function, as JSON.

JSON is YAML, so docker compose reads it as it is (yaml.org/spec/1.2.2, section 1.3). Passwords are
no part of it: compose takes them from the environment of its own call (`secrets`).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.services.named import PORTS, Kind, Service

IMAGES = {
    Kind.POSTGRESQL: "postgres:18",
    Kind.CLICKHOUSE: "clickhouse/clickhouse-server:24.12.2.29-alpine",
    Kind.REDIS: "redis:7.4.2-alpine",
}
"""The first two are those of CI_CD_SETUP.md and of the workflows."""


def names(services: Sequence[Service]) -> dict[Service, str]:
    """Return the name of each service in the compose file; the port tells two of a kind apart."""
    kinds = [service.kind for service in services]
    return {
        service: service.kind.lower()
        if kinds.count(service.kind) == 1
        else f"{service.kind.lower()}-{service.port}"
        for service in services
    }


def compose_file(services: Sequence[Service]) -> str:
    """Return the compose file that runs these services where they are named, for this machine only.

    Their data is in the containers: `down` leaves none.
    """
    named = names(services)
    content = {"services": {named[service]: _container(service) for service in services}}
    return f"{json.dumps(content, indent=2)}\n"


def secrets(services: Sequence[Service]) -> dict[str, str]:
    """Return the environment that the compose file of these services refers to."""
    return {_variable(service): _password(service) for service in services if _password(service)}


def _container(service: Service) -> dict[str, Any]:
    container: dict[str, Any] = {
        "image": IMAGES[service.kind],
        "ports": [f"127.0.0.1:{service.port}:{PORTS[service.kind]}"],
        "healthcheck": {
            "test": _health(service),
            "interval": "1s",
            "timeout": "5s",
            "retries": 60,
        },
    }
    environment = _environment(service)
    if environment:
        container["environment"] = environment
    if service.kind is Kind.REDIS and service.password:
        # redis-cli of the health check reads REDISCLI_AUTH.
        container["command"] = [
            *("sh", "-c"),
            # Doubled for compose, which would put in a variable of its own.
            'exec redis-server --requirepass "$$REDISCLI_AUTH"',
        ]
    if service.kind is Kind.CLICKHOUSE:
        # What its documentation asks for (hub.docker.com/r/clickhouse/clickhouse-server).
        container["ulimits"] = {"nofile": {"soft": 262144, "hard": 262144}}
    return container


def _health(service: Service) -> list[str]:
    match service.kind:
        case Kind.POSTGRESQL:
            # By TCP: while the image makes its first cluster it runs a server on the socket alone,
            # which would pass for the real one.
            user = _literal(service.user or "postgres")
            return ["CMD", "pg_isready", "--quiet", "--host=127.0.0.1", f"--username={user}"]
        case Kind.CLICKHOUSE:
            # The alpine image has busybox' wget and no curl.
            return ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1:8123/ping"]
        case Kind.REDIS:
            # redis-cli exits 0 also on an error; a wrong password or a loading server says no PONG.
            return ["CMD-SHELL", "redis-cli ping | grep -q PONG"]


def _environment(service: Service) -> Mapping[str, str]:
    user, password = _literal(service.user), f"${{{_variable(service)}}}"
    match service.kind:
        case Kind.POSTGRESQL:
            return {"POSTGRES_USER": user or "postgres", "POSTGRES_PASSWORD": password}
        case Kind.CLICKHOUSE if service.user or service.password:
            return {
                "CLICKHOUSE_USER": user or "default",
                "CLICKHOUSE_PASSWORD": password if service.password else "",
                "CLICKHOUSE_DEFAULT_ACCESS_MANAGEMENT": "1",
            }
        case Kind.CLICKHOUSE:
            # Newer images take the network from a user without password unless told this.
            return {"CLICKHOUSE_SKIP_USER_SETUP": "1"}
        case Kind.REDIS:
            return {"REDISCLI_AUTH": password} if service.password else {}


def _literal(text: str) -> str:
    """Return the text so that compose, which puts variables in everywhere, leaves it as it is."""
    return text.replace("$", "$$")


def _password(service: Service) -> str:
    # The image does not start without one, and asks nobody for it in its own container.
    return service.password or ("postgres" if service.kind is Kind.POSTGRESQL else "")


def _variable(service: Service) -> str:
    return f"QUSTO_{service.kind.upper()}_{service.port}_PASSWORD"
