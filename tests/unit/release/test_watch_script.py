"""The watch script really run, by dash and by busybox; only systemctl and curl are played."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from pipeline.release import activation, health, layout
from pipeline.remote.inventory import Health
from tests.programs import SHELLS
from tests.unit.release.test_activation import ACTIVATION, ENVIRONMENT

# Two units in one answer, as systemd 252 gives them.
SYSTEMCTL = """\
#!/bin/sh
cat "$PLAY/service"
echo
cat "$PLAY/activation"
# What comes to the journal while it is asked.
[ ! -f "$PLAY/then" ] || mv "$PLAY/then" "$BASE/.deploy/journal"
"""
# What each URL answers, then what -w asks for.
CURL = """\
#!/bin/sh
for word; do
  case "$word" in
    *%{http_code}*) wanted=$word ;;
    */health) file=body code=$(cat "$PLAY/code") ;;
    */system) file=system code=200 ;;
    *) continue ;;
  esac
  [ -z "$file" ] || { cat "$PLAY/$file"; printf '%s' "$wanted" | sed "s/%{http_code}/$code/"; }
done
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
        played = {"service": RUNS, "activation": RUNS, "code": "200", "body": "", "system": ""}
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
            text=True,
            timeout=30,
            check=False,
        )
        assert ended.stderr == ""
        return ended.returncode, ended.stdout.splitlines()

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
    _, lines = watched(journal=WAITING, then=KEPT, system=system)
    look = health.parse(next(line for line in lines if line.startswith("seen")))
    assert (look.version, look.commit) == ("1.2.0", "c0ffee")


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
