"""The watch script really run, by dash and by busybox; only systemctl and curl are played."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.release import activation, health, layout
from pipeline.remote.inventory import Health
from tests.programs import SHELLS
from tests.unit.release.test_activation import ACTIVATION, ENVIRONMENT

# Three units in one answer, as systemd 252 gives them.
SYSTEMCTL = """\
#!/bin/sh
cat "$PLAY/service"
echo
cat "$PLAY/activation"
echo
cat "$PLAY/rescue"
# What comes to the journal while it is asked, at once or (`slow`) after so many questions.
echo >>"$PLAY/times"
[ "$(wc -l <"$PLAY/times")" -gt "$(cat "$PLAY/slow" 2>/dev/null || echo 0)" ] || exit 0
[ ! -f "$PLAY/then" ] || mv "$PLAY/then" "$BASE/.deploy/journal"
"""
# What each URL answers, then what -w asks for; with -o the first answer goes elsewhere.
CURL = """\
#!/bin/sh
for word; do
  case "$word" in
    -o) silent=yes; continue ;;
    */health) file=body code=$(cat "$PLAY/code") ;;
    */system) file=system code=200 ;;
    *) continue ;;
  esac
  [ "$silent" = yes ] || cat "$PLAY/$file"
  silent=
  printf '\\n%s/10.0.0.9/10.0.0.9/80\\n' "$code"
