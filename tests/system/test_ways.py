"""The two ways into a real host, and what is said when one of them does not work."""

import shlex
from pathlib import Path, PurePosixPath

import pytest
from fabric import Connection

from pipeline.errors import Unreachable
from pipeline.remote import connection as connections
from pipeline.remote import inventory, transfer
from tests.system.artifacts import Builder
from tests.system.fixtures import Sites
from tests.system.site import BASE, Site, assert_serves


def opened(site: Site) -> tuple[Connection, inventory.Target]:
    target = inventory.resolve(["staging"], site.directory / "hosts.toml", {})
    return connections.connect(target.environment, target.hosts[0]), target


def test_rsync_that_does_not_work_is_explained_and_a_deploy_does_without(
    site: Site, build: Builder
):
    host = site.hosts[0]
    connection, target = opened(site)

    def probed() -> str:
        return transfer.probe(connection, target.environment, target.hosts[0])

    assert probed() == ""
    host.run("mv /usr/bin/rsync /usr/bin/rsync.real")
    host.write(
        "/usr/bin/rsync", "#!/bin/sh\necho 'libfoo.so: cannot open' >&2\nexit 1\n", mode=0o755
    )
    assert "rsync cannot be used: libfoo.so: cannot open" in probed()
    host.run("mv /usr/bin/rsync.real /usr/bin/rsync")
    home = host.run("getent passwd deploy | cut -d: -f6").stdout.strip()
    host.run("chsh -s /bin/bash deploy")
    host.run(f"echo 'echo Welcome to this host' >{home}/.bashrc && chown deploy: {home}/.bashrc")
    said = probed()
    assert "the login shell there prints something of its own" in said, said
    connection.close()
    # Neither does SFTP work there; the release arrives whole all the same.
    host.run("sed -i '/^Subsystem/d' /etc/ssh/sshd_config && systemctl reload ssh")
    doctor = site.done("doctor")
    assert "prints something of its own" in doctor.out
    ended = site.done("deploy", f"--artifact={build('1.0.0')}")
    assert "sent over the open connection instead" in ended.text
    assert "prints something of its own" in ended.text
    assert_serves(host, host.run(f"basename $(readlink {BASE}/current)").stdout.strip(), "1.0.0")


def test_a_full_disk_is_told_in_rsyncs_words_and_no_half_file_has_the_name_of_a_whole_one(
    new_host, session_keys, tmp_path: Path
):
    new_host.small_disk("/var/small", megabytes=4)
    new_host.boot()
    site = Site((new_host,), tmp_path, session_keys.private)
    site.write(user='"root"')
    connection, target = opened(site)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "big").write_bytes(b"%d" % 7 * 8_000_000)
    place = PurePosixPath("/var/small/release")
    with (
        transfer.ssh_options(target.environment, target.hosts[0]) as options,
        pytest.raises(Unreachable, match="No space left on device") as raised,
    ):
        transfer.upload_tree(connection, options, tree, place, None)
    assert not isinstance(raised.value, transfer.RsyncUnusable)
    new_host.run("rm -rf /var/small/*")
    with pytest.raises(Unreachable, match="No space left on device"):
        transfer.upload_file(connection, tree / "big", PurePosixPath("/var/small/a b"))
    assert new_host.run("ls /var/small").stdout == ""
    new_host.run("mkdir /var/few && mount -t tmpfs -o nr_inodes=1 none /var/few")
    (tree / "big").write_text("small")
    with pytest.raises(Unreachable, match="No space left on device"):
        transfer.upload_file(connection, tree / "big", PurePosixPath("/var/few/x"))
    connection.close()


def test_a_second_address_of_a_machine_is_told_before_anything(sites: Sites, build: Builder):
    site = sites(1)
    site.setup()
    host = site.hosts[0]
    before = host.run(f"find {BASE} | sort").stdout
    key = shlex.quote(host.host_key).strip("'")
    site.write(hosts=f'["{host.ip}", "{host.ip}:22"]', host_key=f'"{key}"')
    for command in (["deploy", f"--artifact={build('1.0.0')}"], ["setup"], ["status"]):
        ended = site.fab(*command)
        assert ended.code == 2, ended.text
        assert "are one machine; nothing was touched" in ended.err
    assert host.run(f"find {BASE} | sort").stdout == before
