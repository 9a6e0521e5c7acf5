"""What is found on a host before a deploy, and which of it stops one."""

from dataclasses import replace

import msgspec
import pytest

from pipeline.errors import Problem, UsageProblem
from pipeline.release import preflight, sudo, survey, units
from pipeline.release.manifest import Manifest
from pipeline.release.preflight import Finding
from pipeline.release.survey import Survey
from tests.unit.release.test_activation import ENVIRONMENT, LAYOUT
from tests.unit.release.test_artifact import FACTS

MANIFEST = Manifest(**msgspec.structs.asdict(FACTS), digest="0", files=700, bytes=11_000_000)
GOOD = replace(
    survey.parse(
        [
            "ready\tyes",
            "unit\tLoadState=loaded",
            "disk\t1000000",
            "inodes\t1000000",
            "arch\tx86_64",
            "libc\tglibc 2.36",
            "epoch\t1000",
            *(f"have\t{name}" for name in ("curl", "flock", "sha256sum", "tar", "sudo", "rsync")),
        ]
    ),
    sudo=sudo.rules(f"(root) NOPASSWD: {line}" for line in units.sudo_lines(LAYOUT, ENVIRONMENT)),
)


def found(seen: Survey, manifest: Manifest | None = MANIFEST, now: float = 1000) -> list[Finding]:
    return preflight.examine("web1", seen, ENVIRONMENT, LAYOUT, manifest, now)


def test_a_good_host_is_all_ok():
    assert {finding.state for finding in found(GOOD)} == {"ok"}
    preflight.require(found(GOOD))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ready": False}, "not set up"),
        ({"service": {"LoadState": "not-found"}}, "there is no qusto-staging.service"),
        ({"have": frozenset({"curl"})}, "lacks flock, sha256sum, sudo, tar"),
        ({"disk": 1000}, "1.0 MB free below /var/www/qusto/staging, but this deploy needs 27.5 MB"),
        ({"inodes": 100}, "only 100 inodes are free"),
        ({"arch": "aarch64"}, "it is aarch64, but the artifact was built for x86_64"),
        ({"libc": "glibc 2.31"}, "its glibc 2.31 is older than the glibc 2.36"),
        ({"current": "20260101_000000"}, "which is not there"),
        ({"problems": ("/x/current is not a link",)}, "is not a link"),
        ({"sudo": sudo.rules(["(root) NOPASSWD: /usr/bin/systemctl start x"])}, "does not allow"),
        ({"sudo": (*GOOD.sudo, *sudo.rules(["(ALL) ALL"]))}, "sudo wants a password for"),
    ],
)
def test_what_would_break_a_deploy_is_bad(change, said: str):
    bad = [finding for finding in found(replace(GOOD, **change)) if finding.state == "bad"]
    assert len(bad) == 1
    assert said in bad[0].what
    assert bad[0].remedy
    with pytest.raises(Problem, match="web1: "):
        preflight.require(bad)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"have": GOOD.have - {"rsync"}}, "no rsync"),
        ({"epoch": 1100.0}, "its clock differs from ours by 100 s"),
        ({"phase": "migrating"}, "left open in phase migrating"),
        ({"phase": "migrating", "activating": True}, "an activation is running"),
    ],
)
def test_what_does_not_stop_a_deploy_is_a_note(change, said: str):
    findings = found(replace(GOOD, **change))
    assert [said in finding.what for finding in findings if finding.state == "note"] == [True]
    preflight.require(findings)


def test_a_newer_libc_fits():
    assert {f.state for f in found(replace(GOOD, libc="glibc 2.41"))} == {"ok"}
    assert {f.state for f in found(replace(GOOD, libc="musl 1.2"))} == {"ok"}


def test_without_an_artifact_nothing_is_said_about_room():
    assert not any("free below" in finding.what for finding in found(GOOD, manifest=None))


def test_a_host_that_was_not_set_up_is_a_usage_problem():
    with pytest.raises(UsageProblem, match="setup` once"):
        preflight.require(found(replace(GOOD, ready=False)))


SERVING = replace(
    GOOD,
    current="20260101_000000",
    releases=("20260101_000000",),
    versions={"20260101_000000": {"bytes": 5_000_000, "files": 300}},
    disk=32_000,
)


def test_the_copy_that_becomes_the_backup_is_counted():
    def room(seen: Survey, **keys: str) -> str:
        environment = msgspec.structs.replace(ENVIRONMENT, **keys)
        rows = preflight.examine("web1", seen, environment, LAYOUT, MANIFEST, 1000)
        return next(row.what for row in rows if "free below" in row.what)

    assert "this deploy needs 32.5 MB" in room(replace(SERVING, disk=30_000))
    assert "needs" not in room(SERVING)
    assert "needs" not in room(replace(SERVING, disk=30_000, backups=("20260101_000000",)))
    assert "needs" not in room(replace(SERVING, disk=30_000), backup_copy="link")
    assert "needs" not in room(replace(SERVING, disk=30_000, backups_disk=6_000))
    assert "4.1 MB free below /var/www/qusto/backups/staging" in room(
        replace(SERVING, disk=30_000, backups_disk=4_000)
    )


def test_a_refusal_before_anything_is_touched_is_exit_2():
    assert refusal(replace(GOOD, disk=1000)) == 2
    assert refusal(replace(GOOD, arch="aarch64")) == 2


def refusal(seen: Survey) -> int:
    with pytest.raises(UsageProblem) as caught:
        preflight.require(found(seen))
    return caught.value.code
