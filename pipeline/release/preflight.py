"""Whether a host can take a deploy: findings from a survey, pure. Nothing here changes anything."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import Problem, UsageProblem
from pipeline.release import survey as surveys
from pipeline.release import units
from pipeline.release.layout import Layout
from pipeline.release.manifest import Manifest
from pipeline.release.steps import megabytes
from pipeline.release.survey import Survey
from pipeline.remote.inventory import Environment

SPACE_FACTOR = 2.5
"""Room needed for an artifact: the upload, the release, and what the service writes meanwhile."""

_NEEDED = frozenset({"curl", "flock", "sha256sum", "tar", "sudo"})
_SKEW_SECONDS = 60
_VERSION = re.compile(r"(\d+)\.(\d+)")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at on one host. A `bad` one stops a deploy, a `note` does not."""

    host: str
    state: Literal["ok", "note", "bad"]
    what: str
    remedy: str = ""


def examine(
    host: str,
    survey: Survey,
    environment: Environment,
    layout: Layout,
    manifest: Manifest | None,
    now: float,
) -> list[Finding]:
    """Return every finding about one host; `now` is this machine's time, in seconds since 1970.

    Without a manifest, what depends on the artifact is left out.
    """
    found = [
        *_setup(survey, environment, layout),
        *_programs(survey),
        *_sudo(survey, environment, layout),
        *_current(survey),
        *_clock(survey, now),
        *_activation(survey, environment),
        *(_fit(survey, manifest, layout, environment) if manifest else ()),
    ]
    return [Finding(host, state, what, remedy) for state, what, remedy in found]


def require(findings: Iterable[Finding]) -> None:
    """Raise for the first bad finding, naming the host; the others are its detail."""
    bad = [finding for finding in findings if finding.state == "bad"]
    if not bad:
        return
    first, *rest = bad
    kind = UsageProblem if "set up" in first.what or "lacks" in first.what else Problem
    raise kind(
        f"{first.host}: {first.what}",
        remedy=first.remedy,
        detail="\n".join(f"{finding.host}: {finding.what}" for finding in rest),
    )


_Found = tuple[Literal["ok", "note", "bad"], str, str]


def _setup(survey: Survey, environment: Environment, layout: Layout) -> list[_Found]:
    remedy = f"run `fab -H {environment.name} setup` once"
    if survey.silent:
        return [("bad", f"systemd does not answer there: {survey.silent}", "look on the host")]
    if survey.unwritable:
        return [("bad", f"cannot be written: {survey.unwritable[0]}", "look on the host")]
    if not survey.ready:
        return [("bad", f"not set up: {layout.deploy} cannot be written", remedy)]
    if survey.service.get("LoadState") != "loaded":
        return [("bad", f"not set up: there is no {layout.service}.service", remedy)]
    return [("ok", f"directories writable, {layout.service}.service there", "")]


def _programs(survey: Survey) -> list[_Found]:
    if missing := sorted(_NEEDED - survey.have):
        return [("bad", f"lacks {', '.join(missing)}", f"install there: {' '.join(missing)}")]
    if "rsync" not in survey.have:
        text = "no rsync: each deploy sends the whole artifact"
        return [("note", text, "install rsync there")]
    return [("ok", "programs there, rsync too", "")]


def _sudo(survey: Survey, environment: Environment, layout: Layout) -> list[_Found]:
    if not survey.sudo:
        return [("note", "sudo does not list what the deploy user may do", "")]
    missing = [line for line in units.sudo_lines(layout, environment) if line not in survey.sudo]
    if missing:
        remedy = f"run `fab -H {environment.name} setup` again"
        return [("bad", f"sudo does not allow `{missing[0]}`", remedy)]
    return [("ok", "sudo allows the deploy user's lines", "")]


def _current(survey: Survey) -> list[_Found]:
    if survey.problems:
        return [("bad", survey.problems[0], "move it away by hand first")]
    if survey.current and survey.current not in survey.releases:
        text = f"`current` leads to {survey.current}, which is not there"
        return [("bad", text, "roll back to one of `releases` first")]
    return [("ok", f"serving {survey.current}" if survey.current else "nothing deployed yet", "")]


def _clock(survey: Survey, now: float) -> list[_Found]:
    skew = abs(survey.epoch - now) if survey.epoch else 0
    if skew > _SKEW_SECONDS:
        return [("note", f"its clock differs from ours by {skew:.0f} s", "is time kept by NTP?")]
    return [("ok", "clock agrees", "")]


def _activation(survey: Survey, environment: Environment) -> list[_Found]:
    if survey.activating:
        remedy = f"`fab -H {environment.name} attach` takes it up"
        return [("note", f"an activation is running ({survey.phase})", remedy)]
    if surveys.left_open(survey):
        text = f"an activation was left open in phase {survey.phase}"
        return [("note", text, "the next deploy or rollback puts it right first")]
    return [("ok", "no activation is running", "")]


def _fit(
    survey: Survey, manifest: Manifest, layout: Layout, environment: Environment
) -> list[_Found]:
    found: list[_Found] = []
    needed = int(manifest.bytes * SPACE_FACTOR)
    free = survey.disk * 1024
    room = f"{megabytes(free)} free below {layout.base}"
    if free < needed:
        remedy = f"make room, or lower `keep` in hosts.toml [{environment.name}]"
        found.append(("bad", f"{room}, but this deploy needs {megabytes(needed)}", remedy))
    elif survey.inodes and survey.inodes < manifest.files * SPACE_FACTOR:
        found.append(("bad", f"only {survey.inodes} inodes are free", "make room"))
    else:
        found.append(("ok", room, ""))
    build = "build it on a machine like the server"
    if survey.arch != manifest.arch:
        text = f"it is {survey.arch}, but the artifact was built for {manifest.arch}"
        found.append(("bad", text, build))
    elif _older(survey.libc, manifest.libc):
        # glibc is compatible upwards only: what was linked against a newer one does not start.
        text = f"its {survey.libc} is older than the {manifest.libc} that the artifact needs"
        found.append(("bad", text, build))
    else:
        found.append(
            ("ok", f"{survey.arch}, {survey.libc or 'unknown libc'}: the artifact fits", "")
        )
    return found


def _older(have: str, want: str) -> bool:
    """Tell whether `have` ("glibc 2.31") is an older version than `want`; unknown is not."""
    mine, theirs = _VERSION.search(have), _VERSION.search(want)
    if not mine or not theirs or have.split()[0] != want.split()[0]:
        return False
    return tuple(map(int, mine.groups())) < tuple(map(int, theirs.groups()))
