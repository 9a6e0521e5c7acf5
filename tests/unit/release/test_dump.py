"""`backup_database`: a whole dump before the migrations, or none and a reason."""

import subprocess
from pathlib import Path

import msgspec
import pytest

from pipeline.release import provision, rollback, shell, units
from pipeline.release import survey as surveys
from pipeline.release.summary import Summary
from pipeline.remote.inventory import Environment
from tests.programs import SHELLS
from tests.unit.release.test_activation import ENVIRONMENT, LAYOUT, golden

A, B, C = "20261121_120000", "20261122_120000", "20261123_120000"
DUMPING = msgspec.structs.replace(
    ENVIRONMENT, backup_database="""pg_dump --format=custom "$DATABASE_URL" '%h'"""
)


def run(
    tmp_path: Path, interpreter: tuple[str, ...], command: str, to: str = C, keep: int = 2
) -> "subprocess.CompletedProcess[str]":
    dumps = tmp_path / "dumps"
    dumps.mkdir(exist_ok=True)
    candidate = tmp_path / "candidate"
    candidate.unlink(missing_ok=True)
    if to:
        candidate.symlink_to(f"../releases/{to}")
    script = shell.SHEBANG + shell.render(
        "dump", DUMPS=str(dumps), CANDIDATE=str(candidate), KEEP=keep, COMMAND=command
    )
    return subprocess.run(
        [*interpreter, "-c", script], capture_output=True, text=True, check=False, timeout=30
    )


def dumps(tmp_path: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in (tmp_path / "dumps").iterdir()}


@pytest.mark.parametrize("interpreter", SHELLS)
def test_what_the_command_prints_is_the_dump_and_nobody_else_may_read_it(
    tmp_path: Path, interpreter: tuple[str, ...]
):
    ended = run(tmp_path, interpreter, """printf '%s' "a 'quoted' \\$HOME" """)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
    assert dumps(tmp_path) == {f"before_{C}.dump": "a 'quoted' $HOME"}
    (made,) = (tmp_path / "dumps").iterdir()
    assert made.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("interpreter", SHELLS)
@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("true", 1, "printed nothing"),
        ("echo half of it; echo 'connection lost' >&2; exit 7", 7, "connection lost"),
        ("no-such-program", 127, "no-such-program"),
    ],
)
def test_half_a_dump_or_none_leaves_the_older_ones_and_says_why(
    tmp_path: Path, interpreter: tuple[str, ...], command: str, code: int, said: str
):
    run(tmp_path, interpreter, "echo older", to=A)
    ended = run(tmp_path, interpreter, command)
    assert ended.returncode == code
    assert said in ended.stderr
    assert dumps(tmp_path) == {f"before_{A}.dump": "older\n"}


@pytest.mark.parametrize("interpreter", SHELLS)
@pytest.mark.parametrize("to", ["", "x", ".", "..", "20261123 120000", "$(id)"])
def test_without_a_release_that_is_prepared_nothing_is_dumped(
    tmp_path: Path, interpreter: tuple[str, ...], to: str
):
    ended = run(tmp_path, interpreter, "echo data", to=to)
    assert ended.returncode == 1
    assert "no release is being prepared" in ended.stderr
    assert not dumps(tmp_path)


@pytest.mark.parametrize("interpreter", SHELLS)
def test_only_the_newest_are_kept(tmp_path: Path, interpreter: tuple[str, ...]):
    for name in (A, B, C):
        run(tmp_path, interpreter, f"echo {name}", to=name)
    assert sorted(dumps(tmp_path)) == [f"before_{B}.dump", f"before_{C}.dump"]


def test_unit_and_script_are_the_golden_ones():
    files = units.dump_files(LAYOUT, DUMPING)
    golden("dump-files.txt", "".join(f"=== {f.path} {f.mode}\n{f.text}" for f in files))


def test_the_deploy_user_may_start_it_only_where_it_is_set():
    line = "/usr/bin/systemctl start qusto-staging-dump.service"
    assert line in units.sudo_lines(LAYOUT, DUMPING)
    assert line not in units.sudo_lines(LAYOUT, ENVIRONMENT)


def test_setup_takes_away_what_is_not_set_any_more():
    def script(environment: Environment) -> str:
        return provision.script(
            LAYOUT,
            environment,
            deploy_key="ssh-ed25519 AAAA dev",
            with_env=False,
            replace_env=False,
            plan=True,
        )

    unit = "/etc/systemd/system/qusto-staging-dump.service"
    assert f"place {unit} 644" in script(DUMPING)
    assert f"gone {unit}\ngone /etc/qusto/staging-dump\n" in script(ENVIRONMENT)
    assert f"gone {unit}" not in script(DUMPING)


def test_survey_tells_the_dumps_and_passes_over_what_is_none():
    found = surveys.parse([f"dump\t{A}\t120", "dump\tx\t1", f"dump\t{B}\t", f"dump\t{C}"])
    assert found.dumps == {A: 120}


def test_rollback_says_where_the_database_before_the_migrations_lies():
    made = Summary("staging", "rollback", A, B, "1", "", "", [], [], stay_applied=["1_add"])
    assert "restores" not in rollback.schema_note(made)
    path = f"/var/www/qusto/backups/staging/database/before_{B}.dump"
    told = rollback.schema_note(
        Summary(
            "staging", "rollback", A, B, "1", "", "", [], [], stay_applied=["1_add"], dumps=[path]
        )
    )
    assert "1_add" in told
    assert f"nothing restores by itself:\n  {path}" in told
