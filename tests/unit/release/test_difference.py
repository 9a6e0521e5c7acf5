"""What is sent of a release, and what a host makes of it; scripts by dash and busybox."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pipeline.release import difference, shell
from tests.unit.release.test_activate_script import SHELLS

Tree = dict[str, tuple[bytes, bool] | str]
"""Name → bytes and whether it is a program, or what a link leads to."""

OLD: Tree = {
    "bin/plausible": (b"#!/bin/sh\n", True),
    "lib/a b's.beam": (b"a" * 300, False),
    "lib/gone/c.beam": (b"c", False),
    "lib/same.beam": (b"same", False),
    "current": "lib/same.beam",
}


def write(place: Path, files: Tree) -> None:
    """Write a release as `artifact.unpack` leaves it."""
    place.mkdir()
    sums = ""
    for name in sorted(files):
        path, what = place / name, files[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(what, str):
            path.symlink_to(what)
            continue
        path.write_bytes(what[0])
        path.chmod(0o755 if what[1] else 0o644)
        sums += f"{hashlib.sha256(what[0]).hexdigest()}  ./{name}\n"
    (place / "SHA256SUMS").write_text(sums)
    (place / "MANIFEST.json").write_text(f'{{"files": {len(files)}}}\n')


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


def contents(base: Path, sh: list[str]) -> str:
    """Return what a survey tells of the serving release."""
    script = shell.render("contents", BASE=str(base))
    said = subprocess.run([*sh, "-c", script], capture_output=True, text=True, check=True).stdout
    return said.partition("\t")[2].strip()


def receive(base: Path, packed: bytes, sh: list[str]) -> Path:
    """Have the host make the new release; return where it lies."""
    script = shell.render("receive", BASE=str(base), FROM="old")
    subprocess.run([*sh, "-c", script], input=packed, check=True)
    return base / ".deploy/incoming/release"


def host(place: Path, files: Tree) -> Path:
    """Return the base directory of a host that serves a release of these files."""
    (place / ".deploy/incoming").mkdir(parents=True)
    (place / "releases").mkdir()
    write(place / "releases/old", files)
    (place / "current").symlink_to("releases/old")
    return place


def changed(new: Path, base: Path, *, same_list: bool = False) -> difference.Difference:
    """Return the difference between the release in `new` and what `base` serves."""
    have = difference.known(contents(base, ["sh"]))
    return difference.between(new, have, same_list=same_list)


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    return words


def test_only_what_differs_is_sent(tmp_path: Path):
    base = host(tmp_path / "host", OLD)
    new: Tree = {**OLD, "lib/same.beam": (b"other", False), "lib/new.beam": (b"n" * 10, False)}
    write(tmp_path / "new", new)
    found = changed(tmp_path / "new", base)
    assert set(found.names) == {
        *("lib/same.beam", "lib/new.beam"),
        *("current", "MANIFEST.json", "SHA256SUMS"),
    }
    assert found.size < 1000


def test_file_that_became_a_program_is_sent(tmp_path: Path):
    base = host(tmp_path / "host", OLD)
    write(tmp_path / "new", {**OLD, "lib/same.beam": (b"same", True)})
    assert "lib/same.beam" in changed(tmp_path / "new", base).names


def test_of_the_same_release_almost_nothing_is_sent(tmp_path: Path):
    base = host(tmp_path / "host", OLD)
    same = changed(base / "releases/old", base, same_list=True)
    assert set(same.names) == {"current", "MANIFEST.json"}


@pytest.mark.parametrize("text", ["", "no base64", "aGVsbG8=", "H4sIAAAAAAAAA"])
def test_of_what_cannot_be_read_nothing_is_known(text: str):
    assert difference.known(text) == {}


def test_host_without_a_release_tells_nothing(tmp_path: Path, sh: list[str]):
    assert contents(tmp_path, sh) == ""


def test_host_makes_the_new_release_and_leaves_the_serving_one(tmp_path: Path, sh: list[str]):
    base = host(tmp_path / "host", OLD)
    serving = read(base / "releases/old")
    new: Tree = {
        **OLD,
        "bin/plausible": (b"#!/bin/sh\nexit\n", True),
        "lib/same.beam": (b"same", True),
        "current": "bin/plausible",
    }
    del new["lib/gone/c.beam"]
    write(tmp_path / "new", new)
    (base / ".deploy/incoming/release").mkdir()  # of an upload that broke off
    have = difference.known(contents(base, sh))
    packed = difference.bundle(
        tmp_path / "new", difference.between(tmp_path / "new", have, same_list=False)
    )
    made = receive(base, packed, sh)
    assert read(made) == read(tmp_path / "new")
    assert read(base / "releases/old") == serving
    assert not (made / "lib/gone").exists()
    assert [path.name for path in made.parent.iterdir()] == ["release"]
    untouched = "lib/a b's.beam"
    assert (made / untouched).samefile(base / "releases/old" / untouched)


def test_piece_that_was_cut_off_is_refused(tmp_path: Path, sh: list[str]):
    base = host(tmp_path / "host", OLD)
    write(tmp_path / "new", {**OLD, "lib/new.beam": (os.urandom(5000), False)})
    lacking = changed(tmp_path / "new", base)
    packed = difference.bundle(tmp_path / "new", lacking)
    with pytest.raises(subprocess.CalledProcessError):
        receive(base, packed[:2000], sh)


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
    base = host(place / "host", old)
    serving = read(base / "releases/old")
    write(place / "new", new)
    packed = difference.bundle(place / "new", changed(place / "new", base))
    assert read(receive(base, packed, ["sh"])) == read(place / "new")
    assert read(base / "releases/old") == serving
