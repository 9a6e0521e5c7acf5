"""The activation script really run, by dash and by busybox; only systemctl and curl are played."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from pipeline.release import activation, layout
from pipeline.release.fleet import NO_ROOM
from pipeline.remote.inventory import Environment, Health
from tests.programs import SHELLS
from tests.unit.release.test_activation import ACTIVATION, ENVIRONMENT

A, B = ACTIVATION.before, ACTIVATION.to

# Plays systemctl: says what it was asked, fails where the test says so (file `fail`). What is
# started is the release that `current` names (file `running`), and it listens (file `tcp`).
SYSTEMCTL = """\
#!/bin/sh
echo "$*" >>"$PLAY/asked"
zeros="00000000:00000000 00:00000000 00000000"
listen() {
  echo "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid"
  [ ! -f "$PLAY/running" ] || echo "   0: 0100007F:1F40 00000000:0000 0A $zeros $(id -u) 0 11 1 0"
  cat "$PLAY/squat" 2>/dev/null
  # One that is no listener, and after it nothing is looked for.
  echo "   1: 0100007F:1F40 0100007F:9999 06 $zeros 0 0 0 1 0"
}
case "$1" in
  show)
    active=inactive sub=dead
    [ ! -f "$PLAY/running" ] || active=active sub=running
    [ ! -f "$PLAY/is-failed" ] || active=failed sub=failed
    [ ! -f "$PLAY/ended" ] || active=activating sub=auto-restart
    echo "NRestarts=0"
    echo "MainPID=$(cat "$PLAY/pid")"
    echo "ActiveState=$active"
    echo "SubState=$sub"
    echo "InvocationID=$(cat "$PLAY/invocation" 2>/dev/null)"
    ;;
  is-system-running) echo running ;;
  stop)
    sleep "$(cat "$PLAY/slow-stop" 2>/dev/null || echo 0)"
    case "$2" in
      *-migrate.service) touch "$PLAY/migration-stopped" ;;
      *) rm -f "$PLAY/running"; listen >"$PLAY/tcp" ;;
    esac
    ! grep -qxF "$*" "$PLAY/fail"
    ;;
  start)
    case "$2" in
      *-migrate.service)
        if [ -f "$PLAY/refusal" ]; then cat "$PLAY/refusal" >&2; exit 1; fi
        echo "$$" >"$PLAY/output"
        ;;
    esac
    ! grep -qxF "$*" "$PLAY/fail" || exit 1
    case "$2" in
      *-migrate.service)
        [ -f "$PLAY/long" ] || exit 0
        while [ ! -f "$PLAY/migration-stopped" ]; do sleep 0.05; done
        exit 1
        ;;
    esac
    readlink "$BASE/current" >"$PLAY/running"
    echo "$$" >"$PLAY/invocation"
    listen >"$PLAY/tcp"
    ;;
  *) ! grep -qxF "$*" "$PLAY/fail" 2>/dev/null ;;
esac
"""
# Plays curl: the service answers while it runs; `squatter` (what it says) answers always.
CURL = """\
#!/bin/sh
if [ -f "$PLAY/squatter" ] || [ -f "$PLAY/running" ]; then
  cat "$PLAY/squatter" 2>/dev/null || echo well
  printf '\\n%s/127.0.0.1/127.0.0.1/8000\\n' "$(cat "$PLAY/code" 2>/dev/null || echo 200)"
  exit "$(cat "$PLAY/curl" 2>/dev/null || echo 0)"
