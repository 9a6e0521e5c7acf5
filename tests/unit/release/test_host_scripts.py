"""The scripts for what lies on a host, run for real in the shells that servers have."""

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.release import facts, proof, shell
from tests.unit.release.test_activation import ENVIRONMENT, LAYOUT

SHELLS = [("dash",), ("busybox", "sh")]
OWN = "own() { :; }\n"
"""What fleet.change puts before each script: here the lock is always ours."""
A, B = "20261121_120000", "20261122_120000"
every_shell = pytest.mark.parametrize("interpreter", SHELLS, ids=["dash", "busybox"])


def run(
    interpreter: tuple[str, ...], text: str, path: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    if not shutil.which(interpreter[0]):
        pytest.skip(f"{interpreter[0]} is not installed")
    environ = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"} if path else None
    return subprocess.run(
        [*interpreter, "-c", text],
        capture_output=True,
        text=True,
        timeout=60,
        env=environ,
        stdin=subprocess.DEVNULL,
    )


def release(directory: Path, **files: str) -> str:
    """Make a release there; return the digest of its list."""
    lines = []
    for name, text in {"bin/plausible": "#!/bin/sh\n", "lib/x.beam": "beam", **files}.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        lines.append(f"{hashlib.sha256(text.encode()).hexdigest()}  ./{name}\n")
    (directory / "SHA256SUMS").write_text("".join(lines))
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    (directory / "MANIFEST.json").write_text(json.dumps({"digest": digest}))
    return digest


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    for name in ("base/releases", "base/.deploy/incoming", "base/.deploy/failed", "backups"):
        (tmp_path / name).mkdir(parents=True)
    return {"BASE": str(tmp_path / "base"), "BACKUPS": str(tmp_path / "backups")}


def inodes(directory: Path) -> set[int]:
    return {path.stat().st_ino for path in directory.rglob("*") if path.is_file()}


@every_shell
def test_a_backup_shares_no_file_with_what_serves(interpreter, places, tmp_path: Path):
    serving, backup = tmp_path / "base/releases" / A, tmp_path / "backups" / f"release_{A}"
    release(serving)
    (tmp_path / "backups/.partial_20200101_000000").mkdir()
    script = OWN + shell.render("backup", **places, FROM=A, COPY="copy")
    ended = run(interpreter, script)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "backed-up\n", "")
    assert inodes(serving).isdisjoint(inodes(backup))
    assert [path.name for path in (tmp_path / "backups").iterdir()] == [f"release_{A}"]
    assert run(interpreter, script).stdout == ""  # it is there
    # Of an older version, or of the setting `link`: made again.
    shutil.rmtree(backup)
    linked = run(interpreter, OWN + shell.render("backup", **places, FROM=A, COPY="link"))
    assert linked.stdout == "backed-up\n"
    assert inodes(serving) == inodes(backup)
    assert run(interpreter, script).stdout == "backed-up\n"
    assert inodes(serving).isdisjoint(inodes(backup))


