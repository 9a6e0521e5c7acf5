"""Where a release comes from, and what of that a protected environment does not take.

Pure: `origin.py` and `ci.py` find the facts, `judge` decides.
"""

from collections.abc import Set
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import UsageProblem

Ci = Literal["green", "red", "missing"]
Guard = Literal["dirty", "branch", "unpushed", "ci"]
GUARDS: tuple[Guard, ...] = ("dirty", "branch", "unpushed", "ci")


@dataclass(frozen=True)
class CiState:
    """What CI says of a commit; `why` explains everything but green, in a few words."""

    state: Ci
    why: str = ""


@dataclass(frozen=True)
class Provenance:
    """The facts about a release; `pushed` is False also where nobody can tell."""

    commit: str
    dirty: bool
    branch: str
    pushed: bool
    ci: CiState


@dataclass(frozen=True)
class Verdict:
    """What speaks against a release, and which overrides were needed and given."""

    complaints: tuple[tuple[Guard, str], ...]
    overruled: tuple[str, ...]


def judge(provenance: Provenance, branch: str, allowed: Set[Guard]) -> Verdict:
    """Return what keeps `provenance` from an environment that takes only `branch`.

    An override that was not needed is not recorded: the history tells what was overruled.
    """
    found = _complaints(provenance, branch)
    return Verdict(
        complaints=tuple((guard, text) for guard, text in found if guard not in allowed),
        overruled=tuple(option(guard) for guard, _ in found if guard in allowed),
    )


def require(verdict: Verdict, environment: str) -> None:
    """Raise UsageProblem, naming every complaint and its override, unless there is none."""
    if not verdict.complaints:
        return
    reasons = "; ".join(text for _, text in verdict.complaints)
    options = " ".join(option(guard) for guard, _ in verdict.complaints)
    raise UsageProblem(
        f"{environment} does not take this release: {reasons}",
        remedy=f"put that right, or overrule it, which the history records: {options}",
    )


def option(guard: Guard) -> str:
    """Return the option that overrules `guard`."""
    return f"--allow-{guard}"


def _complaints(provenance: Provenance, branch: str) -> list[tuple[Guard, str]]:
    commit = provenance.commit[:9] or "no commit"
    found: list[tuple[Guard, str]] = []
    if provenance.dirty or not provenance.commit:
        what = "holds changes that are in no commit" if provenance.commit else "is of no commit"
        found.append(("dirty", f"it {what}"))
    if provenance.branch != branch:
        found.append(("branch", f"it is of branch {provenance.branch or '(none)'}, not {branch}"))
    if not provenance.pushed:
        found.append(("unpushed", f"{commit} is on no remote branch that is known here"))
    if provenance.ci.state != "green":
        found.append(("ci", f"CI of {commit} is {provenance.ci.state}: {provenance.ci.why}"))
    return found
