"""Host keys of a real sshd: pinned once confirmed, and a swapped one is refused before a word."""

import os
import pty
import select
import subprocess
import tomllib

from tests.system.artifacts import Builder
from tests.system.fixtures import Sites
from tests.system.hosts import Host
from tests.system.site import BASE, FAB, Site

KEY = "/etc/ssh/ssh_host_ed25519_key"


def fingerprint(host: Host) -> str:
    return host.run(f"ssh-keygen -lf {KEY}.pub").stdout.split()[1]


def swap_key(host: Host) -> None:
    host.run(f"rm {KEY} && ssh-keygen -q -t ed25519 -N '' -f {KEY} && systemctl restart ssh")
    host.wait_running()


def pinned(site: Site) -> str:
    table = tomllib.loads((site.directory / "hosts.toml").read_text())["staging"]
    return str(table.get("host_key", ""))


def typed(site: Site, answer: str, *words: str) -> tuple[int, str]:
    """Run `fab -H staging WORDS` at a terminal, type `answer` when asked; its code and text."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [str(FAB), "-H", "staging", *words],
        env={**os.environ, "QUSTO_HOSTS": str(site.directory / "hosts.toml")},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        close_fds=True,
    ) as running:
        os.close(theirs)
        text = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:
                break  # EIO: the other end is closed (pty(7))
            if not part:
                break
            asked = b"Compared with" in part and b"Compared with" not in text
            text += part
            if asked:
                os.write(ours, f"{answer}\n".encode())
        code = running.wait(60)
    os.close(ours)
    return code, text.decode()


def test_a_host_is_trusted_by_its_fingerprint_and_a_swapped_key_is_refused(
    sites: Sites, build: Builder
):
    site = sites(1)
    host = site.hosts[0]
    site.write(host_key="", branch='"develop"   # a comment')
    path = site.directory / "hosts.toml"
    text = path.read_text()
    wrong = site.fab("trust", "--yes", "--fingerprint=SHA256:" + "A" * 43)
    assert wrong.code == 13
    assert path.read_text() == text
    assert site.fab("trust").code == 2
    assert path.read_text() == text

    site.done("trust", "--yes", f"--fingerprint={fingerprint(host)}")
    assert pinned(site).split() == host.known_hosts_line.split()[1:3]
    assert "# a comment" in path.read_text()
    site.setup()
    site.deploy(build("1.0.0"))
    assert "as pinned in hosts.toml" in site.done("trust").out

    swap_key(host)
    old, text = pinned(site), path.read_text()
    since = host.run("date +%s").stdout.strip()
    before = host.run(f"find {BASE} /home /tmp | sort").stdout
    refused = site.fab("deploy", f"--artifact={build('1.1.0')}")
    assert refused.code == 13, refused.text
    assert "its host key has CHANGED; refused before anything was sent" in refused.err
    assert fingerprint(host) in refused.err
    assert host.run(f"find {BASE} /home /tmp | sort").stdout == before
    # Not even a user name reached it: sshd names the user in every line about an attempt.
    said = host.run(f"journalctl -q -o cat -u ssh --since=@{since}").stdout
    assert "[preauth]" in said
    assert "Accepted" not in said
    assert "deploy" not in said

    quiet = site.fab("trust", "--yes", f"--fingerprint={fingerprint(host)}")
    assert quiet.code == 2
    assert "CHANGED" in quiet.out
    code, said = typed(site, "yes", "trust")
    assert (code, path.read_text()) == (2, text), said
    code, said = typed(site, "staging", "trust")
    assert code == 0, said
    assert pinned(site) != old
    assert path.read_text() == text.replace(old, pinned(site))
    site.done("status")
