"""What is sent of a release, and what a host makes of it; scripts by dash and busybox."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.release import artifact, difference, shell
from pipeline.release.artifact import Artifact
from tests.programs import SHELLS
from tests.unit.release.test_artifact import FACTS

Tree = dict[str, tuple[bytes, bool] | str]
"""Name → bytes and whether it is a program, or what a link leads to."""

OLD: Tree = {
    "bin/plausible": (b"#!/bin/sh\n", True),
    "lib/a b's.beam": (b"a" * 300, False),
    "lib/gone/c.beam": (b"c", False),
    "lib/same.beam": (b"same", False),
    "current": "lib/same.beam",
}


def pack(place: Path, files: Tree) -> Artifact:
    """Return the artifact of a release of these files."""
    tree = place / "tree"
    for name, what in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, str):
            path.symlink_to(what)
        else:
            path.write_bytes(what[0])
            path.chmod(0o755 if what[1] else 0o644)
    return artifact.pack(tree, FACTS, place / "dist")


def unpack(packed: Artifact, into: Path) -> Path:
    """Return where it is unpacked."""
    into.mkdir(parents=True)
    artifact.unpack(packed, into)
    return into


def read(place: Path) -> Tree:
    """Return everything below `place`, directories aside."""
    found: Tree = {}
    for path in place.rglob("*"):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return found


def contents(base: Path, sh: Sequence[str]) -> str:
    """Return what a survey tells of the serving release."""
    script = shell.render("contents", BASE=str(base))
    said = subprocess.run([*sh, "-c", script], capture_output=True, text=True, check=True).stdout
    return said.partition("\t")[2].strip()


def receive(base: Path, packed: bytes, sh: Sequence[str]) -> Path:
    """Have the host make the new release; return where it lies."""
    script = shell.render("receive", BASE=str(base), FROM="old")
    subprocess.run([*sh, "-c", script], input=packed, check=True)
    return base / ".deploy/incoming/release"


def host(place: Path, files: Tree) -> Path:
    """Return the base directory of a host that serves a release of these files."""
    (place / "host/.deploy/incoming").mkdir(parents=True)
    unpack(pack(place / "old", files), place / "host/releases/old")
    (place / "host/current").symlink_to("releases/old")
    return place / "host"


def changed(
    new: Artifact, base: Path, *, same_list: bool = False, sh: Sequence[str] = ("sh",)
) -> difference.Difference:
    """Return the difference between the release `new` and what `base` serves."""
    have = difference.known(contents(base, sh))
    return difference.between(difference.entries(new), have, same_list=same_list)


def piece(new: Artifact, base: Path, kept: int = 10_000, sh: Sequence[str] = ("sh",)) -> bytes:
    """Return what is sent, of an artifact of which so many bytes are kept in memory."""
    return difference.bundle(new, difference.entries(new, kept), changed(new, base, sh=sh))


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest) -> Sequence[str]:
    words: Sequence[str] = request.param
    return words


def test_only_what_differs_is_sent(tmp_path: Path):
    base = host(tmp_path, OLD)
    new: Tree = {**OLD, "lib/same.beam": (b"other", False), "lib/new.beam": (b"n" * 10, False)}
    packed = pack(tmp_path / "new", new)
    found = changed(packed, base)
    assert set(found.names) == {
        *("lib/same.beam", "lib/new.beam"),
        *("current", "MANIFEST.json", "SHA256SUMS"),
    }
    manifest = difference.entries(packed)["MANIFEST.json"].header.size
    assert found.size == len(b"other") + 10 + len(packed.sums) + manifest


def test_file_that_became_a_program_is_sent(tmp_path: Path):
    base = host(tmp_path, OLD)
    new = pack(tmp_path / "new", {**OLD, "lib/same.beam": (b"same", True)})
    assert "lib/same.beam" in changed(new, base).names


def test_of_the_same_release_almost_nothing_is_sent(tmp_path: Path):
    base = host(tmp_path, OLD)
    same = changed(pack(tmp_path / "new", OLD), base, same_list=True)
    assert set(same.names) == {"current", "MANIFEST.json"}


@pytest.mark.parametrize("text", ["", "no base64", "aGVsbG8=", "H4sIAAAAAAAAA"])
def test_of_what_cannot_be_read_nothing_is_known(text: str):
    assert difference.known(text) == {}


def test_host_without_a_release_tells_nothing(tmp_path: Path, sh: list[str]):
    assert contents(tmp_path, sh) == ""


@pytest.mark.parametrize("kept", [0, 20, 10_000])
def test_host_makes_the_new_release_and_leaves_the_serving_one(
    tmp_path: Path, sh: list[str], kept: int
):
    base = host(tmp_path, OLD)
    serving = read(base / "releases/old")
    changes: Tree = {
        "bin/plausible": (b"#!/bin/sh\nexit\n", True),
        "lib/same.beam": (b"same", True),
        "current": "bin/plausible",
    }
    new = {**OLD, **changes}
    del new["lib/gone/c.beam"]
    packed = pack(tmp_path / "new", new)
    (base / ".deploy/incoming/release").mkdir()  # of an upload that broke off
    made = receive(base, piece(packed, base, kept, sh), sh)
    assert read(made) == read(unpack(packed, tmp_path / "wanted"))
    assert read(base / "releases/old") == serving
    assert not (made / "lib/gone").exists()
    assert [path.name for path in made.parent.iterdir()] == ["release"]
    untouched = "lib/a b's.beam"
    assert (made / untouched).samefile(base / "releases/old" / untouched)


def test_piece_that_was_cut_off_is_refused(tmp_path: Path, sh: list[str]):
    base = host(tmp_path, OLD)
    new = pack(tmp_path / "new", {**OLD, "lib/new.beam": (os.urandom(5000), False)})
    with pytest.raises(subprocess.CalledProcessError):
        receive(base, piece(new, base)[:2000], sh)


names = st.lists(
    st.text(st.sampled_from("ab .'$*[é"), min_size=1, max_size=4).filter(
        lambda text: text not in (".", "..")
    ),
    min_size=1,
    max_size=3,
).map("/".join)
files = st.tuples(st.binary(max_size=5), st.booleans())


trees = st.dictionaries(names, files, min_size=1, max_size=6)


def fit(*several: Tree) -> bool:
    """Tell whether no name is a file's in one and a directory's in another (or the same)."""
    every = {name for tree in several for name in tree}
    return not any(other.startswith(f"{name}/") for name in every for other in every)


@given(old=trees, new=trees)
@settings(max_examples=25, deadline=None)
def test_any_release_becomes_any_other(
    old: Tree, new: Tree, tmp_path_factory: pytest.TempPathFactory
):
    assume(fit(old, new))
    place = tmp_path_factory.mktemp("any")
    base = host(place, old)
    serving = read(base / "releases/old")
    packed = pack(place / "new", new)
    made = receive(base, piece(packed, base), ["sh"])
    assert read(made) == read(unpack(packed, place / "wanted"))
    assert read(base / "releases/old") == serving