@every_shell
def test_half_a_backup_is_removed_and_the_words_are_those_of_cp(
    interpreter, places, tmp_path: Path
):
    release(tmp_path / "base/releases" / A)
    tools = tmp_path / "tools"
    tools.mkdir()
    fake = tools / "cp"
    real = shutil.which("cp")
    fake.write_text(
        f'#!/bin/sh\n[ "$2" != --version ] || exit 0\n{real} "$@"\n'
        "echo \"cp: error writing 'x': No space left on device\" >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    ended = run(interpreter, OWN + shell.render("backup", **places, FROM=A, COPY="copy"), tools)
    assert ended.returncode == 5
    assert ended.stderr.startswith("cp: error writing")
    assert list((tmp_path / "backups").iterdir()) == []


@every_shell
@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda tree: (tree / "lib/x.beam").write_text("beaM"), "./lib/x.beam"),
        (lambda tree: (tree / "bin/plausible").unlink(), "./bin/plausible"),
        (lambda tree: (tree / "SHA256SUMS").write_text(""), "SHA256SUMS differs"),
        (lambda tree: (tree / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (shutil.rmtree, "is not there"),
    ],
)
def test_what_is_damaged_is_named(interpreter, harm, said: str, tmp_path: Path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    digest = release(whole)
    release(broken)
    harm(broken)
    wanted = f"{whole} {digest}\n{broken} {digest}\n{whole}"
    ended = run(interpreter, shell.render("verify", "damage", WANTED=wanted))
    (line,) = ended.stdout.splitlines()
    assert line.startswith(f"damaged\t{broken}\t")
    assert said in line


@every_shell
@pytest.mark.parametrize("backup", ["of-the-serving-one", "of-the-one-before", "none"])
def test_at_boot_what_serves_is_whole_or_what_served_before_is_linked(
    interpreter, places, tmp_path: Path, backup: str
):
    base = tmp_path / "base"
    records = []
    for name in (A, B):
        digest = release(base / "releases" / name, name=name)
        intent = {"id": name, "kind": "deploy", "to": name, "from": "", "digest": digest}
        records.append(json.dumps(intent)[:-1] + ',"outcome":"kept","reason":"","downtime":1}\n')
    (base / ".deploy/history.jsonl").write_text("".join(records))
    (base / "current").symlink_to(f"releases/{B}")
    script = shell.render("verify", "boot", **places)
    assert run(interpreter, script).stdout == ""
    assert (base / "current").readlink() == Path(f"releases/{B}")
    kept = {"of-the-serving-one": B, "of-the-one-before": A}.get(backup)
    if kept:
        shutil.copytree(base / "releases" / kept, tmp_path / "backups" / f"release_{kept}")
    (base / "releases" / B / "bin/plausible").write_text("")
    if backup == "of-the-one-before":
        (base / "releases" / A / "bin/plausible").write_text("")
    ended = run(interpreter, script)
    assert ended.returncode == 0, ended.stderr
    linked = B if backup == "of-the-serving-one" else A
    assert (base / "current").readlink() == Path(f"releases/{linked}")
    assert (base / "current/bin/plausible").read_text() == "#!/bin/sh\n"
    last = json.loads((base / ".deploy/history.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["to"], last["from"]) == ("rollback", linked, B)


@every_shell
def test_at_boot_nothing_whole_leaves_the_link(interpreter, places, tmp_path: Path):
    base = tmp_path / "base"
    release(base / "releases" / A)
    (base / "current").symlink_to(f"releases/{A}")
    (base / "releases" / A / "bin/plausible").write_text("")
    ended = run(interpreter, shell.render("verify", "boot", **places))
    assert (ended.returncode, "stays linked" in ended.stdout) == (0, True)
    assert (base / "current").readlink() == Path(f"releases/{A}")


# As the real one, it remembers the invocation only of a unit that has failed.
SYSTEMCTL = """\
#!/bin/sh
case "$*" in
  *InvocationID*) cat "$STATE/invocation" ;;
  show*) printf 'LoadState=loaded\\nResult=%s\\nExecMainStatus=%s\\n' "$RESULT" "$STATUS" ;;
esac
"""
SUDO = """\
#!/bin/sh
[ -z "$SUDO_SAYS" ] || { echo "$SUDO_SAYS" >&2; exit 1; }
[ "$RESULT" = success ] || echo new >"$STATE/invocation"
[ -z "$WRITES" ] || echo "$WRITES" >"$STATE/output"
[ "$RESULT" = success ]
"""


def proved(
    interpreter: tuple[str, ...], places: dict[str, str], tmp_path: Path, **state: str
) -> proof.Proof:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tmp_path / "invocation").write_text("\n")
    (tmp_path / "output").write_text("No pending migrations! (of an earlier run)\n")
    journal = f"#!/bin/sh\necho '{state.pop('journal', '')}'\n"
    for name, text in (("systemctl", SYSTEMCTL), ("sudo", SUDO), ("journalctl", journal)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    values = {"SUDO_SAYS": "", "WRITES": "", "RESULT": "success", "STATUS": "0", **state}
    exports = "".join(f"export {name}='{value}'\n" for name, value in values.items())
    script = (
        exports
        + OWN
        + shell.render(
            "start",
            "prove",
            **places,
            STATE=str(tmp_path),
            TO=A,
            SERVICE="qusto-staging",
            CREATE=0,
            CREATE_OUTPUT="",
            PENDING_OUTPUT=str(tmp_path / "output"),
        )
    )
    ended = run(interpreter, f"sleep 0 & syncing=$!\nexport STATE='{tmp_path}'\n" + script, tools)
    return proof.parse(ended.stdout.splitlines())


@every_shell
def test_a_run_that_went_well_tells_its_own_output(interpreter, places, tmp_path: Path):
    seen = proved(interpreter, places, tmp_path, WRITES="No pending migrations!")
    assert (seen.ran, seen.code, seen.output) == (True, 0, ("No pending migrations!",))


@every_shell
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (
            {"SUDO_SAYS": "sudo: a password is required"},
            "sudo refused `systemctl start qusto-staging-pending.service`: sudo: a password",
        ),
        (
            {"SUDO_SAYS": "Failed to start x: Unit x is masked."},
            "was not started: Failed to start x: Unit x is masked",
        ),
        (
            {
                "RESULT": "resources",
                "journal": "x.service: Failed to load environment files: No such file",
            },
            "systemd could not start qusto-staging-pending.service: Failed to load environment",
        ),
        (
            {"RESULT": "exit-code", "STATUS": "7", "WRITES": "its own words"},
            "its own BEAM, started once to list the pending migrations, ended with exit status 7",
        ),
    ],
)
def test_a_failure_is_told_in_the_words_of_whoever_failed(
    interpreter, places, tmp_path: Path, state: dict[str, str], reason: str
):
    seen = proved(interpreter, places, tmp_path, **state)
    told = proof.failure(seen, "qusto-staging", "/etc/qusto/staging.env", "staging")
    assert reason in told.reason
    assert "earlier run" not in told.detail
    assert ("its own words" in told.detail) == ("WRITES" in state)


def test_long_output_is_shortened_with_a_count():
    text = proof.shortened(map(str, range(100)))
    assert text.splitlines()[0] == "0"
    assert text.splitlines()[-1] == "99"
    assert "… 80 more lines …" in text
    assert proof.shortened(["a", "", "b"]) == "a\nb"


def conflict(*lines: str) -> str:
    return facts.port_conflict(facts.parse(lines), LAYOUT, ENVIRONMENT)


def test_who_else_has_the_port():
    mine = "owner\t990"
    assert conflict(mine, "listener\t990\tqusto\t\t") == ""
    assert conflict("owner\t", "listener\t0\troot\t7\tqusto-staging") == ""
    # With systemd silent nobody knows whose process that is.
    assert conflict("listener\t990\tqusto\t\t") == ""
    assert "taken by process 7, user root, unit nginx" in conflict(
        mine, "listener\t0\troot\t7\tnginx"
    )
    assert "taken by user old" in conflict(mine, "listener\t990\tqusto\t\t", "listener\t5\told\t\t")
    assert "taken by user qusto" in conflict("owner\t", "listener\t990\tqusto\t\t")
    assert conflict(mine, "other\tqusto\thttp://localhost:8001/api/health") == ""
    assert conflict(mine, "other\tqusto\t") == ""
    assert "is the one of qusto.service, too" in conflict("other\tqusto\thttp://127.0.0.1:8000/x")


@every_shell
def test_facts_of_this_machine_can_be_asked(interpreter, tmp_path: Path):
    text = facts.script(LAYOUT, ENVIRONMENT)
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "systemctl").write_text("#!/bin/sh\necho 'systemd 255 (255.4-1)'\n")
    (tools / "systemctl").chmod(0o755)
    ended = run(interpreter, text, tools)
    assert ended.returncode == 0, ended.stderr
    assert facts.parse(ended.stdout.splitlines()).systemd == 255