done
exit "$(cat "$PLAY/curl")"
"""
RUNS = "NRestarts=0\nMainPID=42\nActiveState=active\nSubState=running\nInvocationID=abc\n"
GONE = "MainPID=0\nActiveState=inactive\nSubState=dead\n"
BEGUN = f"id\t{ACTIVATION.id}\nkind\tdeploy\nphase\tstopping\t100\n"
WAITING = f"{BEGUN}phase\twaiting\t200\n"
KEPT = f"{WAITING}phase\tkept\t300\n"


Watched = Callable[..., tuple[int, list[str]]]


@pytest.fixture(params=SHELLS)
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Watched:
    """Return what runs the script with these files played, and gives code and lines."""
    base = tmp_path / "base"
    (base / ".deploy").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("curl", CURL)):
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    own = Health(url="http://h/health", version_url="http://h/system")
    environment = msgspec.structs.replace(ENVIRONMENT, path=str(base), health=own)
    place = layout.of(environment)

    def run(*, once: bool = False, **files: str) -> tuple[int, list[str]]:
        script = activation.watch(place, environment, ACTIVATION.id)
        script = activation.look(place, environment) if once else script
        script = script.replace("=/proc/net/tcp\n", f"={tmp_path}/tcp\n")
        played = {"service": RUNS, "activation": RUNS, "rescue": GONE, "code": "200", "curl": "0"}
        played |= {"body": "", "system": "", "tcp": "", "tcp6": ""}
        for name, text in {**played, **files}.items():
            (base / ".deploy" if name == "journal" else tmp_path).joinpath(name).write_text(text)
        environ = {
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "PLAY": str(tmp_path),
            "BASE": str(base),
        }
        ended = subprocess.run(
            [*request.param, "-c", script],
            env=environ,
            cwd="/",
            capture_output=True,
            encoding="utf-8",
            timeout=30,
            check=False,
        )
        assert ended.stderr == ""
        lines = ended.stdout.split("\n")[:-1]
        return ended.returncode, [line for line in lines if not line.startswith("manifest\t")]

    return run


def test_each_line_of_the_journal_is_passed_on_once_until_the_end(watched: Watched):
    code, lines = watched(journal=BEGUN, then=KEPT)
    assert code == 0
    assert lines == KEPT.splitlines()


def test_half_a_line_is_not_passed_on(watched: Watched):
    code, lines = watched(journal=f"{BEGUN}phase\twai", then=KEPT)
    assert (code, lines) == (0, KEPT.splitlines())


def test_looks_are_made_only_while_a_verdict_is_awaited(watched: Watched):
    code, lines = watched(journal=WAITING, then=KEPT, body="fine\n")
    (seen,) = [line for line in lines if line.startswith("seen")]
    assert code == 0
    assert lines.index(seen) == len(WAITING.splitlines())
    look = health.parse(seen)
    assert (look.active, look.sub, look.pid, look.invocation) == ("active", "running", 42, "abc")
    assert (look.code, look.body, look.restarts) == (200, "fine", 0)


def test_answer_of_many_lines_with_patterns_is_one_line(watched: Watched):
    body = '{"a":\t"*",\r\n\n "b": "/etc/*  $HOME `id`"}'
    code, lines = watched(journal=WAITING, then=KEPT, body=body, code="500")
    look = health.parse(next(line for line in lines if line.startswith("seen")))
    assert (code, look.code) == (0, 500)
    assert look.body == '{"a": "*", "b": "/etc/* $HOME `id`"}'


def test_single_look_is_the_same_line(watched: Watched):
    code, (line,) = watched(once=True, body="fine\n")
    look = health.parse(line)
    assert (code, look.active, look.sub, look.pid) == (0, "active", "running", 42)
    assert (look.code, look.body, look.invocation) == (200, "fine", "abc")


def test_version_is_asked_of_a_service_that_answers(watched: Watched):
    system = '{"build": {"version": "1.2.0",\n "commit": "c0ffee"}}'
    _, (line,) = watched(once=True, system=system)
    look = health.parse(line)
    assert (look.version, look.commit) == ("1.2.0", "c0ffee")


@pytest.mark.parametrize(
    "body",
    [
        "200/10.0.0.9/10.0.0.9/80\n0\n",
        "\036200\036",
        "x\n000///\n200/10.0.0.9/10.0.0.9/80",
        "seen\t1\tActiveState=active\t200\t0\town\t\t",
        "\n" * 70_000 + "\n200/10.0.0.9/10.0.0.9/80\n0\n",
        "\n200/10.0.0.9/10.0.0.9/80\n0\n" + "\n" * 70_000,
    ],
)
def test_text_of_an_answer_is_never_taken_for_ours(watched: Watched, body: str):
    _, (line,) = watched(once=True, body=body, code="503")
    assert health.parse(line).code in (503, 0)


def test_answer_that_does_not_end_well_is_told_with_curls_status(watched: Watched):
    _, (line,) = watched(once=True, body="fine", curl="28")
    look = health.parse(line)
    assert (look.code, look.curl) == (200, 28)


def test_answer_that_is_too_long_is_no_answer(watched: Watched):
    _, (line,) = watched(once=True, body="x" * 5_000_000)
    look = health.parse(line)
    assert (look.code, look.curl) == (0, 63)


ZEROS = "00000000:00000000 00:00000000 00000000"
ANY = f"  0: 00000000:0050 00000000:0000 0A {ZEROS} {{}} 0 7 1 0\n"
V6 = f"  0: {'0' * 32}:0050 {'0' * 32}:0000 0A {ZEROS} {{}} 0 8 1 0\n"
EXACT = f"  1: 0900000A:0050 00000000:0000 0A {ZEROS} {{}} 0 9 1 0\n"
ELSEWHERE = f"  1: 0A00000A:0050 00000000:0000 0A {ZEROS} {{}} 0 9 1 0\n"
MINE, OTHER = str(os.getuid()), "54321"


@pytest.mark.parametrize(
    ("tcp", "tcp6", "owner"),
    [
        (ANY.format(MINE), "", "own"),
        (ANY.format(OTHER), "", "other"),
        ("", V6.format(MINE), "own"),
        ("", V6.format(OTHER), "other"),
        # What is bound to the address itself is preferred by the kernel.
        (ANY.format(MINE) + EXACT.format(OTHER), "", "other"),
        (ANY.format(OTHER) + EXACT.format(MINE), "", "own"),
        (ANY.format(MINE) + ELSEWHERE.format(OTHER), "", "own"),
        ("", "", "unseen"),
    ],
)
def test_look_tells_whose_socket_has_answered(watched: Watched, tcp: str, tcp6: str, owner: str):
    service = RUNS.replace("MainPID=42", f"MainPID={os.getpid()}")
    _, (line,) = watched(once=True, service=service, tcp=tcp, tcp6=tcp6)
    assert health.parse(line).owner.split(" ")[0] == owner


def test_socket_that_listened_before_the_start_is_not_the_services(watched: Watched):
    service = RUNS.replace("MainPID=42", f"MainPID={os.getpid()}")
    journal = f"{BEGUN}strangers\t 5 7\nphase\twaiting\t200\n"
    then = f"{journal}phase\tkept\t300\n"
    _, lines = watched(journal=journal, then=then, service=service, tcp=ANY.format(MINE))
    look = health.parse(next(line for line in lines if line.startswith("seen")))
    assert look.owner.startswith("other ")


def test_killed_activation_is_waited_for_while_it_is_put_right(watched: Watched):
    rolled = f"{BEGUN}phase\trolling-back\t200\n"
    code, lines = watched(journal=rolled, activation=GONE, rescue=RUNS, slow="7", then=KEPT)
    assert (code, lines[-1]) == (0, "phase\tkept\t300")


def test_endless_answer_is_cut(watched: Watched):
    _, lines = watched(journal=WAITING, then=KEPT, body="x" * 100_000, code="500")
    assert max(map(len, lines)) < 1200


@pytest.mark.parametrize("journal", ["", "id\tanother-one\nphase\tkept\t5\n"])
def test_activation_that_is_not_there_has_vanished(watched: Watched, journal: str):
    code, lines = watched(journal=journal, activation=GONE)
    assert (code, lines) == (1, [])


def test_activation_that_ended_between_journal_and_question_has_not_vanished(watched: Watched):
    code, lines = watched(journal=WAITING, then=KEPT, activation=GONE)
    assert code == 0
    assert lines[-1] == "phase\tkept\t300"
