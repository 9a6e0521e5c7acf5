"""The artifact carries a release whole, or is refused."""

import gzip
import hashlib
import io
import random
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import BuildFailed, UsageProblem
from pipeline.release import artifact
from pipeline.release import manifest as manifests
from pipeline.release.manifest import Facts

FACTS = Facts(
    app="plausible",
    version="1.0.0",
    commit="0123456789abcdef",
    dirty=False,
    branch="develop",
    mix_env="prod",
    built_at="2026-11-23T12:00:00Z",
    elixir="1.14.0",
    erts="13.1.5",
    os="Debian GNU/Linux 12 (bookworm)",
    arch="x86_64",
    libc="glibc 2.36",
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "rel"
    (root / "bin").mkdir(parents=True)
    (root / "bin/plausible").write_text("#!/bin/sh\n")
    (root / "bin/plausible").chmod(0o755)
    (root / "lib").mkdir()
    (root / "lib/a b.beam").write_bytes(b"\0\1")
    (root / "tmp").mkdir()
    (root / "tmp/plausible.runtime.config").write_text("SECRET")
    return root


def headers(path: Path) -> list[tarfile.TarInfo]:
    found = []

    def take(_name: str, header: tarfile.TarInfo, _chunks: Iterator[bytes]) -> None:
        found.append(header)

    artifact.walk(artifact.read(path), take)
    return found


def test_what_is_packed_comes_out_the_same(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    assert packed.path.name == "plausible-1.0.0-012345678.tar.gz"
    assert packed.manifest.files == 2
    into = tmp_path / "out"
    into.mkdir()
    artifact.unpack(artifact.read(packed.path), into)
    assert (into / "lib/a b.beam").read_bytes() == b"\0\1"
    assert (into / "bin/plausible").stat().st_mode & 0o777 == 0o755


def test_computed_secrets_in_tmp_do_not_travel(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    assert b"SECRET" not in gzip.decompress(packed.path.read_bytes())


def test_the_same_tree_gives_the_same_digest(tree: Path, tmp_path: Path):
    first = artifact.pack(tree, FACTS, tmp_path / "one").manifest.digest
    (tree / "bin/plausible").touch()
    assert artifact.pack(tree, FACTS, tmp_path / "two").manifest.digest == first


def test_a_changed_file_is_named(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {"./bin/plausible": b"#!/bin/evil\n"})
    into = tmp_path / "out"
    into.mkdir()
    with pytest.raises(UsageProblem, match=r"manifest: bin/plausible changed"):
        artifact.unpack(artifact.read(forged), into)


def test_changed_sums_are_found_before_anything_is_unpacked(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {"./SHA256SUMS": b"0" * 64 + b"  ./bin/plausible\n"})
    with pytest.raises(UsageProblem, match="SHA256SUMS was changed"):
        artifact.read(forged)


def test_a_missing_artifact_says_how_to_build_one(tmp_path: Path):
    with pytest.raises(UsageProblem, match="inv build"):
        artifact.read(tmp_path / "nothing.tar.gz")


def test_a_file_that_is_no_artifact_is_refused(tmp_path: Path):
    path = tmp_path / "x.tar.gz"
    path.write_text("hello")
    with pytest.raises(UsageProblem, match="is not a release artifact"):
        artifact.read(path)


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "./a/../../evil"])
def test_an_entry_that_would_land_outside_is_refused(tree: Path, tmp_path: Path, name: str):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, extra={name: b"x"})
    into = tmp_path / "out"
    into.mkdir()
    with pytest.raises(UsageProblem, match="has no place in a release"):
        artifact.unpack(artifact.read(forged), into)
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("./tmp/added", "tmp/added changed, or is not in its list of files"),
        ("./bin/plausible", "it holds ./bin/plausible twice"),
    ],
)
def test_an_entry_too_many_is_refused(tree: Path, tmp_path: Path, name: str, complaint: str):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, extra={name: b"x"})
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageProblem, match=complaint):
        artifact.unpack(artifact.read(forged), tmp_path / "out")


def test_a_missing_file_is_named(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, without="./bin/plausible")
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageProblem, match="bin/plausible is missing"):
        artifact.unpack(artifact.read(forged), tmp_path / "out")


@pytest.mark.parametrize(
    "links",
    [{"./out": "/etc"}, {"./out": "../.."}, {"./lib/in": "..", "./out": "lib/in/../.."}],
)
def test_links_that_together_lead_outside_are_refused(
    tree: Path, tmp_path: Path, links: dict[str, str]
):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, links=links)
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageProblem, match="links to something outside itself: out"):
        artifact.unpack(artifact.read(forged), tmp_path / "out")


def test_nothing_is_written_through_a_link(tree: Path, tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    links = {"./way": str(tmp_path / "elsewhere")}
    _rewrite(packed.path, forged, {}, links=links, extra={"./way/evil": b"x"})
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageProblem):
        artifact.unpack(artifact.read(forged), tmp_path / "out")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_an_entry_below_a_link_is_refused(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, links={"./way": "lib", "./way/x": "../bin"})
    with pytest.raises(UsageProblem, match="holds an entry below a link: way/x"):
        headers(forged)


