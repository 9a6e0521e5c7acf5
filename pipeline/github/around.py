"""What GitHub has around a job, as far as this machine knows it: its contexts, its services."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import asking
from pipeline.github.workflows import Job, Workflow
from pipeline.services import probes
from pipeline.services.named import Kind
from pipeline.services.named import Service as Named

_IMAGES = {
    "postgres": Kind.POSTGRESQL,
    "clickhouse/clickhouse-server": Kind.CLICKHOUSE,
    "redis": Kind.REDIS,
}


@dataclass(frozen=True)
class Beside:
    """A service of a job: name, image, address, and what is wrong with it (empty: it answers)."""

    name: str
    image: str
    address: str
    trouble: str


def github(app: Path, workflow: Workflow, job: Job) -> dict[str, str]:
    """Return the values of the `github` context that are the same here: those of a push."""
    branch = _git(app, "symbolic-ref", "--short", "--quiet", "HEAD")
    return {
        "workspace": str(app),
        "event_name": "push",
        "ref": f"refs/heads/{branch}" if branch else "",
        "ref_name": branch,
        "head_ref": "",
        "base_ref": "",
        "sha": _git(app, "rev-parse", "HEAD"),
        "workflow": workflow.name,
        "job": job.id,
    }


def services(job: Job, images: Mapping[str, str]) -> list[Beside]:
    """Return the services of the job, each asked in its protocol; `images` name → image."""
    known: list[tuple[str, Named]] = []
    found: dict[str, Beside] = {}
    for name, service in job.services.items():
        image = images[name]
        kind = _IMAGES.get(image.partition(":")[0].removeprefix("docker.io/"))
        port = _port(service.ports)
        if kind is None or port is None:
            found[name] = Beside(name, image, "", "nobody here knows how to ask it")
        else:
            known.append((name, Named(kind, "127.0.0.1", port, "the workflow")))
    for (name, named), trouble in zip(known, _ask([one for _, one in known]), strict=True):
        found[name] = Beside(name, images[name], named.address, trouble)
    return [found[name] for name in job.services]


def _ask(services: Sequence[Named]) -> list[str]:
    return [trouble.text if trouble else "" for trouble in probes.ask_all(services)]


def _port(ports: Sequence[str]) -> int | None:
    """Return the port on this machine of the first published one."""
    first = ports[0].split("/")[0].split(":") if ports else []
    return int(first[-2] if len(first) > 1 else first[0]) if first and first[0].isdigit() else None


def _git(app: Path, *words: str) -> str:
    return asking.answer(os.environ, "git", "-C", str(app), *words)