fi
printf '\\n000///8000\\n'
exit 7
"""
# A socket that listens at an address, of a user.
SQUAT = "   5: {}:1F40 00000000:0000 0A 00000000:00000000 00:00000000 00000000 {} 0 77 1 0\n"


@dataclass(frozen=True)
class Stage:
    """A directory like a server's, with releases A (serving) and B, and the script."""

    shell: tuple[str, ...]
    base: Path
    play: Path
    environment: Environment

    def script(self, **changes: str) -> str:
        planned = replace(ACTIVATION, **changes)  # type: ignore[arg-type]
        return activation.script(layout.of(self.environment), self.environment, planned, hosts=1)

    def start(self, *words: str, rescue: bool = False, **changes: str) -> subprocess.Popen[str]:
        script = self.base / ".deploy/activate"
        text = self.script(**changes)
        text = text.replace("=/run/qusto-staging-migrate/output\n", f"={self.play}/output\n")
        script.write_text(text.replace("=/proc/net/tcp\n", f"={self.play}/tcp\n"))
        environ = {
            "PATH": f"{self.play}/bin:/usr/bin:/bin",
            "PLAY": str(self.play),
            "BASE": str(self.base),
            **({"RESCUE": "1"} if rescue else {}),
        }
        return subprocess.Popen(
            [*self.shell, str(script), *words],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def verdict(self, *, keep: bool) -> None:
        text = activation.verdict(
            layout.of(self.environment), ACTIVATION.id, keep=keep, reason="said so", downtime=1.5
        )
        subprocess.run(["sh", "-c", text], check=True)

    def fail(self, line: str) -> None:
        with (self.play / "fail").open("a") as file:
            file.write(f"{line}\n")

    def ended(self, running: subprocess.Popen[str]) -> int:
        running.communicate(timeout=30)
        return running.returncode

    @property
    def current(self) -> str:
        link = self.base / "current"
        return link.readlink().name if link.is_symlink() else ""

    @property
    def asked(self) -> list[str]:
        lines = (self.play / "asked").read_text().splitlines()
        return [line for line in lines if line.split()[0] in ("start", "stop", "kill")]

    @property
    def history(self) -> list[dict[str, object]]:
        """The outcomes."""
        lines = (self.base / ".deploy/history.jsonl").read_text().splitlines()
        records = [json.loads(line) for line in lines]
        return [record for record in records if record["outcome"] != "begun"]

    @property
    def journal(self) -> list[str]:
        return (self.base / ".deploy/journal").read_text().splitlines()

    @property
    def phases(self) -> list[str]:
        return [line.split("\t")[1] for line in self.journal if line.startswith("phase\t")]

    def until(self, phase: str) -> None:
        limit = time.monotonic() + 60
        while not (self.base / ".deploy/journal").exists() or phase not in self.phases:
            assert time.monotonic() < limit
            time.sleep(0.01)


@pytest.fixture(params=SHELLS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    shell: tuple[str, ...] = request.param
    if not Path("/proc/uptime").exists():
        pytest.skip("the script needs Linux: it reads /proc/uptime")
    base, play = tmp_path / "base", tmp_path / "play"
    for name in (A, B):
        (base / "releases" / name).mkdir(parents=True)
    (base / ".deploy").mkdir()
    (base / "current").symlink_to(f"releases/{A}")
    (play / "bin").mkdir(parents=True)
    programs = {
        "systemctl": SYSTEMCTL,
        "sudo": '#!/bin/sh\nshift 2\nexec systemctl "$@"\n',
        "curl": CURL,
    }
    for name, text in programs.items():
        (play / "bin" / name).write_text(text)
        (play / "bin" / name).chmod(0o755)
    health = Health(url="http://127.0.0.1:8000/", timeout=1, deadline=2)
    environment = msgspec.structs.replace(ENVIRONMENT, path=str(base), health=health)
    (play / "running").write_text(f"releases/{A}\n")
    (play / "invocation").write_text("1\n")
    (play / "pid").write_text(f"{os.getpid()}\n")
    return Stage(shell, base, play, environment)


def kill(running: "subprocess.Popen[str]") -> None:
    """End the script and its children at once, as a power cut does."""
    os.killpg(running.pid, signal.SIGKILL)
    running.communicate()


def members(group: int) -> list[str]:
    """Return the names of the processes of a group that still run (proc(5))."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
            state, _, its_group = rest.split()[:3]
            if int(its_group) == group and state != "Z":
                found.append(name)
    return found


def unit(suffix: str = "") -> str:
    return f"qusto-staging{suffix}.service"


def test_a_kept_release_is_linked_and_recorded(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    assert stage.current == B
    stage.verdict(keep=True)
    assert stage.ended(running) == 0
    assert stage.asked == [f"stop {unit()}", f"start {unit('-migrate')}", f"start {unit()}"]
    assert stage.phases == ["stopping", "migrating", "linking", "starting", "waiting", "kept"]
    (entry,) = stage.history
    assert (entry["outcome"], entry["reason"], entry["downtime"]) == ("kept", "said so", 1.5)
    assert not list((stage.base / ".deploy").glob("verdict.*"))
    assert not (stage.base / ".deploy/reserve").exists()


def test_a_verdict_to_roll_back_brings_the_old_release_back(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.current == A
    assert stage.asked[-2:] == [f"stop {unit()}", f"start {unit()}"]
    assert stage.history[0]["outcome"] == "rolled-back"
    assert (stage.base / f".deploy/failed/{B}").exists()


def test_without_a_verdict_it_rolls_back_at_the_deadline(stage: Stage):
    script = stage.script().replace("VERDICT_SECONDS=13", "VERDICT_SECONDS=1")
    assert "VERDICT_SECONDS=1\n" in script
    shortened = Stage(stage.shell, stage.base, stage.play, stage.environment)
    object.__setattr__(shortened, "script", lambda **_: script)
    assert shortened.ended(shortened.start()) == 10
    assert stage.current == A
    assert stage.history[0]["reason"] == "no verdict came before the deadline"


def test_an_old_verdict_decides_nothing(stage: Stage):
    old = stage.base / ".deploy/verdict.20261101_000000-beefbeef"
    old.write_text('keep\n"old"\n1.00\n')
    running = stage.start()
    stage.until("waiting")
    assert not old.exists()
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.current == A


def test_a_verdict_that_comes_before_the_script_is_heard(stage: Stage):
    """The client was interrupted in the moment of the launch."""
    stage.verdict(keep=False)
    assert stage.ended(stage.start()) == 10
    assert stage.current == A
    assert stage.history[0]["reason"] == "said so"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"start {unit('-migrate')}", "the migration failed"),
        (f"stop {unit()}", "the service did not stop"),
    ],
)
def test_a_failing_step_rolls_back_by_itself(stage: Stage, line: str, reason: str):
    stage.fail(line)
    assert stage.ended(stage.start()) == 10
    assert stage.current == A
    assert stage.history[0]["reason"] == reason
    assert stage.asked[-1] == f"start {unit()}"


def test_a_migration_that_did_not_start_is_not_said_to_have_failed(stage: Stage):
    """What an earlier migration has left in the output file is not told as this one's."""
    (stage.play / "output").write_text("an earlier one's\n")
    (stage.play / "refusal").write_text('sudo: "a" password is required\nsudo: more\n')
    assert stage.ended(stage.start()) == 10
    assert stage.current == A
    reason = "the migration did not start: sudo: a password is required"
    assert stage.history[0]["reason"] == reason
    assert not [line for line in stage.journal if line.startswith("migrated\t")]


def test_a_migration_that_ran_is_noted(stage: Stage):
    stage.fail(f"start {unit('-migrate')}")
    assert stage.ended(stage.start()) == 10
    assert f"migrated\t{stage.play}/output" in stage.journal


def test_a_service_that_starts_neither_new_nor_old_is_a_failed_rollback(stage: Stage):
    stage.fail(f"start {unit()}")
    assert stage.ended(stage.start()) == 11
    assert stage.current == A
    assert stage.history[0]["outcome"] == "rollback-failed"


def test_a_migration_before_the_stop_fails_without_a_stop(stage: Stage):
    stage.fail(f"start {unit('-migrate')}")
    assert stage.ended(stage.start(migrate="before-stop")) == 10
    assert stage.asked == [f"start {unit('-migrate')}"]
    assert (stage.current, stage.history[0]["downtime"]) == (A, 0)


def test_a_failed_unit_is_not_waited_for(stage: Stage):
    (stage.play / "is-failed").touch()
    # The old release fails as well, so even the rollback is given up at once.
    assert stage.ended(stage.start()) in (10, 11)
    assert stage.history[0]["reason"] == "the service failed"


def test_a_record_that_a_full_disk_cut_short_spoils_no_later_one(stage: Stage):
    path = stage.base / ".deploy/history.jsonl"
    path.write_text('{"id":"cut sh')
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=True)
    assert stage.ended(running) == 0
    cut, *whole = path.read_text().splitlines()
    assert cut == '{"id":"cut sh'
    assert [json.loads(line)["outcome"] for line in whole] == ["begun", "kept"]


def test_a_first_deploy_that_fails_leaves_no_link(stage: Stage):
    (stage.base / "current").unlink()
    running = stage.start(before="")
    stage.until("waiting")
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.current == ""


def test_a_second_activation_is_refused_while_one_runs(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    assert stage.ended(stage.start()) == 75
    stage.verdict(keep=True)
    assert stage.ended(running) == 0


def test_terminated_it_rolls_back_before_it_ends(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    running.terminate()
    assert stage.ended(running) == 10
    assert stage.current == A
    assert "terminated on the server" in str(stage.history[0]["reason"])


def test_nothing_of_it_outlives_its_unit(stage: Stage):
    """systemd tells what is left of a unit to end, and calls it deactivating until that is gone."""
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGTERM)
    limit = time.monotonic() + 1
    while members(running.pid):
        assert time.monotonic() < limit
        time.sleep(0.01)


@pytest.mark.parametrize("seconds", [0, 2.5])
def test_a_service_that_does_not_stop_is_told_again(stage: Stage, seconds: float):
    """A BEAM forgets what it is told while it boots (docs/decisions/0003)."""
    (stage.play / "slow-stop").write_text(str(seconds))
    running = stage.start(migrate="none")
    stage.until("waiting")
    told = [f"kill --signal=TERM {unit()}"] if seconds else []
    assert stage.asked == [f"stop {unit()}", *told, f"start {unit()}"]
    stage.verdict(keep=True)
    assert stage.ended(running) == 0


@pytest.mark.parametrize("phase", ["stopping", "migrating", "linking", "starting", "waiting"])
def test_at_boot_an_open_activation_is_closed_with_the_old_release(stage: Stage, phase: str):
    running = stage.start()
    stage.until(phase)
    kill(running)
    assert stage.ended(stage.start("boot")) == 0
    assert stage.current == A
    assert stage.phases[-1] == "rolled-back"
    assert stage.history[-1]["reason"] == "the host rebooted during the activation"
    # And once more: nothing is open any more.
    assert stage.ended(stage.start("boot")) == 0
    assert len(stage.history) == 1


def test_at_boot_an_activation_that_had_only_begun_is_closed(stage: Stage):
    (stage.base / ".deploy/journal").write_text(f"id\t{ACTIVATION.id}\nkind\tdeploy\n")
    assert stage.ended(stage.start("boot")) == 0
    assert stage.current == A
    assert stage.phases == ["rolling-back", "rolled-back"]
    assert stage.history[-1]["outcome"] == "rolled-back"


def test_at_boot_nothing_is_done_where_nothing_has_begun(stage: Stage):
    assert stage.ended(stage.start("boot")) == 0
    assert not (stage.base / ".deploy/journal").exists()
    assert not (stage.base / ".deploy/history.jsonl").exists()


def test_at_boot_a_verdict_to_keep_that_was_written_is_kept(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    kill(running)
    stage.verdict(keep=True)
    assert stage.ended(stage.start("boot")) == 0
    assert stage.current == B
    assert stage.history[-1]["outcome"] == "kept"


def test_at_boot_a_closed_activation_is_left_alone(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=True)
    assert stage.ended(running) == 0
    assert stage.ended(stage.start("boot")) == 0
    assert (stage.current, len(stage.history)) == (B, 1)


def test_launch_that_finds_no_room_starts_nothing(stage: Stage):
    place = stage.base / ".deploy"
    (place / "holder").write_text('{"token": "t0ken"}\n')
    (place / "activate.new").mkdir()  # no file can be written there either
    stage_layout = layout.of(stage.environment)
    launch = activation.launch(stage_layout, stage.environment, ACTIVATION, hosts=1, token="t0ken")
    held = ["flock", str(place / "lock"), "sh", "-c", "echo held; sleep 30"]
    with subprocess.Popen(held, stdout=subprocess.PIPE, start_new_session=True) as holder:
        assert holder.stdout
        holder.stdout.readline()
        ended = subprocess.run(
            [*stage.shell, "-c", launch],
            env={"PATH": f"{stage.play}/bin:/usr/bin:/bin", "PLAY": str(stage.play)},
            capture_output=True,
            check=False,
            timeout=30,
        )
        os.killpg(holder.pid, signal.SIGKILL)
    assert ended.returncode == NO_ROOM
    assert not (stage.play / "asked").exists()
    assert stage.current == A


# Fails: every call (`always`) or the next one (`once`), from when the test says so.
BREAKABLE = """\
#!/bin/sh
if [ -f "$PLAY/broken-{name}" ]; then
  [ "$(cat "$PLAY/broken-{name}")" = always ] || rm -f "$PLAY/broken-{name}"
  exit 1
fi
exec {program} "$@"
"""


@pytest.mark.parametrize(
    ("name", "how"),
    [
        *((name, "always") for name in ("sync", "sed", "tail", "tr", "date", "sleep", "rm")),
        *((name, "once") for name in ("mv", "readlink", "sudo", "systemctl", "curl", "head")),
    ],
)
def test_no_failing_program_ends_the_way_back(stage: Stage, name: str, how: str):
    path = stage.play / "bin" / name
    if path.exists():
        path = path.rename(path.with_name(f"{name}.real"))
    program = path if path.exists() else shutil.which(name)
    shim = stage.play / "bin" / name
    shim.write_text(BREAKABLE.format(name=name, program=program))
    shim.chmod(0o755)
    running = stage.start()
    stage.until("waiting")
    (stage.play / f"broken-{name}").write_text(how)
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.current == A
    assert (stage.play / "running").read_text() == f"releases/{A}\n"


def test_nothing_that_cannot_be_written_ends_the_way_back(stage: Stage):
    """As on a disk that has gone read-only, or has neither block nor inode."""
    place = stage.base / ".deploy"
    running = stage.start()
    stage.until("waiting")
    for name in ("journal", "history.jsonl"):
        (place / name).rename(place / f"{name}.away")
        (place / name).mkdir()
    (place / "reserve").unlink()
    (place / "failed").rmdir()
    (place / "failed").write_text("no directory\n")
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.current == A
    assert (stage.play / "running").read_text() == f"releases/{A}\n"


def test_where_the_link_cannot_be_changed_back_something_is_started(stage: Stage):
    shim = stage.play / "bin/mv"
    shim.write_text(BREAKABLE.format(name="mv", program=shutil.which("mv")))
    shim.chmod(0o755)
    script = stage.script().replace("HEALTH_DEADLINE=20", "HEALTH_DEADLINE=1")
    object.__setattr__(stage, "script", lambda **_: script)
    running = stage.start()
    stage.until("waiting")
    (stage.play / "broken-mv").write_text("always")
    (stage.base / "current").unlink()  # and no link is made anew
    (stage.base / "current").mkdir()
    stage.verdict(keep=False)
    assert stage.ended(running) == 11
    assert (stage.play / "running").exists()
    assert stage.history[0]["outcome"] == "rollback-failed"


def test_somebody_else_on_the_port_is_named_and_nothing_is_migrated(stage: Stage):
    (stage.play / "squatter").write_text("fine")
    line = SQUAT.format("0100007F", 54321)
    for name in ("squat", "tcp"):
        (stage.play / name).write_text(line)
    assert stage.ended(stage.start()) == 10
    assert stage.current == A
    assert f"start {unit('-migrate')}" not in stage.asked
    assert "holds port 8000" in str(stage.history[0]["reason"])
    assert "(uid 54321)" in str(stage.history[0]["reason"])


@pytest.mark.parametrize(("code", "taken"), [("502", False), ("503", False), ("404", True)])
def test_proxy_whose_service_is_down_is_not_somebody_else(stage: Stage, code: str, taken: bool):
    (stage.play / "squatter").write_text("gateway")
    (stage.play / "code").write_text(code)
    (stage.play / "squat").write_text(SQUAT.format("00000000", 33))
    script = stage.script().replace("HEALTH_DEADLINE=20", "HEALTH_DEADLINE=1")
    object.__setattr__(stage, "script", lambda **_: script)
    running = stage.start()
    if taken:
        assert stage.ended(running) in (10, 11)
        assert "migrating" not in stage.phases
        return
    stage.until("waiting")
    (stage.play / "code").write_text("200")
    assert "front" in (stage.base / ".deploy/journal").read_text()
    stage.verdict(keep=True)
    assert stage.ended(running) == 0


def test_kept_is_not_said_of_a_link_that_somebody_changed(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    (stage.base / "current").unlink()
    (stage.base / "current").symlink_to(f"releases/{A}")
    stage.verdict(keep=True)
    assert stage.ended(running) == 10
    assert "somebody else changed the link" in str(stage.history[0]["reason"])


def test_kept_is_not_said_of_another_invocation(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    (stage.play / "invocation").write_text("by hand\n")
    stage.verdict(keep=True)
    assert stage.ended(running) == 10
    assert "somebody else restarted the service" in str(stage.history[0]["reason"])


def test_an_ended_process_is_not_waited_for_although_systemd_restarts_it(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    (stage.play / "ended").touch()
    while stage.phases[-1] == "waiting":
        time.sleep(0.01)
    (stage.play / "ended").unlink()
    assert stage.ended(running) == 10
    assert stage.history[0]["reason"] == "the service ended, and systemd restarts it"


def test_a_migration_is_ended_at_its_limit(stage: Stage):
    (stage.play / "long").touch()
    script = stage.script().replace("MIGRATE_TIMEOUT=900", "MIGRATE_TIMEOUT=1")
    object.__setattr__(stage, "script", lambda **_: script)
    assert stage.ended(stage.start()) == 10
    assert stage.history[0]["reason"] == "the migration was ended after 1 s (migrate_timeout)"
    assert stage.current == A


def test_a_migration_is_ended_by_a_verdict(stage: Stage):
    (stage.play / "long").touch()
    running = stage.start()
    stage.until("migrating")
    stage.verdict(keep=False)
    assert stage.ended(running) == 10
    assert stage.history[0]["reason"] == "said so"


def test_a_killed_activation_is_put_right_while_the_host_runs(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    kill(running)
    assert stage.ended(stage.start("boot", rescue=True)) == 10
    assert stage.current == A
    assert (stage.play / "running").read_text() == f"releases/{A}\n"
    assert stage.history[-1]["reason"] == "the activation was killed on the server"
    # One that has ended in its own way is left alone.
    assert stage.ended(stage.start("boot", rescue=True)) == 0
    assert len(stage.history) == 1


@pytest.mark.parametrize("ends", [True, False])
def test_watched_after_it_was_kept(stage: Stage, ends: bool):
    script = stage.script().replace("WATCH=0", f"WATCH={30 if ends else 2}")
    object.__setattr__(stage, "script", lambda **_: script)
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=True)
    stage.until("kept")
    if ends:
        (stage.play / "ended").touch()
        stage.until("rolling-back")
        (stage.play / "ended").unlink()
    assert stage.ended(running) == (10 if ends else 0)
    assert stage.current == (A if ends else B)
    outcomes = [entry["outcome"] for entry in stage.history]
    assert outcomes == (["kept", "rolled-back"] if ends else ["kept"])


def test_watch_ends_when_it_is_told_to(stage: Stage):
    script = stage.script().replace("WATCH=0", "WATCH=60")
    object.__setattr__(stage, "script", lambda **_: script)
    running = stage.start()
    stage.until("waiting")
    stage.verdict(keep=True)
    stage.until("kept")
    time.sleep(0.1)
    running.terminate()
    assert stage.ended(running) == 0
    assert stage.current == B


def test_rescue_disturbs_nothing_that_came_back_but_could_not_be_written_down(stage: Stage):
    running = stage.start()
    stage.until("waiting")
    kill(running)
    (stage.base / "current").unlink()
    (stage.base / "current").symlink_to(f"releases/{A}")
    asked = stage.asked
    assert stage.ended(stage.start("boot", rescue=True)) == 10
    assert stage.asked == asked
    assert stage.history[-1]["outcome"] == "rolled-back"


def restarted(stage: Stage) -> subprocess.CompletedProcess[str]:
    """Run what `fab restart` runs on a host."""
    text = activation.restart(layout.of(stage.environment), stage.environment)
    return subprocess.run(
        [*stage.shell, "-c", text.replace("=/proc/net/tcp\n", f"={stage.play}/tcp\n")],
        env={
            "PATH": f"{stage.play}/bin:/usr/bin:/bin",
            "PLAY": str(stage.play),
            "BASE": str(stage.base),
        },
        capture_output=True,
        text=True,
        timeout=30,
    )


def test_a_restart_tells_a_booting_beam_to_stop_until_it_does(stage: Stage):
    (stage.play / "slow-stop").write_text("2.5")
    ended = restarted(stage)
    assert ended.returncode == 0, ended.stderr
    assert stage.asked == [
        f"stop {unit()}",
        f"kill --signal=TERM {unit()}",
        f"start {unit()}",
    ]
    assert "held\t" not in ended.stdout


def test_a_restart_tells_who_holds_the_port_while_the_service_is_stopped(stage: Stage):
    (stage.play / "squat").write_text(SQUAT.format("0100007F", 65534))
    (stage.play / "squatter").write_text("well\n")
    ended = restarted(stage)
    assert "held\tuser nobody (uid 65534)" in ended.stdout
    assert stage.asked[-1] == f"start {unit()}"


def test_a_restart_that_sudo_refuses_starts_nothing(stage: Stage):
    stage.fail(f"stop {unit()}")
    assert restarted(stage).returncode == 1
    assert stage.asked == [f"stop {unit()}"]
