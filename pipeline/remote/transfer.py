"""Getting a release onto a host: rsync of the tree, or SFTP of the tarball where that fails."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from fabric import Connection

from pipeline.errors import Unreachable
from pipeline.remote import keys
from pipeline.remote.compat import rsync
from pipeline.remote.connection import known_hosts_lines
from pipeline.remote.inventory import Environment, Host

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


def _digits(found: "re.Match[str] | None") -> int | None:
    return int(re.sub(r"\D", "", found[1])) if found else None


def upload_file(connection: Connection, source: Path, target: PurePosixPath) -> int:
    """Copy one file by SFTP; return the bytes sent. Raises Unreachable."""
    try:
        connection.put(str(source), str(target))
    except (OSError, EOFError) as error:
        raise Unreachable(f"{connection.host}: the upload broke off: {error}") from None
    return source.stat().st_size
