"""Getting a release onto a host: rsync of the tree, or SFTP of the tarball where that fails."""

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fabric import Connection
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from pipeline.errors import Unreachable
from pipeline.remote import keys
from pipeline.remote.compat import rsync
from pipeline.remote.connection import known_hosts_lines
from pipeline.remote.inventory import Environment, Host

_FILES = re.compile(r"^Number of regular files transferred: ([\d,.]+)", re.MULTILINE)
_SIZE = re.compile(r"^Total transferred file size: ([\d,.]+)", re.MULTILINE)
_LONGEST_DIRECTORY = 80
"""Characters: the address of a socket holds 104 on macOS, 108 on Linux (unix(7)), and ssh appends
17 to the name while it opens it."""

_POLL = 0.01
"""Seconds between two looks whether ssh's line is up."""

_SENT = re.compile(r"^Total bytes sent: ([\d,.]+)", re.MULTILINE)


@contextmanager
def ssh_options(environment: Environment, hosts: tuple[Host, ...]) -> Iterator[str]:
    """Yield ssh's options, so that rsync's own is as strict as our connection, with the same key.

    Pinned host keys go into a temporary known_hosts file (they are public); a key given as text
    goes into an agent of our own, never to disk.
    """
    options = ["BatchMode=yes", "StrictHostKeyChecking=yes"]
    options.append(f"ConnectTimeout={environment.connect_timeout}")
    with ExitStack() as stack:
        if environment.host_keys:
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="qusto-ssh-"))
            known = Path(directory) / "known_hosts"
            lines = [line for host in hosts for line in known_hosts_lines(environment, host)]
            known.write_text("".join(f"{line}\n" for line in lines))
            options += [f"UserKnownHostsFile={known}", "GlobalKnownHostsFile=/dev/null"]
        if text := keys.text_of(environment):
            socket = stack.enter_context(keys.agent(text))
            options.append(f"IdentityAgent={socket}")
        elif environment.key_file:
            key_file = Path(environment.key_file).expanduser()
            options += [f"IdentityFile={key_file}", "IdentitiesOnly=yes"]
        yield " ".join(f"-o {option}" for option in options)


class Lines:
    """OpenSSH's own line to every host, coming up in the background; `close` ends them.

    rsync cannot use our connection, and a second one costs about eight round trips: these are
    made while the hosts are surveyed.
    """

    def __init__(self, options: str, environment: Environment, hosts: tuple[Host, ...]) -> None:
        """`options` are those of ssh_options; without ssh or rsync no line opens."""
        self._options = options
        self._patience = environment.connect_timeout
        self._masters: dict[Host, tuple[Path, subprocess.Popen[bytes]]] = {}
        self._directory = tempfile.TemporaryDirectory(prefix="qusto-")
        place = Path(self._directory.name)
        usable = shutil.which("rsync") and shutil.which("ssh")
        if not usable or len(str(place)) > _LONGEST_DIRECTORY:
            return
        for number, host in enumerate(hosts):
            control = place / str(number)
            opening = ("-o", f"ControlPath={control}", "-o", "ControlMaster=yes", "-N")
            to = ("-p", str(host.port), f"{environment.user}@{host.address}")
            master = subprocess.Popen(
                ("ssh", *shlex.split(options), *opening, *to),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C is for us; we end them
            )
            self._masters[host] = control, master

    def options(self, host: Host) -> str:
        """Return the options of a ssh to `host` that uses its line, once that is up.

        Where it does not come up, rsync's ssh connects by itself, and says why it cannot.
        """
        if host not in self._masters:
            return self._options
        control, master = self._masters[host]
        up = Retrying(
            stop=stop_after_delay(self._patience),
            wait=wait_fixed(_POLL),
            retry=retry_if_result(lambda ready: not ready),
            retry_error_callback=lambda _: False,
        )
        # The socket appears when the host has let us in.
        up(lambda: control.exists() or master.poll() is not None)
        return f"{self._options} -o ControlPath={control} -o ControlMaster=no"

    def close(self) -> None:
        """End them all."""
        for _, master in self._masters.values():
            master.terminate()
        for _, master in self._masters.values():
            master.wait()
        self._directory.cleanup()


def can_rsync(connection: Connection, host_has_rsync: bool) -> bool:
    """Tell whether rsync can be used: on both sides, with ssh here, and without a jump host.

    patchwork's rsync knows nothing of Fabric's gateways (research/fabric.md section 1).
    """
    here = shutil.which("rsync") and shutil.which("ssh")
    return bool(here) and host_has_rsync and connection.gateway is None


def upload_tree(
    connection: Connection,
    options: str,
    tree: Path,
    target: PurePosixPath,
    link_dest: PurePosixPath | None,
) -> int | None:
    """Make `target` on the host equal to `tree`; return the bytes sent, None if not known.

    Files equal to those of `link_dest` become hard links to them. Contents are compared, not
    times: two builds of one commit differ only in times (measured; research/deploy.md 2.9).
    Raises Unreachable with rsync's own words.
    """
    link = f"--link-dest={link_dest}" if link_dest else ""
    result = rsync(
        connection,
        f"{tree}/",
        f"{target}/",
        delete=True,
        # The file list in one piece: asked for in pieces it costs more round trips.
        rsync_opts="--links --checksum --no-times --no-inc-recursive --stats "
        f"--no-human-readable --timeout=60 {link}",
        ssh_opts=options,
    )
    if result is None or result.failed:
        said = result.stderr.strip() if result else ""
        raise Unreachable(
            f"{connection.host}: the upload broke off",
            remedy="run the deploy again; it goes on from what is there",
            detail=said[-1500:],
        )
    return _digits(_SENT.search(result.stdout))


@dataclass(frozen=True)
class Changed:
    """What would be sent: files, and at most so many bytes; None where rsync's words are unknown.

    The disk would take `added` bytes, and as many inodes as there are `files` and directories.
    """

    files: int | None
    size: int | None
    added: int | None
    directories: int


def compare_tree(
    connection: Connection,
    options: str,
    tree: Path,
    release: PurePosixPath,
    directories: int,
) -> Changed:
    """Compare `tree`, of so many `directories`, with a release on the host; writes nothing.

    rsync compares nothing with --link-dest while the target is missing in a dry run, so the
    release itself is the target. Raises Unreachable with rsync's own words.
    """
    result = rsync(
        connection,
        f"{tree}/",
        f"{release}/",
        rsync_opts="--dry-run --links --checksum --no-times --no-perms --stats "
        "--no-human-readable --timeout=60",
        ssh_opts=options,
    )
    if result is None or result.failed:
        said = result.stderr.strip() if result else ""
        raise Unreachable(
            f"{connection.host}: the releases could not be compared", detail=said[-1500:]
        )
    size = _digits(_SIZE.search(result.stdout))
    return Changed(_digits(_FILES.search(result.stdout)), size, size, directories)


def _digits(found: "re.Match[str] | None") -> int | None:
    return int(re.sub(r"\D", "", found[1])) if found else None


def upload_file(connection: Connection, source: Path, target: PurePosixPath) -> int:
    """Copy one file by SFTP; return the bytes sent. Raises Unreachable."""
    try:
        connection.put(str(source), str(target))
    except (OSError, EOFError) as error:
        raise Unreachable(f"{connection.host}: the upload broke off: {error}") from None
    return source.stat().st_size
