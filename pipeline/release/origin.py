"""Finding out where a release comes from: git here, CI at GitHub."""

from collections.abc import Mapping
from pathlib import Path

from pipeline import asking
from pipeline.release.manifest import Manifest
from pipeline.release.provenance import CiState, Provenance


def of_artifact(manifest: Manifest, repository: Path, variables: Mapping[str, str]) -> Provenance:
    """Return the provenance of a built release.

    Commit, branch and dirt are the manifest's; whether the commit was pushed is asked of git in
    `repository` (any directory), whose remote-tracking branches must hold it. What git or GitHub
    cannot answer counts against the release.
    """
    from pipeline.release import ci  # httpx takes 0.1 s to import, and staging never asks

    remote = _git(repository, variables, "config", "--get", "remote.origin.url")
    return Provenance(
        commit=manifest.commit,
        dirty=manifest.dirty,
        branch=manifest.branch,
        pushed=_pushed(manifest.commit, repository, variables),
        ci=CiState("missing", "built of uncommitted changes, which no CI has seen")
        if manifest.dirty
        else ci.ask(manifest.commit, remote, variables),
    )


def _pushed(commit: str, repository: Path, variables: Mapping[str, str]) -> bool:
    if not commit or commit.startswith("-"):
        return False
    return bool(_git(repository, variables, "branch", "--remotes", "--contains", commit))


def _git(repository: Path, variables: Mapping[str, str], *words: str) -> str:
    return asking.answer(variables, "git", "-C", str(repository), *words)
