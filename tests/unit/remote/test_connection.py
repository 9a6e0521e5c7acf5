"""Connections to a real sshd: the way OpenSSH would take, host keys as it checks them."""

import base64
import hashlib
import hmac
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import pytest

from pipeline.errors import Unreachable, UsageProblem
from pipeline.remote import connection as connections
from pipeline.remote import keys, sshconfig, transfer
from pipeline.remote.inventory import Environment, Host
from tests.unit.remote.sshd import Sshd, keygen, public, running

OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


def gets_in(environment: Environment, host: Host) -> None:
    """Assert that a command runs over both ways in: our connection, and rsync's ssh."""
    connection = connections.connect(environment, host)
    try:
        assert connection.run("echo in").stdout == "in\n"
        assert transfer.probe(connection, environment, host) == ""
    finally:
        connection.close()


def refusal(environment: Environment, host: Host) -> str:
    with pytest.raises((Unreachable, UsageProblem)) as raised:
        connections.connect(environment, host)
    return str(raised.value)


def ssh_refuses(environment: Environment, host: Host) -> str:
    """Return what the second way in says, which must not get in either."""
    with transfer.ssh_options(environment, host) as options:
        route = sshconfig.route(environment, host)
        words = f"ssh {options} -p {route.port} -l {route.user} {route.address} true"
        ended = subprocess.run(words, shell=True, capture_output=True, text=True, check=False)
    assert ended.returncode == 255
    return ended.stderr


@contextmanager
def agent(tmp: Path, *private: Path) -> Iterator[str]:
    """Run an ssh-agent that holds keys."""
    path = f"{tmp}/a"
    with subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL) as process:
        try:
            while not Path(path).exists():
                assert process.poll() is None
            for file in private:
                words = ["ssh-add", "-q", str(file)]
                subprocess.run(words, env={**os.environ, "SSH_AUTH_SOCK": path}, check=True)
            yield path
        finally:
            process.terminate()


def test_a_pinned_host_is_reached_with_the_key_file(sshd: Sshd):
    pins = [sshd.line(kind) for kind in ("ed25519", "rsa", "ecdsa")]
    for pin in pins:
        gets_in(sshd.environment(key_file=str(sshd.client), host_key=pin), sshd.host)
    both = [pins[1], OTHER, pins[0]]  # two of one type: either is right
    gets_in(sshd.environment(key_file=str(sshd.client), host_key=both), sshd.host)


def test_known_hosts_is_read_as_openssh_reads_it(sshd: Sshd):
    environment = sshd.environment(key_file=str(sshd.client))
    name = f"[127.0.0.1]:{sshd.port}"
    salt = b"x" * 20
    digest = base64.b64encode(hmac.digest(salt, name.encode(), hashlib.sha1)).decode()
    hashed = f"|1|{base64.b64encode(salt).decode()}|{digest}"
    for line in (
        f"{name} {OTHER}\n{name} {sshd.line()}",  # two of one type: either is right
        f"{hashed} {sshd.line('rsa')}",
        f"other,[127.0.*]:* {sshd.line('ecdsa')} a comment",
        f"127.0.0.1 {sshd.line()}",  # without the port, as ssh looks in the end
    ):
        sshd.knows(
            b"\xff\xfe\x00 odd bytes",
            f"{name} ssh-ed25519 broken!base64",
            f"{name} ssh-unknown AAAA",
            "too few",
            line,
        )
        gets_in(environment, sshd.host)


