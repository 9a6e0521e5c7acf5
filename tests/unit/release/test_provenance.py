"""What a protected environment takes: every combination of facts and overrides."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.release import provenance
from pipeline.release.provenance import GUARDS, CiState, Guard, Provenance

GREEN = CiState("green")
COMMIT = "0123456789abcdef"
WRONG: dict[Guard, dict[str, object]] = {
    "dirty": {"dirty": True},
    "branch": {"branch": "develop"},
    "unpushed": {"pushed": False},
    "ci": {"ci": CiState("red", "mix test")},
}


def made(*wrong: Guard) -> Provenance:
    facts = {"commit": COMMIT, "dirty": False, "branch": "main", "pushed": True, "ci": GREEN}
    for guard in wrong:
        facts |= WRONG[guard]
    return Provenance(**facts)  # type: ignore[arg-type]


SUBSETS = [
    tuple(guard for guard, chosen in zip(GUARDS, picks, strict=True) if chosen)
    for picks in product((False, True), repeat=len(GUARDS))
]


@pytest.mark.parametrize("wrong", SUBSETS, ids=lambda names: "-".join(names) or "nothing")
def test_each_guard_is_overruled_by_its_own_option_and_by_no_other(wrong: tuple[Guard, ...]):
    for allowed in SUBSETS:
        verdict = provenance.judge(made(*wrong), "main", frozenset(allowed))
        assert {guard for guard, _ in verdict.complaints} == {*wrong} - {*allowed}
        assert verdict.overruled == tuple(f"--allow-{g}" for g in wrong if g in allowed)


@pytest.mark.parametrize(
    ("guard", "said"),
    [
        ("dirty", "holds changes that are in no commit"),
        ("branch", "it is of branch develop, not main"),
        ("unpushed", "012345678 is on no remote branch"),
        ("ci", "CI of 012345678 is red: mix test"),
    ],
)
def test_a_refusal_names_environment_reason_and_override(guard: Guard, said: str):
    with pytest.raises(UsageProblem) as raised:
        provenance.require(provenance.judge(made(guard), "main", frozenset()), "production")
    text = str(raised.value)
    assert "production does not take this release" in text
    assert said in text
    assert f"--allow-{guard}" in text
    assert [f"--allow-{g}" in text for g in GUARDS].count(True) == 1
    assert len(text.splitlines()) == 1


@given(state=st.sampled_from(["red", "missing"]), why=st.text())
def test_only_green_passes_for_ci(state: provenance.Ci, why: str):
    facts = Provenance(COMMIT, False, "main", True, CiState(state, why))
    assert [g for g, _ in provenance.judge(facts, "main", frozenset()).complaints] == ["ci"]


def test_a_release_of_no_commit_counts_as_dirty():
    facts = Provenance("", False, "main", True, GREEN)
    assert [g for g, _ in provenance.judge(facts, "main", frozenset()).complaints] == ["dirty"]
