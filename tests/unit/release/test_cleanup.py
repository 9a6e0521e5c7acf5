"""What a clean-up removes, seen from one host."""

from dataclasses import replace

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import cleanup
from pipeline.release import survey as surveys
from pipeline.release.survey import Entry, Survey

NAMES = [f"2026010{day}_000000" for day in range(1, 8)]
HOST = replace(surveys.parse([]), releases=tuple(NAMES[:6]), backups=tuple(NAMES[:5]))


def serving(name: str, before: str) -> Survey:
    fields = {"id": name, "kind": "deploy", "from": before, "to": name, "outcome": "kept"}
    kept = msgspec.convert(fields, Entry)
    return replace(HOST, current=name, history=(kept,))


def test_the_newest_stay_with_what_serves_and_what_served_before():
    going = cleanup.doomed(serving(NAMES[1], NAMES[0]), keep=2)
    assert going.releases == NAMES[2:4]
    assert going.backups == [NAMES[2]]
    assert going.paths == [
        *(f"releases/{name}" for name in NAMES[2:4]),
        f"backups/release_{NAMES[2]}",
    ]


def test_after_a_deploy_the_release_before_is_the_one_that_was_surveyed():
    going = cleanup.doomed(serving(NAMES[5], NAMES[0]), keep=1, name=NAMES[6])
    assert going.releases == NAMES[:5]
    assert going.backups == NAMES[:5]


@given(st.sampled_from(NAMES[:6]), st.sampled_from(NAMES[:6]), st.integers(1, 9))
def test_what_serves_and_its_predecessor_are_never_removed(now: str, before: str, keep: int):
    going = cleanup.doomed(serving(now, before), keep)
    assert not {now, before} & set(going.releases)
