"""What the real Ecto printed (tests/recorded) is read as it was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import ecto, proof
from pipeline.settings import PROJECT

RECORDED = PROJECT / "tests/recorded"
TWO = ["20250101000000_create_sites", "20250201000000_add_owner"]


def said(name: str) -> list[str]:
    return (RECORDED / f"release-{name}.txt").read_text().splitlines()[1:]


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("pending-none", []),
        ("pending-two", None),
        ("pending-several", TWO),
        ("pending-one-after-half-way", ["20250302000000_index_concurrently"]),
    ],
)
def test_pending_migrations_are_those_that_ecto_lists(name: str, names: list[str] | None):
    listed = [line[4:] for line in said(name) if line.startswith("  * ")]
    assert ecto.pending(said(name)) == (listed if names is None else names)
    assert ecto.pending([f"\x1b[33m{line}\x1b[0m" for line in said(name)]) == listed


def test_streaks_of_several_repositories_keep_their_order():
    lines = [
        "Collecting pending migrations..",
        "",
        "Plausible.Repo [priv/repo/migrations] streak up to version 20260101000000:",
        "  * 20260101000000_add_goals",
        "",
        "Plausible.IngestRepo [priv/ingest_repo/migrations] streak up to version 20260102000000:",
        "  * 20260102000000_add_goal_to_events",
        "",
        "Plausible.Repo [priv/repo/migrations] streak up to version 20260103000000:",
        "  * 20260103000000_add_goals",
    ]
    assert ecto.pending(lines) == [
        "20260101000000_add_goals",
        "20260102000000_add_goal_to_events",
        "20260103000000_add_goals",
    ]
    # A line of the application that says it as well does not hide them.
    assert len(ecto.pending(["12:00:00.000 [info] No pending migrations!", *lines])) == 3


@given(st.lists(st.text()))
def test_an_answer_in_no_known_form_runs_the_migrator(lines: list[str]):
    if "No pending migrations!" not in lines:
        assert ecto.pending(lines) != []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pending-no-database", 'FATAL 3D000 (invalid_catalog_name) database "plausible_rec" does'),
        ("pending-database-down", "tcp connect (127.0.0.1:5496): connection refused"),
        ("pending-wrong-password", "FATAL 28P01 (invalid_password) password authentication failed"),
        (
            "pending-no-environment",
            "** (RuntimeError) environment variable DATABASE_URL is missing",
        ),
        ("eval-undefined", "** (UndefinedFunctionError) function Plausible.Release.nope/0 is"),
        (
            "migrate-fails-half-way",
            "** (Postgrex.Error) ERROR 22012 (division_by_zero) division by",
        ),
        ("migrate-none", ""),
        ("pending-several", ""),
    ],
)
def test_the_reason_is_what_the_database_or_the_beam_said(name: str, reason: str):
    found = ecto.reason(said(name))
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_a_database_that_is_down_is_told_in_the_first_line():
    seen = proof.parse(
        [
            *("step\tpending", "ran", "unit\tResult=exit-code", "unit\tExecMainStatus=1"),
            *(f"output\t{line}" for line in said("pending-database-down")),
        ]
    )
    told = proof.failure(seen, "qusto-staging", "/etc/qusto/staging.env", "staging")
    assert "tcp connect (127.0.0.1:5496): connection refused" in told.reason
