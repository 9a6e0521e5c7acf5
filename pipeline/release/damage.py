"""Whether releases and backups on a host are as they were built: by the digest of every file."""

from collections.abc import Iterable, Sequence

from pipeline.release import shell
from pipeline.release import survey as surveys
from pipeline.release.fleet import Fleet, Member
from pipeline.release.survey import Survey
from pipeline.remote import execute

_NAMED = 5
_SECONDS = 600
"""The longest silence: a slow disk, with every release to be read."""


def look(fleet: Fleet, member: Member, survey: Survey) -> dict[str, list[str]]:
    """Return directory → damaged files, for every release and backup of one host."""
    layout = fleet.layout
    releases = [(f"{layout.releases}/{name}", name) for name in survey.releases]
    backups = [(f"{layout.backups}/release_{name}", name) for name in survey.backups]
    return check(
        member,
        [(path, surveys.digest_of(survey, name)) for path, name in (*releases, *backups)],
    )


def check(member: Member, wanted: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    """Return directory → damaged files for those that are; `wanted` are (directory, digest)."""
    if not wanted:
        return {}
    lines = "\n".join(" ".join(pair) for pair in wanted)
    ended = execute.sh(
        member.connection, shell.render("verify", "damage", WANTED=lines), timeout=_SECONDS
    )
    found: dict[str, list[str]] = {}
    for line in ended.out.splitlines():
        word, _, rest = line.partition("\t")
        directory, _, file = rest.partition("\t")
        if word == "damaged":
            found.setdefault(directory, []).append(file)
    return found


def named(files: Iterable[str]) -> str:
    """Return the first of the files, and how many more there are."""
    every = list(files)
    more = len(every) - _NAMED
    return ", ".join(every[:_NAMED]) + (f" and {more} more" if more > 0 else "")
