"""Getting a release onto a host: rsync of the tree, or the tarball over the open connection."""

import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath

from fabric import Connection
from invoke import Result
from invoke.exceptions import UnexpectedExit

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import execute, keys, known_hosts, sshconfig
from pipeline.remote.compat import rsync
from pipeline.remote.connection import known_of
from pipeline.remote.inventory import Environment, Host
from pipeline.remote.known_hosts import Known
from pipeline.remote.sshconfig import Route

_SENT = re.compile(r"^Total bytes sent: ([\d,.]+)", re.MULTILINE)
_PIN_NAME = "qusto-pinned-host"
_SILENCE = 60
"""Seconds that a connection may be silent during an upload."""

_ALWAYS = {
    "BatchMode": "yes",
    "StrictHostKeyChecking": "yes",
    "UpdateHostKeys": "no",
    "VerifyHostKeyDNS": "no",
    "ControlMaster": "no",
    "ControlPath": "none",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "PermitLocalCommand": "no",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "Tunnel": "no",
    "EscapeChar": "none",
    "ServerAliveInterval": "15",
}
"""What rsync's ssh does, whatever else is configured: log in, run rsync, never ask."""

_LINE_CODES = (10, 30, 35)
"""rsync(1): an error of socket I/O, and two time-outs."""

_LINE_WORDS = re.compile(
    r"timed? ?out|not responding|reset by peer|Connection (closed|refused)|closed by|Broken pipe"
    r"|No route to host|[Nn]etwork is (down|unreachable)",
)
"""Words of ssh about a line that broke: the next try may go better."""

_DISK_WORDS = re.compile(r"No space left|quota exceeded|Read-only file system|Input/output error")
_NOISE = re.compile(
    r"is your shell clean|unexpected tag|protocol version mismatch|Received message too long"
)


class RsyncUnusable(Unreachable):
    """rsync does not work between here and the host; another way may."""


@contextmanager
def ssh_options(environment: Environment, host: Host, user: str = "") -> Iterator[str]:
    """Yield the options of rsync's ssh: it gets in as our own connection does, and as strictly.

    They name a configuration file that holds everything, in place of the user's, which was read
    once (sshconfig.py). Pinned host keys go into a temporary known_hosts file (they are public); a
    key that ssh cannot use as it is goes into an agent of our own, never to disk.
    """
    route = sshconfig.route(environment, host, user)
    known = known_of(environment, host, route)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qusto-ssh-")))
        settings = [*_ALWAYS.items(), *_way(route), *_host_keys(route, known)]
        if environment.host_keys:
            pins = directory / "known_hosts"
            lines = [f"{_PIN_NAME} {key.line}\n" for key in known.keys]
            lines += [f"@revoked {_PIN_NAME} {known_hosts.key_of(b).line}\n" for b in known.revoked]
            pins.write_text("".join(lines))
            settings += [
                ("HostKeyAlias", _PIN_NAME),
                ("UserKnownHostsFile", _quoted(pins)),
                ("GlobalKnownHostsFile", "/dev/null"),
            ]
        else:
            if len(route.known_as) == 1 and route.known_as[0] != route.address.lower():
                settings.append(("HostKeyAlias", route.known_as[0]))
            files = " ".join(map(_quoted, route.known_hosts)) or "/dev/null"
            settings.append(("UserKnownHostsFile", files))
            settings.append(("GlobalKnownHostsFile", "/dev/null"))
        if text := keys.text_of(environment):
            lent = stack.enter_context(keys.agent(text))
            settings += [("IdentityAgent", _quoted(lent)), ("IdentityFile", "none")]
        else:
            settings += _identities(environment, route)
        config = directory / "config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings))
        yield f'-F "{config}"'


def _way(route: Route) -> Iterator[tuple[str, str]]:
    yield "ConnectTimeout", str(route.timeout)
    if route.proxy:
        yield "ProxyCommand", route.proxy.replace("%", "%%")
    if route.revoked:
        yield "RevokedHostKeys", _quoted(route.revoked)
    yield from route.passed_on


def _host_keys(route: Route, known: Known) -> Iterator[tuple[str, str]]:
    if route.key_types:
        yield "HostKeyAlgorithms", ",".join(known_hosts.preferred(route.key_types, known))


def _identities(environment: Environment, route: Route) -> Iterator[tuple[str, str]]:
    yield "IdentityAgent", _quoted(Path(route.agent)) if route.agent else "none"
    if environment.key_file:
        yield "IdentityFile", _quoted(keys.key_path(environment))
        yield "IdentitiesOnly", "yes"
        return
    yield "IdentitiesOnly", "yes" if route.identities_only else "no"
    for path in route.identities:
        yield "IdentityFile", _quoted(path)
    for path in route.certificates:
        yield "CertificateFile", _quoted(path)


