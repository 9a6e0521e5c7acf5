"""What the commands say of a host on which nothing was ever deployed: that, and nothing else."""

import json

from tests.system.site import Site


def test_a_host_without_a_deploy_and_one_without_setup_are_called_that(site: Site):
    status = json.loads(site.done("status", "--format=json").out)[0]
    assert (status["release"], status["activation"]) == ("none", "none yet")
    assert site.done("releases").out == "no releases yet\n"
    assert site.done("history").out == "nothing has happened yet\n"
    assert site.done("logs").out.startswith("no log lines yet: qusto-staging.service has not run")
    assert "nothing" in site.done("cleanup").out
    for command, said in (
        ("rollback", "nothing has been deployed there yet, so there is nothing to go back to"),
        ("attach", "nothing has been deployed there yet"),
        ("restart", "nothing has been deployed there yet; no service was restarted"),
    ):
        ended = site.fab(command)
        assert (ended.code, said in ended.err) == (2, True), ended.text

    # The same host and user, another environment.
    base = '"/var/www/qusto/other"'
    site.write(service='"qusto-other"', path=base, backups='"/var/www/qusto/backups/other"')
    ip = site.hosts[0].ip
    for command in ("releases", "history", "rollback", "attach", "restart", "cleanup"):
        ended = site.fab(command)
        assert ended.code == 2, (command, ended.text)
        assert f"{ip} is not set up for staging" in ended.err, (command, ended.text)
        assert "`fab -H staging setup`" in ended.err, (command, ended.text)
    assert "not set up" in site.done("status").out
    assert site.done("logs").out == "no log lines: qusto-other.service is not set up here\n"
    ended = site.fab("health")
    assert ended.code == 1
    assert "no answer" in ended.out
