"""Whether a host can take a deploy: findings from a survey, pure. Nothing here changes anything."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import Problem, UsageProblem
from pipeline.release import sudo, units
from pipeline.release import survey as surveys
from pipeline.release.layout import Layout
from pipeline.release.manifest import Manifest
from pipeline.release.steps import megabytes
from pipeline.release.survey import Survey
from pipeline.remote.inventory import Environment

SPACE_FACTOR = 2.5
"""Room needed for an artifact: the upload, the release, and what the service writes meanwhile.

The copy that becomes the backup of what serves comes on top (`backup_size`)."""

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


def require(findings: Iterable[Finding], kind: type[Problem] = UsageProblem) -> None:
    """Raise for the first bad finding, naming the host; the others are its detail."""
    bad = [finding for finding in findings if finding.state == "bad"]
    if not bad:
        return
    first, *rest = bad
    raise kind(
        f"{first.host}: {first.what}",
        remedy=first.remedy,
        detail="\n".join(f"{finding.host}: {finding.what}" for finding in rest),
    )


Found = tuple[Literal["ok", "note", "bad"], str, str]


def _setup(survey: Survey, environment: Environment, layout: Layout) -> list[Found]:
    remedy = f"run `fab -H {environment.name} setup` once"
    if survey.silent:
        return [("bad", f"systemd does not answer there: {survey.silent}", "look on the host")]
    if survey.unwritable:
        return [("bad", f"cannot be written: {survey.unwritable[0]}", "look on the host")]
    if not survey.ready:
        return [("bad", f"not set up: {layout.deploy} cannot be written", remedy)]
    state = survey.service.get("LoadState", "not-found")
    if state == "masked":  # told, with the remedy, beside the other units
        return [("ok", "directories writable", "")]
    if state != "loaded":
        return [("bad", f"not set up: there is no {layout.service}.service", remedy)]
    return [("ok", f"directories writable, {layout.service}.service there", "")]


def _programs(survey: Survey) -> list[Found]:
    if missing := sorted(_NEEDED - survey.have):
        return [("bad", f"lacks {', '.join(missing)}", f"install there: {' '.join(missing)}")]
    if "rsync" not in survey.have:
        text = "no rsync: each deploy sends the whole artifact"
        return [("note", text, "install rsync there")]
    return [("ok", "programs there, rsync too", "")]


def _sudo(survey: Survey, environment: Environment, layout: Layout) -> list[Found]:
    if not survey.sudo:
        said = survey.sudo_said or "no word why"
        return [("note", f"sudo does not list what the deploy user may do: {said}", "")]
    for line in units.sudo_lines(layout, environment):
        word = sudo.verdict(survey.sudo, line)
        if word == "asks":
            remedy = "its last rule for that line wants one: is it in another file of sudoers.d?"
            return [("bad", f"sudo wants a password for `{line}`", remedy)]
        if word == "refused":
            remedy = f"run `fab -H {environment.name} setup` again; sudo heeds the last rule alone"
            return [("bad", f"sudo does not allow `{line}`", remedy)]
    return [("ok", "sudo allows the deploy user's lines", "")]


def _current(survey: Survey) -> list[Found]:
    if survey.problems:
        return [("bad", survey.problems[0], "move it away by hand first")]
    if survey.current and survey.current not in survey.releases:
        text = f"`current` leads to {survey.current}, which is not there"
        return [("bad", text, "roll back to one of `releases` first")]
    return [("ok", f"serving {survey.current}" if survey.current else "nothing deployed yet", "")]


def _clock(survey: Survey, now: float) -> list[Found]:
    skew = abs(survey.epoch - now) if survey.epoch else 0
    if skew > _SKEW_SECONDS:
        return [("note", f"its clock differs from ours by {skew:.0f} s", "is time kept by NTP?")]
    return [("ok", "clock agrees", "")]


def _activation(survey: Survey, environment: Environment) -> list[Found]:
    if survey.activating:
        remedy = f"`fab -H {environment.name} attach` takes it up"
        return [("note", f"an activation is running ({survey.phase})", remedy)]
    if surveys.left_open(survey):
        text = f"an activation was left open in phase {survey.phase}"
        return [("note", text, "the next deploy or rollback puts it right first")]
    return [("ok", "no activation is running", "")]


def _fit(
    survey: Survey, manifest: Manifest, layout: Layout, environment: Environment
) -> list[Found]:
    found: list[Found] = []
    backup, files = backup_size(survey, manifest, environment)
    needed = int(manifest.bytes * SPACE_FACTOR)
    free = survey.disk * 1024
    remedy = f"make room, or lower `keep` in hosts.toml [{environment.name}]"
    if survey.backups_disk is None:
        needed += backup
    elif survey.backups_disk * 1024 < backup:
        room = f"{megabytes(survey.backups_disk * 1024)} free below {layout.backups}"
        text = f"{room}, but the backup of what serves needs {megabytes(backup)}"
        found.append(("bad", text, remedy))
    room = f"{megabytes(free)} free below {layout.base}"
    if free < needed:
        found.append(("bad", f"{room}, but this deploy needs {megabytes(needed)}", remedy))
    elif survey.inodes and survey.inodes < manifest.files * SPACE_FACTOR + files:
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


def backup_size(survey: Survey, manifest: Manifest, environment: Environment) -> tuple[int, int]:
    """Return the bytes and files that the copy of the serving release takes, as far as is known.

    Where the file system can share blocks it takes less; nobody counts on that.
    """
    copied = survey.current and survey.current not in survey.backups
    if not copied or environment.backup_copy == "link":
        return 0, 0
    serving = survey.versions.get(survey.current, {})
    size, files = serving.get("bytes"), serving.get("files")
    return (
        size if isinstance(size, int) else manifest.bytes,
        files if isinstance(files, int) else manifest.files,
    )


def _older(have: str, want: str) -> bool:
    """Tell whether `have` ("glibc 2.31") is an older version than `want`; unknown is not."""
    mine, theirs = _VERSION.search(have), _VERSION.search(want)
    if not mine or not theirs or have.split()[0] != want.split()[0]:
        return False
    return tuple(map(int, mine.groups())) < tuple(map(int, theirs.groups()))
