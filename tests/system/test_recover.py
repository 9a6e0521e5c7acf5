"""An activation that is killed: the client that is there puts it right at once."""

import pytest

from tests.system.artifacts import Builder
from tests.system.site import Site, assert_serves, current, journal_id, seen


@pytest.mark.parametrize("phase", ["stopping", "starting", "waiting"])
def test_a_killed_activation_is_recovered_by_the_client_that_is_there(
    serving: Site, build: Builder, phase: str
):
    host = serving.hosts[0]
    before = current(host)
    # Without the unit that would do it on the host itself.
    host.run("systemctl mask qusto-staging-rescue.service", check=False)
    earlier = journal_id(host)
    client = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    seen(host, phase, earlier)
    host.run("systemctl kill --signal=KILL qusto-deploy-staging.service")
    out, err = client.communicate(timeout=120)
    assert client.returncode == 10, out + err
    assert "Traceback" not in err
    assert "rebooted" not in err
    assert_serves(host, before, "1.0.0")
    assert serving.history()[-1]["outcome"] == "rolled-back"
