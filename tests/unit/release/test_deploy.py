"""Decisions of the deploy flow that need no server."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import deploy
from pipeline.release.watch import Progress


def test_progress_grows_by_the_lines_of_the_watch_script():
    lines = [
        "id\tx",
        "before\told",
        "phase\tstopping\t1000",
        "phase\tstarting\t1100",
        "phase\twaiting\t1120",
        "seen\t1200\tActiveState=active SubState=running MainPID=5\t200\t0\town\tok\t",
    ]
    progress = Progress()
    for line in lines:
        progress = progress.with_line(line)
    assert progress.phase == "waiting"
    assert progress.at("stopping") == 1000
    assert progress.before == "old"
    assert progress.looks[0].pid == 5
    assert not progress.ended
    assert progress.with_line("phase\tkept\t1300").ended


def test_a_second_look_after_a_dropped_line_adds_no_phase_twice():
    once = Progress().with_line("phase\tstopping\t1000")
    assert once.with_line("phase\tstopping\t1000") == once


@given(st.text(st.characters(exclude_characters="\n"), max_size=40))
def test_other_lines_are_passed_over(line: str):
    assert isinstance(Progress().with_line(line), Progress)


def test_half_a_look_is_passed_over():
    assert Progress().with_line("seen\t1200\tActiveState=act") == Progress()


def test_every_script_is_part_of_the_package():
    scripts = Path(deploy.__file__).parent / "scripts"
    assert {path.stem for path in scripts.glob("*.sh")} >= {"activate", "watch", "survey"}
