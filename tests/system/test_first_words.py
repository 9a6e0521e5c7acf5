"""What the commands say of a host on which nothing was ever deployed: that, and nothing else."""

import json

from tests.system.fixtures import Sites
from tests.system.site import Site


def test_a_host_without_setup_is_called_that(sites: Sites):
    site = sites(1)
    ip = site.hosts[0].ip
    for words in (["releases"], ["history"], ["rollback"], ["attach"], ["restart"], ["cleanup"]):
        ended = site.fab(*words)
        assert ended.code == 2, (words, ended.text)
        assert f"{ip} is not set up for staging" in ended.err, (words, ended.text)
        assert "`fab -H staging setup`" in ended.err, (words, ended.text)
    assert "not set up" in site.done("status").out
    assert site.done("logs").out == "no log lines: qusto-staging.service is not set up here\n"
    ended = site.fab("health")
    assert ended.code == 1
    assert "no answer" in ended.out


def test_a_host_without_a_deploy_is_called_that(site: Site):
    status = json.loads(site.done("status", "--format=json").out)[0]
    assert (status["release"], status["activation"]) == ("none", "none yet")
    assert site.done("releases").out == "no releases yet\n"
    assert site.done("history").out == "nothing has happened yet\n"
    assert site.done("logs").out.startswith("no log lines yet: qusto-staging.service has not run")
    ended = site.fab("rollback")
    assert ended.code == 2
    assert "nothing has been deployed there yet, so there is nothing to go back to" in ended.err
    ended = site.fab("attach")
    assert ended.code == 2
    assert "nothing has been deployed there yet" in ended.err
    assert "nothing" in site.done("cleanup").out
    ended = site.fab("restart")
    assert ended.code != 0
    assert "nothing has been deployed" in ended.err
