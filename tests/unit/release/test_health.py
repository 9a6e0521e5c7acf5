"""The health gate decides from a series of looks at the service."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import health
from pipeline.release.health import Decision, Expected, Look
from pipeline.remote.inventory import Health

EXPECTED = Expected(before="old", version="1.2.0", commit="abcdef123", health=Health(min_healthy=3))
WELL = Look(
    at=1000,
    active="active",
    sub="running",
    pid=42,
    invocation="new",
    restarts=0,
    code=200,
    body="{}",
    version="1.2.0",
    commit="abcdef123",
)


def looks(*seconds: float, of: Look = WELL) -> list[Look]:
    return [replace(of, at=1000 + round(second * 100)) for second in seconds]


def test_unbroken_passes_for_min_healthy_seconds_keep_the_release():
    assert health.judge(looks(0, 1, 2, 3), EXPECTED) == Decision("keep", "healthy", 1000)


def test_one_pass_is_not_enough_even_without_min_healthy():
    eager = replace(EXPECTED, health=Health(min_healthy=0))
    assert health.judge(looks(0), eager).verdict == "wait"
    assert health.judge(looks(0, 0.1), eager).verdict == "keep"


def test_a_break_starts_the_count_again():
    sick = replace(WELL, at=1250, code=500)
    series = [*looks(0, 1, 2), sick, *looks(3, 4, 5)]
    assert health.judge(series, EXPECTED).verdict == "wait"
    assert health.judge([*series, *looks(6)], EXPECTED) == Decision("keep", "healthy", 1300)


def test_the_old_process_answering_is_no_pass():
    series = looks(0, 1, 2, 3, 4, of=replace(WELL, invocation="old"))
    decision = health.judge(series, EXPECTED)
    assert decision.verdict == "wait"
    assert "old process" in decision.reason


def test_another_version_fails_at_once():
    decision = health.judge([replace(WELL, version="1.1.9")], EXPECTED)
    assert decision.verdict == "fail"
    assert "version 1.1.9, but this release is 1.2.0" in decision.reason


def test_a_service_that_does_not_tell_its_version_is_judged_by_its_process():
    series = looks(0, 1, 2, 3, of=replace(WELL, version="", commit=""))
    assert health.judge(series, EXPECTED).verdict == "keep"


def test_a_service_that_ends_with_status_0_fails_at_once():
    # Plausible's enterprise build without a licence does that.
    for sub, active in (("dead", "inactive"), ("auto-restart", "activating")):
        assert health.judge([replace(WELL, active=active, sub=sub)], EXPECTED).verdict == "fail"


def test_failed_and_restarted_services_fail_at_once():
    assert health.judge([replace(WELL, active="failed")], EXPECTED).verdict == "fail"
    assert health.judge([replace(WELL, restarts=1)], EXPECTED).verdict == "fail"


def test_a_service_that_never_ran_did_not_end():
    (reason,) = {health.judge([replace(WELL, active="inactive", sub="dead")], EXPECTED).reason}
    assert reason == "the service does not run: it is inactive (dead)"


def test_an_answer_that_does_not_end_well_is_no_pass():
    decision = health.judge(looks(0, 1, 2, 3, 4, of=replace(WELL, curl=28)), EXPECTED)
    assert decision.verdict == "wait"
    assert "HTTP 200" in decision.reason
    assert "did not end in time" in decision.reason


def test_another_process_on_the_port_fails_at_once():
    squatted = replace(WELL, owner="other pid 7 (python3), user root (uid 0)")
    decision = health.judge([squatted], EXPECTED)
    assert decision.verdict == "fail"
    assert "another process answers at http://localhost:8000" in decision.reason
    assert "pid 7 (python3), user root" in decision.reason


def test_behind_a_proxy_the_version_must_prove_the_release():
    fronted = replace(EXPECTED, front=True)
    through = replace(WELL, owner="other user www-data (uid 33)")
    assert health.judge(looks(0, 1, 2, 3, of=through), fronted).verdict == "keep"
    silent = replace(through, version="", commit="")
    decision = health.judge(looks(0, 1, 2, 3, of=silent), fronted)
    assert decision.verdict == "wait"
    assert "no version proves" in decision.reason
    for owner in ("afar", "unseen"):
        series = looks(0, 1, 2, 3, of=replace(silent, owner=owner))
        assert health.judge(series, EXPECTED).verdict == "wait"


def test_a_second_invocation_while_watched_fails():
    series = [*looks(0, 1), *looks(2, of=replace(WELL, invocation="third"))]
    assert health.judge(series, EXPECTED).verdict == "fail"


@given(st.lists(st.sampled_from([200, 500, 503, 0]), min_size=1, max_size=30))
def test_a_release_is_kept_only_after_three_seconds_of_passes(codes: list[int]):
    series = [replace(WELL, at=1000 + 50 * i, code=code) for i, code in enumerate(codes)]
    tail = 0
    for code in reversed(codes):
        if code != 200:
            break
        tail += 1
    kept = health.judge(series, EXPECTED).verdict == "keep"
    assert kept == (tail >= 7)


def test_a_line_of_the_watch_script_is_read():
    system = json.dumps({"build": {"version": "1.2.0", "commit": "abc"}, "geo_database": None})
    state = "ActiveState=active SubState=running MainPID=7 InvocationID=f00 NRestarts=0 "
    line = f'seen\t12345\t{state}\t200\t0\town\t{{"postgres":"ok"}} \t{system}'
    assert health.parse(line) == Look(
        12345, "active", "running", 7, "f00", 0, 200, '{"postgres":"ok"}', "1.2.0", "abc"
    )


def test_an_answer_that_is_not_json_has_no_version():
    look = health.parse("seen\t1\tActiveState=active\t500\t0\town\t<html>\t<html>oops")
    assert (look.version, look.commit, look.code) == ("", "", 500)


def test_who_answers_instead_of_the_service_is_told_in_words():
    told = health.answered_by("other unit squat.service, user root")
    assert told == "unit squat.service, user root, not by the service itself"
    assert health.answered_by("afar") == "another host"
    assert "cannot be seen" in health.answered_by("unseen")
