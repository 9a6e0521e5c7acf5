"""What a plan says, from what was seen on a host."""

import msgspec
import pytest

from pipeline.errors import Locked
from pipeline.release import plan, present
from pipeline.release import survey as surveys
from pipeline.release.plan import Changed, HostPlan, Plan
from pipeline.release.survey import Entry
from tests.unit.release.test_activation import ENVIRONMENT


def entry(number: int, outcome: str, downtime: float | None, kind: str = "deploy") -> Entry:
    fields = {"id": str(number), "kind": kind, "from": "", "to": "", "outcome": outcome}
    return msgspec.convert({**fields, "downtime": downtime}, Entry)


def test_usual_downtime_is_the_median_of_kept_deploys():
    history = [
        entry(1, "kept", 2.0),
        entry(2, "kept", 9.0),
        entry(3, "rolled-back", 50.0),
        entry(4, "kept", 3.0),
        entry(5, "kept", 70.0, kind="rollback"),
        entry(6, "begun", None),
    ]
    assert plan.usual_downtime(history) == 3.0
    assert plan.usual_downtime(history[2:3]) is None


@pytest.mark.parametrize(
    ("migrate", "skip", "order"),
    [
        ("after-stop", False, ["stop", "migrate", "link"]),
        ("before-stop", False, ["migrate", "stop", "link"]),
        ("after-stop", True, ["stop", "link", "start"]),
    ],
)
def test_steps_are_in_the_order_of_the_deploy(migrate: str, skip: bool, order: list[str]):
    environment = msgspec.structs.replace(ENVIRONMENT, migrate=migrate)
    steps = [step.split(" (")[0] for step in plan.steps(environment, skip_migrations=skip)]
    first = steps.index(order[0])
    assert steps[first : first + 3] == order
    assert (steps[0], steps[-1]) == ("lock", "clean up")


def test_database_is_dumped_before_anything_is_stopped():
    environment = msgspec.structs.replace(ENVIRONMENT, backup_database="pg_dump x")
    steps = plan.steps(environment, skip_migrations=False)
    assert steps[6:8] == ["dump the database (likewise)", "stop"]
    assert not any("dump" in step for step in plan.steps(environment, skip_migrations=True))


def test_room_after_is_what_is_free_without_what_has_changed():
    seen = surveys.parse(["disk\t100", "inodes\t1000"])
    made = plan.host_plan("web", seen, 5, "20260101_000000", Changed(3, 5000, 40), "")
    assert (made.disk_after, made.changed_files, made.downtime) == (100 * 1024 - 5000, 3, None)
    copied = plan.host_plan(
        "web", seen, 5, "20260101_000000", Changed(3, 5000, 40), "", backup=(7000, 60)
    )
    assert copied.disk_after == made.disk_after - 7000
    assert copied.inodes_after == 1000 - 3 - 40 - 60
    assert made.inodes_after == 1000 - 3 - 40


def test_plan_of_a_host_is_shown_in_numbers(capsys: pytest.CaptureFixture[str]):
    seen = surveys.parse(["disk\t100", "inodes\t1000"])
    made = plan.host_plan("web", seen, 5, "20260101_000000", Changed(3, 2400, 40), "")
    present.planned(Plan("staging", "20260101_000000", "1", "", [], "", [made], []))
    said = capsys.readouterr().out
    assert all(text in said for text in ("3 files, at most 2.4 kB", "100.0 kB", "957", "not known"))


def test_file_system_without_a_count_of_inodes_has_none_afterwards():
    seen = surveys.parse(["disk\t100", "inodes\t0"])
    made = plan.host_plan("web", seen, 5, "20260101_000000", Changed(3, 1, 4), "")
    assert made.inodes_after is None


def test_a_locked_host_refuses_as_the_deploy_would():
    host = HostPlan("web", "", "anna since noon", 0, 0, 0, 0, [], None)
    made = Plan("staging", "20260101_000000", "1", "", [], "", [host], [])
    with pytest.raises(Locked, match="web: staging is locked by anna since noon"):
        plan.require(made)