def test_an_artifact_made_elsewhere_gives_no_rights(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, mode=0o6777)
    assert {(header.mode, header.uid) for header in headers(forged)} == {(0o755, 0)}


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.2, 0.5, 0.9, 0.99])
def test_an_artifact_that_was_cut_off_is_refused(tree: Path, tmp_path: Path, kept: float):
    (tree / "lib/large.beam").write_bytes(random.Random(1).randbytes(300_000))
    raw = artifact.pack(tree, FACTS, tmp_path / "dist").path.read_bytes()
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(raw[: int(len(raw) * kept)])
    with pytest.raises(UsageProblem, match=r"cut\.tar\.gz (is not a release|cannot be read to)"):
        headers(cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(at=st.integers(0), bits=st.integers(1, 255))
def test_a_damaged_artifact_is_refused_or_means_the_same(
    tree: Path, tmp_path_factory: pytest.TempPathFactory, at: int, bits: int
):
    base = tmp_path_factory.mktemp("damaged")
    packed = artifact.pack(tree, FACTS, base)
    raw = bytearray(packed.path.read_bytes())
    raw[at % len(raw)] ^= bits
    packed.path.write_bytes(raw)
    try:
        found = artifact.read(packed.path)
        artifact.walk(found, lambda *_: None)
    except UsageProblem:
        return
    assert found.sums == packed.sums


def test_sums_that_are_not_utf8_are_refused(tree: Path, tmp_path: Path):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    sums = b"0" * 64 + b"  ./\xff\n"
    made = msgspec.structs.replace(packed.manifest, digest=hashlib.sha256(sums).hexdigest())
    forged = tmp_path / "forged.tar.gz"
    lists = {"./SHA256SUMS": sums, "./MANIFEST.json": manifests.encode(made)}
    _rewrite(packed.path, forged, lists)
    with pytest.raises(UsageProblem, match="SHA256SUMS is not UTF-8"):
        artifact.read(forged)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        (".", "has no place in a release"),
        ("./", "has no place in a release"),
        ("a\0b", "has no place in a release|is not in its list"),
        (f"lib/{'n' * 300}", "holds a name of over 255 bytes: nnn"),
        (f"{'é' * 200}/x", "holds a name of over 255 bytes: ééé"),
        ("bin/plausible/x", "twice"),
        ("bin", "twice"),
    ],
)
def test_an_entry_that_no_disk_can_hold_is_refused(
    tree: Path, tmp_path: Path, name: str, complaint: str
):
    packed = artifact.pack(tree, FACTS, tmp_path / "dist")
    forged = tmp_path / "forged.tar.gz"
    _rewrite(packed.path, forged, {}, extra={name: b"x"})
    (tmp_path / "out").mkdir()
    with pytest.raises(UsageProblem, match=complaint):
        artifact.unpack(artifact.read(forged), tmp_path / "out")


PART = st.sampled_from(["a", "b", "c", "..", "."])


@settings(max_examples=300)
@given(links=st.dictionaries(st.sampled_from("abc"), st.lists(PART, min_size=1).map("/".join)))
def test_links_lead_where_the_kernel_says(links: dict[str, str]):
    with tempfile.TemporaryDirectory() as place:
        top = Path(place, "1/2/3/top")
        top.mkdir(parents=True)
        for name, target in links.items():
            (top / name).symlink_to(target)
        for name in links:
            try:
                inside = (top / name).resolve().is_relative_to(top)
            except (OSError, RuntimeError):  # a loop
                inside = False
            if not artifact._leads_outside(name, links):
                assert inside


def test_a_link_that_leads_outside_is_not_packed(tree: Path, tmp_path: Path):
    (tree / "priv").symlink_to("/etc")
    with pytest.raises(BuildFailed, match="outside itself: priv"):
        artifact.pack(tree, FACTS, tmp_path / "dist")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    names=st.sets(
        st.text(st.characters(exclude_characters="/\0\\\n\r", codec="utf-8"), min_size=1).filter(
            lambda name: name not in (".", "..", "tmp") and len(name.encode()) < 100
        ),
        min_size=1,
        max_size=4,
    )
)
def test_hostile_file_names_survive(tmp_path_factory: pytest.TempPathFactory, names: set[str]):
    base = tmp_path_factory.mktemp("hostile")
    root = base / "rel"
    root.mkdir()
    for name in names:
        (root / f"f{name}").write_text(name)
    packed = artifact.pack(root, FACTS, base / "dist")
    into = base / "out"
    into.mkdir()
    artifact.unpack(artifact.read(packed.path), into)
    assert {p.name for p in into.iterdir()} >= {f"f{name}" for name in names}


def _rewrite(
    source: Path,
    target: Path,
    replaced: dict[str, bytes],
    extra: dict[str, bytes] | None = None,
    *,
    links: dict[str, str] | None = None,
    without: str = "",
    mode: int | None = None,
) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            if member.name == without:
                continue
            stream = old.extractfile(member)
            data = replaced.get(member.name, stream.read() if stream else b"")
            member.size = len(data)
            if mode is not None:
                member.mode, member.uid = mode, 1000
            new.addfile(member, io.BytesIO(data))
        for name, to in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, to
            new.addfile(member)
        for name, data in (extra or {}).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            new.addfile(member, io.BytesIO(data))
