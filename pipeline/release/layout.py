"""Where things lie on a server (DESIGN section 5). Paths only; nothing here touches a disk."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from pipeline.remote.inventory import Environment


@dataclass(frozen=True)
class Layout:
    """The paths and unit names of one environment on its hosts."""

    base: PurePosixPath
    backups: PurePosixPath
    service: str
    environment: str
    root: PurePosixPath

    @property
    def releases(self) -> PurePosixPath:
        """One directory per release, named by its time."""
        return self.base / "releases"

    @property
    def current(self) -> PurePosixPath:
        """The link to the serving release, relative."""
        return self.base / "current"

    @property
    def deploy(self) -> PurePosixPath:
        """Lock, journal, history and the release that is being prepared."""
        return self.base / ".deploy"

    @property
    def incoming(self) -> PurePosixPath:
        """Where uploads grow until they are whole."""
        return self.deploy / "incoming"

    @property
    def candidate(self) -> PurePosixPath:
        """The link through which the migrate and pending units find the new release."""
        return self.deploy / "candidate"

    @property
    def activate(self) -> PurePosixPath:
        """The activation script; its path is part of the sudoers line."""
        return self.deploy / "activate"

    @property
    def env_file(self) -> PurePosixPath:
        """The service's environment, mode 600, root's."""
        return self.root / "etc/qusto" / f"{self.environment}.env"

    @property
    def state(self) -> PurePosixPath:
        """The only directory that the service may write."""
        return self.root / "var/lib" / self.service

    @property
    def dumps(self) -> PurePosixPath:
        """Dumps of the database, the service user's; nobody else may read them."""
        return self.backups / "database"

    def dump(self, name: str) -> PurePosixPath:
        """Return the dump from before the migrations of release `name`."""
        return self.dumps / f"before_{name}.dump"

    @property
    def dump_script(self) -> PurePosixPath:
        """What the dump unit runs, root's."""
        return self.root / "etc/qusto" / f"{self.environment}-dump"

    @property
    def boot_script(self) -> PurePosixPath:
        """What proves the serving release at boot, root's."""
        return self.root / "etc/qusto" / f"{self.environment}-boot"

    @property
    def activation_unit(self) -> str:
        """The fixed name of the transient unit, which makes it a mutex."""
        return f"qusto-deploy-{self.environment}"

    def output(self, what: str) -> PurePosixPath:
        """Return where the migrate, pending or dump unit (`what`) leaves what it printed."""
        return self.root / "run" / f"{self.service}-{what}" / "output"


def of(environment: Environment) -> Layout:
    """Return the layout of an environment of hosts.toml."""
    return Layout(
        base=PurePosixPath(environment.path),
        backups=PurePosixPath(environment.backups),
        service=environment.service,
        environment=environment.name,
        root=PurePosixPath(environment.root),
    )
