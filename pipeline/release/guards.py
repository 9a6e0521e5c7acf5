"""Questions asked before a protected environment is touched."""

import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from pipeline.errors import UsageProblem
from pipeline.release import origin, provenance
from pipeline.release.manifest import Manifest
from pipeline.release.provenance import Guard, Verdict
from pipeline.remote.inventory import Environment


def confirm(environment: Environment, action: str, *, yes: bool) -> None:
    """Return if `environment` needs no confirmation, or got it; else raise UsageProblem.

    The environment's own name must be typed; `yes` (--yes) answers for CI.
    """
    if not environment.confirm or yes:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"{environment.name} asks for confirmation before `{action}`, and nobody is there to "
            "answer",
            remedy="use --yes, if that is what you mean",
        )
    typed = input(f"{action} on {environment.name}: type its name to go on: ")
    if typed.strip() != environment.name:
        raise UsageProblem("not confirmed; nothing was touched")


def confirm_variables(names: Sequence[str], *, yes: bool) -> None:
    """Return if `names` is empty or was confirmed: they decide how the service is started."""
    if not names or yes:
        return
    listed = ", ".join(names)
    what = f"{listed} can change which code the service runs, or undo what its unit sets"
    if not sys.stdin.isatty():
        raise UsageProblem(f"{what}; nothing was changed", remedy="use --yes if that is meant")
    typed = input(f"{what}: type {names[0]} to go on: ")
    if typed.strip() != names[0]:
        raise UsageProblem("not confirmed; nothing was changed")


def provenance_of(
    environment: Environment,
    manifest: Manifest,
    allowed: Set[Guard],
    repository: Path,
    variables: Mapping[str, str],
) -> Verdict:
    """Return what keeps this release from `environment`; one without `confirm` takes any.

    `repository` is a directory of the clone that knows the commit, `allowed` what is overruled.
    """
    if not environment.confirm:
        return Verdict(complaints=(), overruled=())
    facts = origin.of_artifact(manifest, repository, variables)
    return provenance.judge(facts, environment.branch, allowed)


def require_trust_options(fingerprint: str, *, yes: bool) -> None:
    """Raise UsageProblem for --yes without a fingerprint: it would trust whoever answers."""
    if yes and not fingerprint:
        raise UsageProblem(
            "--yes alone would trust whoever answers",
            remedy="name the key that is expected, with --fingerprint SHA256:…",
        )


def confirm_trust(environment: Environment, *, changed: bool, yes: bool) -> None:
    """Return once the operator has confirmed the keys that were shown; else raise UsageProblem.

    `yes` does for new keys; for a changed one the environment's name must be typed.
    """
    if yes and not changed:
        return
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"a CHANGED host key of {environment.name} is pinned only by somebody at a terminal"
            if changed
            else "nobody is there to confirm the key; not pinned",
            remedy="run `fab trust` at a terminal"
            if changed
            else "use --yes --fingerprint SHA256:…",
        )
    wanted = environment.name if changed else "yes"
    about = f"the key has CHANGED; type {wanted!r} to replace" if changed else "type 'yes' to pin"
    if input(f"Compared with the server's own? {about} it: ").strip() != wanted:
        raise UsageProblem("not confirmed; nothing was pinned")
