"""Minutes of jobs and room of caches."""

import json
from datetime import UTC, datetime, timedelta

from pipeline.github import usage
from pipeline.github.usage import Minutes
from pipeline.github_api import GitHub

from . import described, hub
from .conftest import Inv
from .hub import NOW, Hub

pytestmark = described.needed


def used(server: Hub, now: datetime = NOW) -> None:
    server.runs = [
        hub.run(3, "Elixir CI", at=now),
        hub.run(2, "Deploy", conclusion="failure", at=now - timedelta(days=3)),
        hub.run(1, "Elixir CI", at=now - timedelta(days=40)),
    ]
    jobs = [hub.job(1, "build", seconds=61), hub.job(2, "static", seconds=60)]
    server.jobs[3] = [[*jobs, hub.job(3, "gather", "skipped", seconds=500)]]
    server.jobs[2] = [[hub.job(4, "release", seconds=600), hub.job(5, "staging", None)]]
    cache = {"id": 1, "ref": "refs/heads/main", "version": "1", "created_at": hub.iso(now)}
    server.caches = [
        {**cache, "key": f"k{n}", "size_in_bytes": n * 1024**3, "last_accessed_at": hub.iso(now)}
        for n in (1, 4)
    ]


def test_each_job_is_rounded_up_and_skipped_ones_cost_nothing(server: Hub, github: GitHub):
    used(server)
    assert usage.minutes(github, NOW - timedelta(days=30)) == [
        Minutes("Deploy", 1, 1, 10),
        Minutes("Elixir CI", 1, 0, 3),
    ]


def test_table_and_json_say_minutes_and_caches(server: Hub, inv: Inv):
    used(server, datetime.now(UTC))
    ended = inv("github.usage")
    assert ended.returncode == 0, ended.stderr
    assert "2 caches, 5.00 GiB of 10.00 GiB (50 %)" in ended.stdout
    assert [line.split()[0] for line in ended.stdout.splitlines()[-2:]] == ["k4", "k1"]
    found = json.loads(inv("github.usage", "--format", "json", "--days", "2").stdout)
    assert [row["workflow"] for row in found["workflows"]] == ["Elixir CI"]
    assert found["caches"]["active_caches_count"] == 2
