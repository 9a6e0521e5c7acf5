"""Reading what is on a host, and what `back` means."""

import json
import subprocess
from pathlib import Path, PurePosixPath

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.release import survey
from pipeline.release.layout import Layout
from pipeline.release.survey import Entry
from tests.programs import SHELLS

A, B, C, D = (f"2026110{n}_000000" for n in (1, 2, 3, 4))


def entry(kind: str, before: str, to: str, outcome: str = "kept") -> Entry:
    return msgspec.convert(
        {"id": "x", "kind": kind, "from": before, "to": to, "outcome": outcome}, Entry
    )


def lines(current: str, *history: Entry, failed: tuple[str, ...] = ()) -> list[str]:
    return [
        "clock\t20261123_120000",
        "ready\tyes",
        f"current\treleases/{current}",
        *(f"release\t{name}" for name in (A, B, C, D)),
        *(f"failed\t{name}" for name in failed),
        *(f"history\t{msgspec.json.encode(e).decode()}" for e in history),
        "unit\tLoadState=loaded",
    ]


def test_back_means_what_served_before_not_the_release_below():
    # A, then B which was rolled back by itself, again A; then C bad, again A.
    found = survey.parse(
        lines(
            A,
            entry("deploy", "", A),
            entry("deploy", A, B, "rolled-back"),
            entry("deploy", A, C, "rolled-back"),
            failed=(B, C),
        )
    )
    assert survey.predecessor(found) == ""


def test_back_skips_a_failed_release_between():
    found = survey.parse(
        lines(
            D,
            entry("deploy", "", A),
            entry("deploy", A, B, "rolled-back"),
            entry("deploy", A, D),
            failed=(B,),
        )
    )
    assert survey.predecessor(found) == A


def test_going_back_twice_goes_two_releases_back():
    deploys = (entry("deploy", "", A), entry("deploy", A, B), entry("deploy", B, C))
    once = survey.parse(lines(B, *deploys, entry("rollback", C, B)))
    assert survey.predecessor(once) == A


def test_a_new_deploy_after_a_rollback_goes_back_to_where_the_rollback_led():
    history = (
        entry("deploy", "", A),
        entry("deploy", A, B),
        entry("rollback", B, A),
        entry("deploy", A, D),
    )
    assert survey.predecessor(survey.parse(lines(D, *history))) == A


def test_a_release_that_was_cleaned_away_is_not_gone_back_to():
    gone = "20250101_000000"
    found = survey.parse(lines(B, entry("deploy", gone, B)))
    assert survey.predecessor(found) == ""


def test_a_line_cut_off_by_a_power_cut_is_passed_over():
    whole = entry("deploy", "", A)
    found = survey.parse([*lines(A, whole), 'history\t{"id":"y","kind":"dep'])
    assert [e.to for e in found.history] == [A]


def test_current_that_is_a_directory_is_refused():
    found = survey.parse(["ready\tyes", "problem\t/x/current is not a link"])
    with pytest.raises(UsageProblem, match="is not a link"):
        survey.require_ready(found, "web1", "staging")


def test_a_masked_unit_is_not_called_a_host_that_is_not_set_up():
    found = survey.parse(["ready\tyes", "unit\tLoadState=masked"])
    with pytest.raises(UsageProblem, match="the service unit of staging is masked") as caught:
        survey.require_ready(found, "web1", "staging")
    assert "unmask" in caught.value.remedy


def test_current_that_leads_elsewhere_is_refused():
    found = survey.parse(["ready\tyes", "unit\tLoadState=loaded", "current\t/opt/app"])
    assert found.current == ""
    with pytest.raises(UsageProblem, match="/opt/app"):
        survey.require_ready(found, "web1", "staging")


def test_a_host_without_setup_says_what_to_run():
    with pytest.raises(UsageProblem, match="fab -H staging setup"):
        survey.require_ready(survey.parse([]), "web1", "staging")