def test_an_unknown_changed_or_revoked_key_is_refused_both_ways(sshd: Sshd):
    environment = sshd.environment(key_file=str(sshd.client))
    name = f"[127.0.0.1]:{sshd.port}"
    log = sshd.root / "log"
    before = log.read_text().count("Accepted")
    for lines, said in (
        ([], "its host key is not known; refused before anything was sent"),
        ([f"!{name},[127.0.0.1]:* {sshd.line()}"], "its host key is not known"),
        ([f"{name} {OTHER}"], "its host key has CHANGED; refused before anything was sent"),
        ([f"{name} {sshd.line()}", f"@revoked * {sshd.line()}"], "its host key is revoked"),
    ):
        sshd.knows(*lines)
        assert said in refusal(environment, sshd.host)
        ssh_refuses(environment, sshd.host)
    pinned = sshd.environment(key_file=str(sshd.client), host_key=sshd.line())
    assert "its host key is revoked" in refusal(pinned, sshd.host)
    ssh_refuses(pinned, sshd.host)
    sshd.knows(f"{name} {sshd.line()}")
    (sshd.home / "revoked").write_text(f"{sshd.line()}\n")
    sshd.config(f"RevokedHostKeys {sshd.home}/revoked\n")
    assert "its host key is revoked" in refusal(environment, sshd.host)
    ssh_refuses(environment, sshd.host)
    sshd.config("StrictHostKeyChecking accept-new\n")
    sshd.knows("")
    assert "not followed of ssh's configuration: stricthost" in refusal(environment, sshd.host)
    pinned = sshd.environment(key_file=str(sshd.client), host_key=OTHER)
    sshd.knows(f"{name} {sshd.line()}")  # what hosts.toml pins counts, and nothing else
    assert "CHANGED" in refusal(pinned, sshd.host)
    ssh_refuses(pinned, sshd.host)
    assert log.read_text().count("Accepted") == before


def test_an_alias_is_resolved_as_openssh_does(sshd: Sshd):
    (sshd.home / ".ssh/more").write_text(
        f"Host web\n  HostName 127.0.0.1\n  Port {sshd.port}\n  HostKeyAlias the-web\n"
    )
    keygen(sshd.home / ".ssh/unused")
    sshd.config(
        f"Include {sshd.home}/.ssh/more\n"
        f'Match originalhost web exec "true"\n  UserKnownHostsFile "{sshd.home}/known ones"\n'
        f"  IdentityFile ~/.ssh/unused\n  IdentityFile {sshd.client}\n  IdentitiesOnly yes\n"
        "  RemoteCommand echo no\n  RequestTTY force\n  PermitLocalCommand yes\n"
        f"  LocalCommand touch {sshd.home}/ran\n  ControlMaster auto\n"
        f"  ControlPath {sshd.home}/{'c' * 120}\nHost *\n  ProxyJump none\n"
    )
    (sshd.home / "known ones").write_text(f"the-web {sshd.line()}\n")
    web = Host("web", 0)
    gets_in(sshd.environment(), web)
    gets_in(sshd.environment(host_key=f"web {sshd.line('ecdsa')}"), web)
    gets_in(sshd.environment(host_key=sshd.line()), web)
    assert not (sshd.home / "ran").exists()
    said = sshconfig.route(sshd.environment(), web).ignored
    assert "remotecommand echo no" in said
    (sshd.home / "known ones").write_text(f"127.0.0.1 {sshd.line()}\n")
    assert "its host key is not known" in refusal(sshd.environment(), web)


def test_hosts_tomls_own_settings_win(sshd: Sshd):
    sshd.config(f"Host *\n  User nobody\n  Port 1\n  IdentityFile {sshd.home}/none\n")
    gets_in(sshd.environment(key_file=str(sshd.client), host_key=sshd.line()), sshd.host)


def test_a_broken_configuration_is_one_line_in_openssh_words(sshd: Sshd):
    sshd.config("Host *\n  NoSuchOption yes\n")
    said = refusal(sshd.environment(key_file=str(sshd.client)), sshd.host)
    assert "/.ssh/config: line 2: Bad configuration option: nosuchoption" in said.splitlines()[0]
    sshd.config("Match bogus x\n")
    assert "line 1" in refusal(sshd.environment(), sshd.host).splitlines()[0]


def test_without_ssh_paramikos_reader_does(sshd: Sshd, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(sshd.home))
    sshd.config(f"Host web\n  HostName 127.0.0.1\n  Port {sshd.port}\n")
    environment = sshd.environment(key_file=str(sshd.client), host_key=sshd.line())
    connections.connect(environment, Host("web", 0)).close()
    sshd.config("Host web\n  HostName 127.0.0.1\n  ProxyJump bastion\n")
    assert "ssh is not installed" in refusal(environment, Host("web", 0))
    sshd.config("Host web\n  Port\n")
    assert "cannot be read" in refusal(environment, Host("web", 0))
    (sshd.home / ".ssh/config").write_bytes(b"\xff\n")
    assert "cannot be read" in refusal(environment, Host("web", 0))


