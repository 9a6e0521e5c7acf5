"""How a release gets onto a real host: what differs in one piece, by rsync, or as a tarball."""

from tests.system.artifacts import Builder
from tests.system.proxy import slow_line
from tests.system.site import BASE, Site, assert_serves, current, wait_until


def test_without_rsync_the_first_release_goes_as_a_tarball_and_the_next_in_one_piece(
    site: Site, build: Builder
):
    host = site.hosts[0]
    host.run("mv /usr/bin/rsync /usr/bin/rsync.away")
    first = build("1.0.0")
    summary = site.deploy(first)
    assert_serves(host, summary["release"], "1.0.0")
    assert summary["bytes_sent"] == first.stat().st_size
    summary = site.deploy(build("1.1.0"))
    assert_serves(host, summary["release"], "1.1.0")
    assert summary["bytes_sent"] < 0.1 * first.stat().st_size


def test_the_same_release_again_sends_almost_nothing(serving: Site, build: Builder):
    summary = serving.deploy(build("1.0.0"))
    assert_serves(serving.hosts[0], summary["release"], "1.0.0")
    assert summary["bytes_sent"] < 1000


def test_a_release_that_has_changed_on_its_disk_spoils_no_later_one(serving: Site, build: Builder):
    host = serving.hosts[0]
    file = "bin/plausible"
    served = f"{BASE}/releases/{current(host)}"
    host.run(f"echo '# somebody was here' >>{served}/{file}")
    host.run(f"find {served}/lib -name '*.app' | head -n 1 | xargs rm")
    summary = serving.deploy(build("1.1.0"))
    assert_serves(host, summary["release"], "1.1.0")
    assert "somebody was here" not in host.read(f"{BASE}/current/{file}")
    host.run(f"cd {BASE}/current/ && sha256sum -c --quiet SHA256SUMS")


def test_an_upload_that_broke_off_is_taken_up_again(site: Site, build: Builder):
    host = site.hosts[0]
    artifact = build("1.0.0")
    whole = site.deploy(artifact)["bytes_sent"]
    # As an empty host: what served is gone, so that everything must be sent again.
    host.run(f"systemctl stop qusto-staging; rm -rf {BASE}/current {BASE}/releases/*")
    passed: list[int] = []
    narrow = slow_line((host.ip, 22), bytes_per_second=2_000_000, sent=passed.append)
    with narrow as (address, port):
        pin = f'"{address}:{port} {host.host_key}"'
        site.write(hosts=f'["{address}:{port}"]', host_key=pin)
        client = site.start("deploy", f"--artifact={artifact}")
        wait_until(lambda: sum(passed) > whole / 2 or client.poll() is not None)
        assert client.poll() is None
    out, err = client.communicate(timeout=120)
    assert client.returncode == 13, out + err
    assert "it goes on from what is there" in err
    site.write()
    summary = site.deploy(artifact)
    assert_serves(host, summary["release"], "1.0.0")
    assert summary["bytes_sent"] < 0.8 * whole
