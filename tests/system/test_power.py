"""A power cut that acts on a disk: what only the memory held is gone."""

from pathlib import Path

import pytest

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.keys import KeyPair
from tests.system.site import BASE, Site, assert_serves, current

WWW = "/var/www"


@pytest.fixture
def on_a_disk(new_host: Host, session_keys: KeyPair, tmp_path: Path, build: Builder) -> Site:
    """A site that serves 1.0.0 from a disk of its own."""
    new_host.image_disk(WWW, 256)
    new_host.boot()
    site = Site((new_host,), tmp_path, session_keys.private)
    site.write()
    site.setup()
    site.deploy(build("1.0.0"))
    new_host.run("sync")
    return site


def test_what_was_deployed_serves_after_a_power_cut(on_a_disk: Site, build: Builder):
    host = on_a_disk.hosts[0]
    second = on_a_disk.deploy(build("1.1.0"))["release"]
    host.power_cut_to(host.disk_now(), WWW)
    host.boot()
    assert_serves(host, second, "1.1.0")
    assert on_a_disk.history()[-1]["outcome"] == "kept"


def test_a_release_that_the_disk_has_lost_is_not_started(on_a_disk: Site, build: Builder):
    host = on_a_disk.hosts[0]
    first = current(host)
    second = on_a_disk.deploy(build("1.1.0"))["release"]
    damage = f"cd {BASE}/releases/{second}/releases && rm */sys.config && touch 1.1.0/sys.config"
    host.run(damage)
    host.reboot()
    assert_serves(host, first, "1.0.0")
    entry = on_a_disk.history()[-1]
    assert (entry["kind"], entry["from"], entry["to"]) == ("rollback", second, first)
    assert entry["reason"] == f"files of {second} were lost or damaged"
    assert f"{second}, which `current` names, is damaged" in host.journal("qusto-staging-recover")
    # And what nobody but the backup holds whole comes back from it.
    host.run(f"cd {BASE}/releases/{first}/releases && rm */sys.config")
    host.reboot()
    assert_serves(host, first, "1.0.0")
    assert "damaged" not in on_a_disk.done("releases").out.split(first)[1].splitlines()[0]