def test_a_host_certificate_is_honoured(tmp_path: Path, home: Path):
    authority = tmp_path / "ca"
    keygen(authority)
    with running(
        tmp_path / "sshd",
        home,
        f"HostCertificate {tmp_path}/sshd/host_ed25519-cert.pub",
        ("ed25519",),
    ) as sshd:
        environment = sshd.environment(key_file=str(sshd.client))

        def sign(*words: str) -> None:
            argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", *words]
            subprocess.run([*argv, f"{sshd.root}/host_ed25519.pub"], check=True)

        sshd.knows(f"@cert-authority 127.0.0.1,[127.0.0.1]:* {public(authority)}")
        for words, said in (
            (["-h", "-n", "127.0.0.1"], ""),
            (["-h", "-n", "elsewhere"], "its certificate is for elsewhere"),
            (["-h", "-n", "127.0.0.1", "-V", "20200101:20210101"], "is not valid now"),
            (["-n", "127.0.0.1"], "not for hosts"),
        ):
            sign(*words)
            if said == "":
                gets_in(environment, sshd.host)
            elif "not for hosts" not in said:  # sshd loads no user certificate
                assert said in refusal(environment, sshd.host)
                ssh_refuses(environment, sshd.host)
        sign("-h", "-n", "127.0.0.1")
        sshd.knows(f"@cert-authority * {OTHER}")
        assert "signed by another authority" in refusal(environment, sshd.host)
        ssh_refuses(environment, sshd.host)
        authority_line = f"@cert-authority * {public(authority)}"
        sshd.knows(authority_line, f"@revoked * {public(authority)}")
        assert "revoked" in refusal(environment, sshd.host)
        ssh_refuses(environment, sshd.host)


def test_keys_come_from_agent_files_and_certificates(sshd: Sshd, tmp_path: Path):
    sshd.knows(f"[127.0.0.1]:{sshd.port} {sshd.line()}")
    nothing = refusal(sshd.environment(), sshd.host)
    assert "there is no key to offer" in nothing
    with agent(tmp_path, sshd.client) as socket:
        sshd.config(f"IdentityAgent {socket}\n")
        gets_in(sshd.environment(), sshd.host)
        # Only the public half is here, as with a key in a token or a password manager.
        (sshd.home / ".ssh/id.pub").write_text(public(sshd.client) + "\n")
        sshd.config(f"IdentityAgent {socket}\nIdentitiesOnly yes\nIdentityFile ~/.ssh/id.pub\n")
        gets_in(sshd.environment(), sshd.host)
        sshd.config(f"IdentityAgent {socket}\nIdentitiesOnly yes\nIdentityFile ~/.ssh/absent\n")
        assert "no key to offer" in refusal(sshd.environment(), sshd.host)
        locked = sshd.home / "locked"
        locked.write_text(sshd.client.read_text())
        locked.chmod(0o600)
        words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(locked)]
        subprocess.run(words, check=True)
        sshd.config(f"IdentityAgent {socket}\n")
        gets_in(sshd.environment(key_file=str(locked)), sshd.host)
        sshd.config("IdentityAgent none\n")
        said = refusal(sshd.environment(key_file=str(locked)), sshd.host)
        assert "is encrypted, and no passphrase was given" in said
        assert "key_passphrase" in said


