"""What setup and doctor ask of a host beside the survey (facts.sh, doctor.sh), and the answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pipeline.release import shell, units
from pipeline.release.layout import Layout
from pipeline.remote import inventory
from pipeline.remote.inventory import Environment


@dataclass(frozen=True)
class Listener:
    """Who listens at the service's port; `pid` and `unit` are "" where only root could see them."""

    uid: str
    user: str
    pid: str
    unit: str

    def __str__(self) -> str:
        """Return what is known of it, for people."""
        parts = [f"user {self.user}"]
        if self.pid:
            parts.insert(0, f"process {self.pid}")
        if self.unit:
            parts.append(f"unit {self.unit}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Facts:
    """The answer. `files` maps the path of each host file to its digest, where it can be read.

    `systemd` is 0 and `owner` (the uid of the service's process) "" where they are not known;
    `others` are the units of other environments and their health URLs.
    """

    systemd: int
    files: dict[str, str]
    unit_user: str
    others: tuple[tuple[str, str], ...]
    owner: str
    listeners: tuple[Listener, ...]
    found: Mapping[str, list[list[str]]]
    """Every line by its first word, as doctor.sh adds more."""


def script(layout: Layout, environment: Environment, *, doctor: bool = False) -> str:
    """Return the script whose output `parse` reads; with `doctor` it tries what deploy may do."""
    paths = {file.path for file in units.host_files(layout, environment, 0)}
    return shell.render(
        *(("facts", "doctor") if doctor else ("facts",)),
        SERVICE=layout.service,
        UNITS=str(layout.root / "etc/systemd/system"),
        FILES=" ".join(sorted(map(str, paths))),
        PORT=inventory.health_port(environment),
        BACKUPS=str(layout.backups),
        ENV_FILE=str(layout.env_file),
        SUDO_LINES="\n".join(units.sudo_lines(layout, environment)),
        HEALTH_URL=environment.health.url,
        HEALTH_TIMEOUT=environment.health.timeout,
    )


def parse(lines: Iterable[str]) -> Facts:
    """Return the facts in the script's output; lines of other tools are passed over."""
    found: dict[str, list[list[str]]] = {}
    for line in lines:
        word, *rest = line.rstrip("\n").split("\t")
        found.setdefault(word, []).append(rest)

    def rows(word: str, width: int) -> list[list[str]]:
        return [row for row in found.get(word, []) if len(row) == width]

    def one(word: str) -> str:
        return next((row[0] for row in rows(word, 1)), "")

    return Facts(
        systemd=int(text) if (text := one("systemd")).isdigit() else 0,
        files={row[0]: row[1] for row in rows("file", 2)},
        unit_user=one("unit-user"),
        others=tuple((name, url) for name, url in rows("other", 2)),
        owner=one("owner"),
        listeners=tuple(Listener(*row) for row in rows("listener", 4)),
        found=found,
    )


def port_conflict(facts: Facts, layout: Layout, environment: Environment) -> str:
    """Return who else has, or is to have, the service's port on this host; "" if nobody."""
    port = inventory.health_port(environment)
    for name, url in facts.others:
        if inventory.port_of(url) == port:
            return f"port {port} of `health.url` is the one of {name}.service, too"
    for listener in facts.listeners:
        if listener.unit == layout.service or (not listener.unit and facts.owner == listener.uid):
            continue
        if not listener.unit and "owner" not in facts.found:
            continue  # systemd did not tell which process is the service's own
        return f"port {port} of `health.url` is taken by {listener}"
    return ""


def port_remedy(environment: Environment) -> str:
    """Return what to do about a port conflict."""
    return (
        f"stop it, or give {environment.name} another port: `url` and `version_url` of "
        f"[{environment.name}.health] in hosts.toml, and PORT in its environment file"
    )
