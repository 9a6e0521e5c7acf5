"""Going back on a real host: to what served before, to a name, to a backup, or not at all."""

import json

import pytest

from tests.system.artifacts import Builder
from tests.system.site import BASE, Site, assert_serves, current, releases


@pytest.fixture
def twice(serving: Site, build: Builder) -> tuple[Site, str, str]:
    """A site that served 1.0.0 and serves 1.1.0, and both names."""
    first = current(serving.hosts[0])
    second = serving.deploy(build("1.1.0", extra_migrations=1))["release"]
    return serving, first, second


def test_back_to_what_was_serving_before(twice: tuple[Site, str, str]):
    site, first, second = twice
    ended = site.done("rollback")
    assert "These migrations stay applied" in ended.out
    assert_serves(site.hosts[0], first, "1.0.0")
    entry = site.history()[-1]
    assert (entry["kind"], entry["from"], entry["to"]) == ("rollback", second, first)


def test_back_to_a_named_release_and_forward_again(twice: tuple[Site, str, str]):
    site, first, second = twice
    site.done("rollback", f"--to={first}")
    assert_serves(site.hosts[0], first, "1.0.0")
    site.done("rollback", f"--to=release_{second}")
    assert_serves(site.hosts[0], second, "1.1.0")


def test_a_release_left_only_as_a_backup_comes_back(twice: tuple[Site, str, str]):
    site, first, _ = twice
    host = site.hosts[0]
    host.run(f"rm -r {BASE}/releases/{first}")
    state = json.loads(site.done("releases", "--format=json").out)[-1]
    assert (state["name"], state["state"]) == (first, "previous, backup")
    site.done("rollback", f"--to={first}")
    assert_serves(host, first, "1.0.0")


def test_a_name_that_is_not_there_touches_nothing(twice: tuple[Site, str, str]):
    site, _, second = twice
    host = site.hosts[0]
    before = host.run("systemctl show -p InvocationID --value qusto-staging").stdout
    ended = site.fab("rollback", "--to=20200101_000000")
    assert ended.code == 2, ended.text
    assert "there is no release 20200101_000000" in ended.err
    assert host.run("systemctl show -p InvocationID --value qusto-staging").stdout == before
    assert_serves(host, second, "1.1.0")
    assert len(site.history()) == 2


def test_back_skips_a_deploy_that_rolled_itself_back(serving: Site, build: Builder):
    host = serving.hosts[0]
    first = current(host)
    assert serving.fab("deploy", f"--artifact={build('2.0.0', 'crash')}").code == 10
    third = serving.deploy(build("1.1.0"))["release"]
    assert serving.fab("deploy", f"--artifact={build('2.0.0', 'crash')}").code == 10
    assert_serves(host, third, "1.1.0")
    serving.done("rollback")
    assert_serves(host, first, "1.0.0")


def test_nothing_before_the_first_deploy_to_go_back_to(serving: Site):
    ended = serving.fab("rollback")
    assert ended.code == 2
    assert "knows no release that served before" in ended.err


def test_a_target_that_does_not_serve_is_undone(serving: Site, build: Builder):
    host = serving.hosts[0]
    good = current(host)
    assert serving.fab("deploy", f"--artifact={build('2.0.0', 'crash')}").code == 10
    bad = serving.history()[-1]["to"]
    ended = serving.fab("rollback", f"--to={bad}")
    assert ended.code == 10, ended.text
    assert_serves(host, good, "1.0.0")


def test_a_rollback_names_the_migrations_that_stay_applied(serving: Site, build: Builder):
    serving.deploy(build("1.1.0", extra_migrations=1))
    ended = serving.done("rollback", "--format=json")
    assert json.loads(ended.out)["stay_applied"] == ["20260101000000_add_goals"]
    assert "These migrations stay applied" in ended.err
    assert "20260101000000_add_goals" in ended.err


def test_history_tells_what_was_begun_and_how_it_ended(serving: Site, build: Builder):
    serving.deploy(build("1.1.0", extra_migrations=1))
    host = serving.hosts[0]
    records = host.read(f"{BASE}/.deploy/history.jsonl").splitlines()
    assert [json.loads(line)["outcome"] for line in records] == ["begun", "kept"] * 2
    entry = serving.history()[-1]
    assert entry["pending"] == ["20260101000000_add_goals"]
    assert len(entry["digest"]) == 64
    assert [name for name, _ in entry["phases"]][:2] == ["stopping", "migrating"]
    last = json.loads(serving.done("history", "--limit=1", "--format=json").out)
    assert [one["to"] for one in last] == [entry["to"]]


def test_cleanup_removes_what_retention_names_and_plans_it_first(serving: Site, build: Builder):
    host = serving.hosts[0]
    names = [current(host), *(serving.deploy(build(f"1.{n}.0"))["release"] for n in (1, 2))]
    serving.write(keep="1")
    planned = json.loads(serving.done("cleanup", "--plan", "--format=json").out)
    assert releases(host) == names
    done = json.loads(serving.done("cleanup", "--format=json").out)
    assert planned == done
    assert done[0]["removed"] == [f"releases/{names[0]}", f"backups/release_{names[0]}"]
    assert releases(host) == names[1:]
    assert_serves(host, names[2], "1.2.0")