def test_a_users_certificate_is_offered(tmp_path: Path, home: Path):
    authority = tmp_path / "ca"
    keygen(authority)
    extra = f"TrustedUserCAKeys {authority}.pub"
    with running(tmp_path / "sshd", home, extra, ("ed25519",)) as sshd:
        (sshd.root / "authorized_keys").write_text("")
        sshd.knows(f"[127.0.0.1]:{sshd.port} {sshd.line()}")
        user = sshd.environment().user
        argv = ["ssh-keygen", "-q", "-s", str(authority), "-I", "x", "-n", user]
        subprocess.run([*argv, f"{sshd.client}.pub"], check=True)
        gets_in(sshd.environment(key_file=str(sshd.client)), sshd.host)
        sshd.config(f"IdentityFile {sshd.client}\n")
        gets_in(sshd.environment(), sshd.host)
        moved = home / "cert.pub"
        Path(f"{sshd.client}-cert.pub").rename(moved)
        assert "refused the key" in refusal(sshd.environment(), sshd.host)
        sshd.config(f"IdentityFile {sshd.client}\nCertificateFile {moved}\n")
        gets_in(sshd.environment(), sshd.host)
        with agent(tmp_path, sshd.client) as socket:
            sshd.config(f"IdentityAgent {socket}\nCertificateFile {moved}\n")
            gets_in(sshd.environment(), sshd.host)


def test_the_key_that_is_refused_is_named(sshd: Sshd):
    keygen(sshd.home / "wrong")
    environment = sshd.environment(key_file=str(sshd.home / "wrong"), host_key=sshd.line())
    said = refusal(environment, sshd.host)
    assert "the server refused the key offered for" in said.splitlines()[0]
    (sshd.home / "wrong").chmod(0o644)
    said = refusal(environment, sshd.host)
    assert "can be read by others (mode 0644), so ssh refuses it; chmod 600" in said
    missing = sshd.environment(key_file=str(sshd.home / "missing"), host_key=sshd.line())
    assert f"`key_file` = {sshd.home}/missing does not exist" in refusal(missing, sshd.host)
    nobody = sshd.environment(key_file="~no-such-user/key", host_key=sshd.line())
    assert "`key_file` = ~no-such-user/key does not exist" in refusal(nobody, sshd.host)
    sshd.config(f"IdentityFile {sshd.home}/missing\nIdentityFile {sshd.home}/wrong\n")
    said = refusal(sshd.environment(host_key=sshd.line()), sshd.host)
    assert "key_file` =" not in said
    assert "can be read by others" in said


def test_a_server_that_wants_more_or_ends_the_log_in_is_told(tmp_path: Path, home: Path):
    for extra, said in (
        ("PubkeyAuthentication no\nPasswordAuthentication yes", "takes no key of"),
        ("PasswordAuthentication yes\nAuthenticationMethods publickey,password", "wants more"),
        ("MaxAuthTries 1", "the server closed the connection after 1 key offered"),
    ):
        with running(tmp_path / extra[:4], home, extra, ("ed25519",)) as sshd:
            key = sshd.client
            if "MaxAuth" in extra:
                key = home / "wrong"
                keygen(key)
            environment = sshd.environment(key_file=str(key), host_key=sshd.line())
            assert said in refusal(environment, sshd.host)


@pytest.mark.parametrize("spoilt", ["crlf", "no final newline"])
def test_a_key_file_that_ssh_cannot_read_is_lent_repaired(sshd: Sshd, spoilt: str):
    path = sshd.home / "key"
    text = sshd.client.read_text()
    path.write_bytes((text.replace("\n", "\r\n") if spoilt == "crlf" else text.rstrip()).encode())
    path.chmod(0o600)
    gets_in(sshd.environment(key_file=str(path), host_key=sshd.line()), sshd.host)


def jumping(target: Sshd, jump: Sshd, *more: str) -> None:
    """Write a configuration that reaches the target through the jump host `bastion`."""
    target.config(
        f"Host bastion\n  HostName 127.0.0.1\n  Port {jump.port}\n  IdentityFile {jump.client}\n"
        f"Host inner\n  HostName 127.0.0.1\n  Port {target.port}\n  ProxyJump bastion\n"
        + "".join(more)
    )


