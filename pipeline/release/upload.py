"""Getting a release into .deploy/incoming of every host: what differs, or all of it."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from pipeline.release import artifact as artifacts
from pipeline.release import difference as differences
from pipeline.release import fleet as fleets
from pipeline.release import shell
from pipeline.release.artifact import Artifact
from pipeline.release.difference import Difference, Entry
from pipeline.release.fleet import Fleet, Member
from pipeline.release.survey import Survey
from pipeline.remote import transfer

_PATIENCE = 60
"""Seconds that a line may be silent."""


class Cargo:
    """An artifact that is read while something else is done, until `close`."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact
        self.notes: list[str] = []
        """What there is to say of its uploads."""
        self._pool = ThreadPoolExecutor(1)
        self._entries = self._pool.submit(differences.entries, artifact)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._tree: Path | None = None
        self._unpacking = Lock()

    @property
    def entries(self) -> dict[str, Entry]:
        """What is in it. Raises UsageProblem if it is not what its manifest says."""
        return self._entries.result()

    def tree(self) -> Path:
        """Return where it is unpacked, for rsync; the first call does it. Raises OSError."""
        with self._unpacking:
            if self._tree is None:
                self._directory = tempfile.TemporaryDirectory(prefix="qusto-release-")
                place = Path(self._directory.name) / "release"
                place.mkdir(mode=0o755)
                artifacts.unpack(self.artifact, place)
                self._tree = place
            return self._tree

    def close(self) -> None:
        """Wait for the reading to end, and remove what was unpacked."""
        self._pool.shutdown()
        if self._directory:
            self._directory.cleanup()


def upload(fleet: Fleet, found: Sequence[Survey], cargo: Cargo, name: str) -> int | None:
    """Put the release into `incoming` of every host, beside what serves.

    A host that serves a release gets what differs, in one piece; all of it goes to any other, and
    to one that could not make a release of that piece. Returns the bytes sent to all, None if they
    are not known of one. Raises Unreachable, or UsageProblem for an artifact that was changed.
    """
    # Hosts of a fleet mostly serve the same, and then one piece is made for all.
    pieces = {survey.contents: _piece(cargo, survey) for survey in found}

    def one(member: Member, survey: Survey) -> int | None:
        packed = pieces[survey.contents]
        if packed and _received(fleet, member, survey, packed):
            return len(packed)
        return whole(fleet, member, survey, cargo, name)

    sent = fleets.each_surveyed(fleet, found, one)
    known = [number for number in sent if number is not None]
    return sum(known) if len(known) == len(sent) else None


def difference(cargo: Cargo, survey: Survey) -> Difference | None:
    """Return what the surveyed host lacks; None if it is not known what it has."""
    entries = cargo.entries  # also for a host that gets all: nothing goes out of a changed artifact
    have = differences.known(survey.contents)
    if not have:
        return None
    serving = survey.versions.get(survey.current, {})
    same_list = serving.get("digest") == cargo.artifact.manifest.digest
    return differences.between(entries, have, same_list=same_list)


def whole(fleet: Fleet, member: Member, survey: Survey, cargo: Cargo, name: str) -> int | None:
    """Send all of the release by rsync, or its tarball where that is missing or does not work.

    rsync sends of each file what the host lacks, whatever is there already, also from an upload
    that broke off. Returns the bytes sent, if they are known. Raises Unreachable.
    """
    incoming = fleet.layout.incoming
    if transfer.can_rsync("rsync" in survey.have):
        # Under one name always, so that the next deploy finds what a bad line has left of this one.
        target = incoming / "release"
        link = fleet.layout.releases / survey.current if survey.current else None
        try:
            with transfer.ssh_options(fleet.environment, member.host) as options:
                return transfer.upload_tree(member.connection, options, cargo.tree(), target, link)
        except transfer.RsyncUnusable as problem:
            cargo.notes.append(f"{problem.message}; sent over the open connection instead")
        except OSError as error:
            # Most likely there is no room for temporary files: the tarball needs none.
            cargo.notes.append(
                f"rsync cannot be used from here: {error}; sent as a tarball instead"
            )
    tarball = incoming / f"{name}.tar.gz"
    return transfer.upload_file(member.connection, cargo.artifact.path, tarball)


def _piece(cargo: Cargo, survey: Survey) -> bytes:
    """Return what the surveyed host lacks in one piece; empty if all must be sent, or too much."""
    lacking = difference(cargo, survey)
    if lacking is None or lacking.size > differences.ONE_PIECE:
        return b""
    return differences.bundle(cargo.artifact, cargo.entries, lacking)


def _received(fleet: Fleet, member: Member, survey: Survey, packed: bytes) -> bool:
    """Send one piece; tell whether the host could make the release of it and of what serves."""
    script = shell.render("receive", BASE=str(fleet.layout.base), FROM=survey.current)
    ended = fleets.change(fleet, member, script, stdin=packed, timeout=_PATIENCE)
    return ended.code == 0