@pytest.mark.parametrize(
    ("phase", "activating", "expected"),
    [
        ("begun", False, True),
        ("migrating", False, True),
        ("migrating", True, False),
        ("kept", False, False),
        ("rolled-back", False, False),
        ("", False, False),
    ],
)
def test_an_activation_without_an_end_is_left_open(phase: str, activating: bool, expected: bool):
    text = [f"phase\t{phase}"] + (["activating\tyes"] if activating else [])
    assert survey.left_open(survey.parse(text)) is expected


@given(st.lists(st.text()))
def test_any_output_can_be_read(text: list[str]):
    found = survey.parse(text)
    assert isinstance(found.releases, tuple)


def test_history_keeps_what_the_server_wrote():
    record = {"id": "i", "kind": "deploy", "to": B, "from": A, "outcome": "kept", "downtime": 1.25}
    found = survey.parse([f"history\t{json.dumps(record)}"])
    assert found.history[0].before == A
    assert found.history[0].downtime == 1.25


def record(name: str, outcome: str, *pending: str, kind: str = "deploy") -> Entry:
    fields = {"id": name, "kind": kind, "from": "", "to": name, "outcome": outcome}
    return msgspec.convert({**fields, "pending": list(pending)}, Entry)


def test_an_activation_is_one_entry_however_many_records_it_has():
    begun, kept, cut = record("a", "begun"), record("a", "kept"), record("b", "begun")
    assert survey.ended([begun, kept, cut]) == [kept, cut]


def test_migrations_of_newer_deploys_stay_applied_and_older_ones_are_not_named():
    history = [
        record("20260101_000000", "kept", "1_one"),
        record("20260102_000000", "kept", "2_two", "3_three"),
        record("20260103_000000", "rolled-back", "4_four", "3_three", "(unknown)"),
        record("20260101_000000", "kept", kind="rollback"),
    ]
    assert survey.left_applied(history, "20260101_000000") == [
        "2_two",
        "3_three",
        "4_four (of a failed deploy)",
    ]
    assert survey.left_applied(history, "20260103_000000") == []


def test_a_deploy_named_in_the_future_is_not_newer_than_those_after_it():
    history = [record("21000101_000000", "kept", "1_one"), record("20260101_000000", "kept")]
    assert survey.left_applied(history, "20260101_000000") == []


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ({}, ""),
        ({"NRestarts": "3"}, "it ended and was restarted 3 times"),
        ({"ActiveState": "failed", "SubState": "failed"}, "it does not run now (failed, failed)"),
        ({"InvocationID": "other"}, "the service was started again, by hand or by a reboot"),
    ],
)
def test_what_became_of_the_last_release_is_known_by_its_process(unit: dict[str, str], said: str):
    here = {"ActiveState": "active", "SubState": "running", "NRestarts": "0", "InvocationID": "a"}
    text = [
        f"current\treleases/{A}",
        f"journal\tto\t{A}",
        "journal\tafter\ta",
        "phase\tkept",
        *(f"unit\t{key}={value}" for key, value in {**here, **unit}.items()),
    ]
    assert survey.since(survey.parse(text)) == said


def test_a_release_that_was_rolled_back_while_it_was_watched_never_served():
    watched = [entry("deploy", A, B), entry("deploy", A, B, "rolled-back")]
    found = survey.parse(lines(A, entry("deploy", "", A), *watched))
    assert survey.serving_stack(found.history) == [A]


@pytest.mark.parametrize("shell", SHELLS)
def test_a_history_with_an_endless_line_keeps_its_other_records(
    tmp_path: Path, shell: tuple[str, ...]
):
    base = PurePosixPath(tmp_path)
    layout = Layout(base, base / "none", "x", "y", PurePosixPath("/"))
    records = [entry("deploy", "", A), entry("deploy", A, B)]
    one, two = (msgspec.json.encode(record).decode() for record in records)
    (tmp_path / ".deploy").mkdir()
    with (tmp_path / ".deploy/history.jsonl").open("w") as file:
        file.write(f"{one}\n")
        for _ in range(40):
            file.write("x" * 1_000_000)
        file.write(f"\n{two}\n")
    said = subprocess.run(
        [*shell, "-s"], input=survey.script(layout), capture_output=True, text=True, timeout=60
    ).stdout
    assert len(said) < 200_000
    assert survey.parse(said.splitlines()).history == tuple(records)