def _quoted(path: Path) -> str:
    return f'"{str(path).replace("%", "%%")}"'


def can_rsync(host_has_rsync: bool) -> bool:
    """Tell whether rsync can be tried: it is on both sides, and ssh is here."""
    return bool(shutil.which("rsync") and shutil.which("ssh")) and host_has_rsync


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
    Raises Unreachable with rsync's own words where the line broke or the disk is full, and
    RsyncUnusable for anything else.
    """
    link = f"--link-dest={link_dest}" if link_dest else ""
    # The file list in one piece: asked for in pieces it costs more round trips.
    ended = _rsync(
        connection,
        f"{shlex.quote(str(tree))}/",
        f"{target}/",
        options,
        f"--links --checksum --no-times --no-inc-recursive --stats --no-human-readable "
        f"--timeout={_SILENCE} {link}",
    )
    if ended.failed:
        raise failure(connection.original_host, ended.return_code, ended.stderr)
    return _digits(_SENT.search(ended.stdout))


def probe(connection: Connection, environment: Environment, host: Host) -> str:
    """Return why rsync cannot be used for an upload to the host, or ""; changes nothing.

    Logs in as an upload does, and lists one directory.
    """
    with (
        ssh_options(environment, host, connection.user) as options,
        tempfile.TemporaryDirectory(prefix="qusto-probe-") as empty,
    ):
        ended = _rsync(
            connection, f"{shlex.quote(empty)}/", "/", options, f"--dry-run --timeout={_SILENCE}"
        )
    return failure(str(host), ended.return_code, ended.stderr).message if ended.failed else ""


def _rsync(connection: Connection, source: str, target: str, ssh: str, options: str) -> Result:
    """Run patchwork's rsync, whose Result is one also when it failed: that one is falsy."""
    try:
        ended = rsync(
            connection,
            source,
            target,
            delete="--dry-run" not in options,
            rsync_opts=options,
            ssh_opts=ssh,
        )
    except UnexpectedExit as failed:
        ended = failed.result
    assert isinstance(ended, Result)  # noqa: S101  # it is None only for disowned commands
    return ended


def failure(where: str, code: int, stderr: str) -> Unreachable:
    """Return the error for an rsync that ended with `code`: what it means is in its words."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    spoken = [line for line in lines if not _CHATTER.search(line)]
    why = next(iter([*spoken, *lines]), f"exit {code}, without a word")
    detail = "\n".join(f"    {line}" for line in lines[:20])
    if _DISK_WORDS.search(stderr):
        line = next(line for line in lines if _DISK_WORDS.search(line))
        return Unreachable(
            f"{where}: the upload failed: {line}",
            remedy="make room there: disk, inodes (df -i) or quota; then run the deploy again, it "
            "goes on from what is there",
            detail=detail,
        )
    if _NOISE.search(stderr):
        return RsyncUnusable(
            f"{where}: rsync cannot be used: the login shell there prints something of its own, "
            f"which rsync takes for an answer ({why})",
            remedy="keep .bashrc and the like silent where they are not interactive",
            detail=detail,
        )
    if not spoken or code in _LINE_CODES or any(map(_LINE_WORDS.search, spoken)):
        return Unreachable(
            f"{where}: the upload broke off: {why}",
            remedy="run the deploy again; it goes on from what is there",
            detail=detail,
        )
    return RsyncUnusable(f"{where}: rsync cannot be used: {why}", detail=detail)


_CHATTER = re.compile(
    r"^(@|Warning: Permanently|rsync: (connection unexpectedly|\[\w+\] safe_)|rsync error:"
    r"|debug|\*\* )"
)


def _digits(found: "re.Match[str] | None") -> int | None:
    return int(re.sub(r"\D", "", found[1])) if found else None


def upload_file(connection: Connection, source: Path, target: PurePosixPath) -> int:
    """Copy one file over the open connection; return the bytes sent.

    It has its name only when all of it is there. No SFTP: that is a program of its own on the
    host, which may be missing, and which a login shell's words break. Raises Unreachable.
    """
    try:
        data = source.read_bytes()
    except OSError as error:
        raise UsageProblem(f"{source} cannot be read: {error.strerror}") from None
    script = _RECEIVE.format(target=shlex.quote(str(target)), size=len(data))
    ended = execute.sh(connection, script, stdin=data, timeout=_SILENCE)
    if ended.code:
        said = ended.err.strip().splitlines() or [f"exit {ended.code}"]
        raise Unreachable(
            f"{connection.original_host}: the upload failed: {said[0]}", detail=ended.err.strip()
        )
    return len(data)


_RECEIVE = """\
set -eu
part={target}.part
trap 'rm -f "$part"' EXIT
cat >"$part"
size=$(wc -c <"$part")
[ "$size" -eq {size} ] || {{ echo "only $size of {size} bytes arrived" >&2; exit 1; }}
mv "$part" {target}
"""