def test_a_jump_host_carries_both_ways_in(sshd: Sshd, tmp_path: Path):
    inner = Host("inner", 0)
    environment = sshd.environment(key_file=str(sshd.client), host_key=sshd.line())
    with running(tmp_path / "jump", sshd.home, "", ("ed25519",)) as jump:
        name = f"[127.0.0.1]:{jump.port}"
        jumping(sshd, jump)
        sshd.knows(f"{name} {jump.line()}")
        gets_in(environment, inner)
        # One jump host behind another, each with its own configuration.
        jumping(sshd, jump, f"Host first\n  HostName 127.0.0.1\n  Port {jump.port}\n")
        text = (sshd.home / ".ssh/config").read_text()
        sshd.config(text.replace("ProxyJump bastion", "ProxyJump bastion,bastion"))
        gets_in(environment, inner)
        own = "ssh -F ~/.ssh/config -o UserKnownHostsFile=~/.ssh/known_hosts"
        command = f"{own.replace('~', str(sshd.home))} -W %h:%p bastion"
        sshd.config(text.replace("ProxyJump bastion", f"ProxyCommand {command}"))
        gets_in(environment, inner)
        sshd.config(text.replace("ProxyJump bastion", f"ProxyCommand {sshd.home}/missing %h"))
        said = refusal(environment, inner)
        assert "no way through a ProxyCommand" in said
        assert "missing" in said.splitlines()[0]
        sshd.config(text)
        # Whatever is wrong with the jump host is told of it, and its key is nobody else's.
        sshd.knows("")
        said = refusal(environment, inner)
        assert "no way through bastion: No ED25519 host key is known for" in said.splitlines()[0]
        assert keys.fingerprint_of(jump.line()) not in said
        sshd.knows(f"{name} {OTHER}")
        assert "no way through bastion" in refusal(environment, inner)
        sshd.knows(f"{name} {jump.line()}")
        sshd.config(text.replace(str(jump.client), str(sshd.client)))
        said = refusal(environment, inner)
        assert "no way through bastion" in said
        assert "Permission denied (publickey)" in said.splitlines()[0]
        sshd.config(text.replace(f"Port {sshd.port}", "Port 1"))
        said = refusal(environment, inner)
        assert "connect failed: Connection refused" in said.splitlines()[0]
        assert "bastion was reached" in said
    said = refusal(environment, inner)
    assert "no way through bastion" in said
    assert "Connection refused" in said.splitlines()[0]
    with running(tmp_path / "shut", sshd.home, "AllowTcpForwarding no", ("ed25519",)) as jump:
        sshd.knows(f"[127.0.0.1]:{jump.port} {jump.line()}")
        jumping(sshd, jump)
        said = refusal(environment, inner)
        assert "administratively prohibited" in said.splitlines()[0]
        assert "AllowTcpForwarding" in said


def test_a_circle_of_jump_hosts_ends(sshd: Sshd):
    sshd.config("Host a\n  ProxyJump b\nHost b\n  ProxyJump c\nHost c\n  ProxyJump b\n")
    assert "leads in a circle" in refusal(sshd.environment(), Host("a", 0))


def test_what_answers_but_is_no_ssh_server_is_told(sshd: Sshd):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def greet() -> None:
            for _ in range(3):
                line, _ = server.accept()
                line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                line.close()

        threading.Thread(target=greet, daemon=True).start()
        environment = sshd.environment(key_file=str(sshd.client), host_key=sshd.line())
        assert "is not greeting as an SSH server" in refusal(environment, Host("127.0.0.1", port))
    assert "Connection refused" in refusal(environment, Host("127.0.0.1", port))
    said = refusal(environment, Host("nowhere.invalid", 0))
    assert "its name cannot be resolved" in said.splitlines()[0]


def test_a_login_that_prints_spoils_rsync_and_not_the_tarball(tmp_path: Path, home: Path):
    noisy = 'ForceCommand echo Welcome; exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'
    with running(tmp_path / "sshd", home, noisy, ("ed25519",)) as sshd:
        environment = sshd.environment(key_file=str(sshd.client), host_key=sshd.line())
        connection = connections.connect(environment, sshd.host)
        said = transfer.probe(connection, environment, sshd.host)
        assert "the login shell there prints something of its own" in said
        source = tmp_path / "tarball"
        source.write_bytes(bytes(range(256)) * 8000)
        target = tmp_path / "it's there"
        assert transfer.upload_file(connection, source, PurePosixPath(target)) == 2_048_000
        connection.close()
        assert target.read_bytes() == source.read_bytes()
        assert not target.with_name("it's there.part").exists()
