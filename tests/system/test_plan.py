"""`fab deploy --plan`: what it says is what the deploy then does, and it changes nothing."""

import json
from pathlib import Path

from tests.system.artifacts import Builder
from tests.system.hosts import Host
from tests.system.site import BASE, Site, current, version


def everything(host: Host) -> str:
    """Return names, kinds, modes, owners, links, times and sizes of all that is ours."""
    places = "/var/www/qusto /etc /var/lib/qusto-staging"
    return host.run(f"find {places} -printf '%p %y %m %u %l %T@ %C@ %s\\n' | sort").stdout


def test_the_plan_changes_nothing_and_the_deploy_does_what_it_says(serving: Site, build: Builder):
    host = serving.hosts[0]
    first = current(host)
    serving.write(keep="1")
    artifact = build("1.1.0", extra_migrations=1)
    before = everything(host)
    words = ("deploy", f"--artifact={artifact}", "--plan", "--format=json")
    plan = json.loads(serving.done(*words).out)
    assert everything(host) == before
    (planned,) = plan["hosts"]
    assert (plan["version"], planned["before"], planned["locked_by"]) == ("1.1.0", first, "")
    assert plan["steps"][6:9] == ["stop", "migrate (first host, if any is pending)", "link"]
    assert 0 < planned["downtime"] < 60
    assert {finding["state"] for finding in plan["findings"]} <= {"ok", "note"}
    summary = serving.deploy(artifact)
    # A file list and its checksums are sent whatever has changed; rsync -z compresses the rest.
    assert summary["bytes_sent"] < planned["changed_bytes"] + 150_000
    assert summary["bytes_sent"] > planned["changed_bytes"] / 10
    # How many are free changes all the time here: the hosts share one file system with all tests.
    assert planned["inodes_after"] > 0
    # What has not changed has two names: in the release before, and in this one.
    changed = host.run(f"find {BASE}/current/ -type f -links -2 | wc -l").stdout
    assert planned["changed_files"] == int(changed)
    assert "would send" in serving.done("deploy", f"--artifact={artifact}", "--plan").out


def test_a_plan_ends_as_the_deploy_would(serving: Site, build: Builder):
    artifact = f"--artifact={build('1.1.0')}"
    holder = serving.start("deploy", f"--artifact={build('1.1.0', 'slow')}")
    try:
        ended = serving.fab("deploy", artifact, "--plan")
        while ended.code == 0 and holder.poll() is None:
            ended = serving.fab("deploy", artifact, "--plan")
    finally:
        holder.communicate(timeout=120)
    assert ended.code == 12, ended.text
    assert "staging is locked by" in ended.err or "still running" in ended.err


def test_a_plan_for_a_host_that_lacks_something_shows_it_and_is_refused(
    serving: Site, build: Builder
):
    host = serving.hosts[0]
    host.run("mv /usr/bin/curl /usr/bin/curl.away")
    ended = serving.fab("deploy", f"--artifact={build('1.1.0')}", "--plan")
    assert ended.code == 2, ended.text
    assert "would make release" in ended.out
    assert "lacks curl" in ended.out
    assert "lacks curl" in ended.err
    assert "install there: curl" in ended.err


def test_a_deploy_that_builds_leaves_stdout_to_json(serving: Site, app_copy: Path):
    ended = serving.done("deploy", "--format=json", QUSTO_APP_DIR=str(app_copy))
    summary = json.loads(ended.out)
    assert summary["steps"][0][0] == "build"
    assert "All dependencies are up to date" in ended.err
    assert version(serving.hosts[0]) == summary["version"]
