"""Asking GitHub: with what, how often, and what each refusal means in one line."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pipeline import github_api
from pipeline.errors import ExitCode, Problem, UsageProblem
from pipeline.github import runs
from pipeline.github_api import GitHub, Unanswered

from . import described, hub
from .conftest import TOKEN
from .hub import Hub

NOT_FOUND = {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}


@pytest.fixture
def raw(server: Hub, plain: str) -> GitHub:
    """Our GitHub without Prism, for answers that its description does not have."""
    access = github_api.Access(plain, "qusto/app", TOKEN)
    with github_api.connect(access) as found:
        return found


@described.needed
@pytest.mark.parametrize(
    "wrong",
    [
        lambda github: github.send("POST", "rulesets", {"name": "without enforcement"}),
        lambda github: github.send("POST", "rulesets", {"name": "x", "enforcement": "sometimes"}),
        lambda github: github.get("actions/runs", dict, per_page="many"),
    ],
)
def test_prism_refuses_a_request_that_does_not_fit(
    github: GitHub, server: Hub, wrong: Callable[[GitHub], Any]
):
    with pytest.raises(Problem, match=r"refuses .* \(HTTP 422\)"):
        wrong(github)
    assert server.asked == []


@described.needed
def test_prism_refuses_an_answer_that_does_not_fit(github: GitHub, server: Hub):
    server.runs = [{"id": 1}]
    with pytest.raises(Unanswered, match="has an error of its own"):
        runs.newest(github, 1)


@pytest.mark.parametrize(
    ("status", "headers", "said", "line", "remedy"),
    [
        (
            401,
            {},
            {"message": "Bad credentials"},
            "the token is refused (HTTP 401): Bad",
            "gh auth",
        ),
        (
            403,
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"},
            {"message": "API rate limit exceeded for user ID 1."},
            "the rate limit of this token is used up (HTTP 403)",
            "again after ",
        ),
        (
            429,
            {"Retry-After": "60"},
            {"message": "You have exceeded a secondary rate limit."},
            "the rate limit of this token is used up (HTTP 429)",
            "in 1 min",
        ),
        (
            403,
            {"X-Accepted-GitHub-Permissions": "administration=write"},
            {"message": "Resource not accessible by personal access token"},
            "this token may not do that (HTTP 403): Resource not accessible",
            "it needs the permission administration=write",
        ),
        (
            403,
            {"X-OAuth-Scopes": "read:org", "X-Accepted-OAuth-Scopes": "repo"},
            {"message": "Must have admin rights to Repository."},
            "this token may not do that (HTTP 403): Must have admin rights",
            "it needs one of the scopes repo; it has read:org",
        ),
        (404, {}, NOT_FOUND, "not there, or the token cannot see it (HTTP 404)", "private one"),
        (500, {}, b"oops", "has an error of its own (HTTP 500)", "githubstatus.com"),
        (502, {}, b"<html>", "has an error of its own (HTTP 502)", "githubstatus.com"),
        (200, {}, b"<html>a login page</html>", "gave no answer of GitHub's form", "a login page"),
        (200, {}, {"total_count": 1}, "gave no answer of GitHub's form", "a login page"),
    ],
)
def test_no_usable_answer_is_one_line_and_exit_13(
    raw: GitHub,
    server: Hub,
    status: int,
    headers: dict[str, str],
    said: Any,
    line: str,
    remedy: str,
):
    server.fails = [(status, headers, said)] * 5
    with pytest.raises(Unanswered) as caught:
        runs.newest(raw, 3)
    assert line in caught.value.message
    assert remedy in caught.value.remedy
    assert "\n" not in caught.value.message
    assert TOKEN not in str(caught.value)
    assert caught.value.code == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"message": "No ref found for: nowhere"}, "(HTTP 422): No ref found for: nowhere"),
        (
            {"message": "Validation Failed", "errors": [{"message": "Name must be unique"}]},
            "(HTTP 422): Validation Failed: Name must be unique",
        ),
        (
            {
                "message": "Validation Failed",
                "errors": [{"resource": "Ruleset", "field": "name", "code": "missing"}],
            },
            "Validation Failed: Ruleset name missing",
        ),
        ({"message": "Invalid", "errors": ["first", "second"]}, "Invalid: first; second"),
        ({"message": "Invalid", "errors": "Actor is not known"}, "Invalid: Actor is not known"),
        (b"no JSON", "no reason given"),
    ],
)
def test_refused_change_says_githubs_reasons(raw: GitHub, server: Hub, said: Any, line: str):
    server.fails = [(422, {}, said)]
    with pytest.raises(Problem) as caught:
        raw.send("POST", "rulesets", {})
    assert line in caught.value.message
    assert caught.value.code == ExitCode.CHECK_FAILED


def test_reading_is_tried_again_when_github_fails_and_a_change_never(raw: GitHub, server: Hub):
    server.fails = [(502, {}, b""), (503, {}, b"")]
    assert runs.newest(raw, 3) == []
    assert len(server.asked) == 3
    server.fails = [(502, {}, b"")]
    with pytest.raises(Unanswered):
        raw.send("POST", "rulesets", {"name": "x"})
    assert server.rulesets == {}


def test_refusal_is_not_tried_again(raw: GitHub, server: Hub):
    server.fails = [(403, {"Retry-After": "1"}, {"message": "slow down"})]
    with pytest.raises(Unanswered):
        runs.newest(raw, 3)
    assert len(server.asked) == 1


def test_server_that_stalls_is_not_waited_for(
    raw: GitHub, server: Hub, monkeypatch: pytest.MonkeyPatch
):
    stalled = threading.Event()

    def stall(*_: object) -> hub.Answer:
        stalled.wait(30)
        return 200, {}

    monkeypatch.setattr(server, "answer", stall)
    monkeypatch.setattr(github_api, "TIMEOUT", 0.2)
    with (
        github_api.connect(raw.access) as impatient,
        pytest.raises(Unanswered, match=r"no answer from 127.0.0.1:\d+ in time \(0.2 s\)"),
    ):
        runs.newest(impatient, 3)
    stalled.set()
    assert len(server.asked) == 1


def test_nobody_there_is_one_line():
    with (
        github_api.connect(github_api.Access("http://127.0.0.1:1", "qusto/app", TOKEN)) as nobody,
        pytest.raises(Unanswered, match=r"127\.0\.0\.1:1 cannot be asked: .*Connection refused"),
    ):
        runs.newest(nobody, 3)


def test_all_pages_are_read_and_more_than_can_be_read_is_not_taken_for_all(
    raw: GitHub, server: Hub
):
    class Page(msgspec.Struct):
        workflow_runs: list[dict[str, Any]]

    def all_of_it() -> list[dict[str, Any]]:
        return list(raw.pages("actions/runs", Page, lambda page: page.workflow_runs))

    server.runs = [{"id": n} for n in range(250)]
    assert len(all_of_it()) == 250
    server.runs = [{"id": n} for n in range(2000)]
    with pytest.raises(Unanswered, match="more than 2000"):
        all_of_it()


def test_redirected_log_is_read_and_the_token_goes_to_github_alone(raw: GitHub, server: Hub):
    """GitHub's logs lie elsewhere, behind an address that is a secret itself."""
    server.logs[7] = "line\n"
    assert raw.text("actions/jobs/7/logs") == "line\n"
    assert server.tokens == {
        "/repos/qusto/app/actions/jobs/7/logs": f"token {TOKEN}",
        "/blob/7": "",
    }


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ({"GITHUB_TOKEN": "t"}, "which repository is not known"),
        ({"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "qusto"}, "'qusto' is not OWNER/NAME"),
        ({"GITHUB_TOKEN": "t", "GITHUB_REPOSITORY": "a/b/../c"}, "is not OWNER/NAME"),
        ({"GITHUB_REPOSITORY": "qusto/app", "PATH": "/none"}, "GITHUB_TOKEN is not set; set it"),
    ],
)
def test_what_is_missing_is_said_before_anybody_is_asked(known: dict[str, str], told: str):
    with pytest.raises(UsageProblem) as caught:
        github_api.access(known, "")
    assert told in str(caught.value)


def test_token_of_gh_is_used_where_no_variable_has_one(tmp_path: Path):
    (tmp_path / "gh").write_text('#!/bin/sh\necho "of $*"\n')
    (tmp_path / "gh").chmod(0o755)
    known = {"GITHUB_REPOSITORY": "qusto/app", "PATH": f"{tmp_path}:/bin"}
    assert github_api.access(known, "").token == "of auth token --hostname github.com"
    assert github_api.access({**known, "GH_TOKEN": "own"}, "").token == "own"
    assert "own" not in repr(github_api.access({**known, "GH_TOKEN": "own"}, ""))


@pytest.mark.parametrize(
    ("remote", "repository"),
    [
        ("git@github.com:qusto/app.git", "qusto/app"),
        ("https://github.com/qusto/app.git", "qusto/app"),
        ("https://x-access-token:secret@github.com/qusto/app", "qusto/app"),
        ("ssh://git@github.com:22/qusto/app.js.git", "qusto/app.js"),
        ("ssh://git@ssh.github.com:443/qusto/app.git", "qusto/app"),
        ("https://gitlab.com/qusto/app.git", ""),
        ("https://github.com.evil.example/qusto/app.git", ""),
        ("/work/main", ""),
        ("../main", ""),
        ("", ""),
    ],
)
def test_the_repository_is_read_from_remotes_of_that_github_only(remote: str, repository: str):
    assert github_api.repository_of(remote, "https://api.github.com") == repository


def test_an_enterprise_server_is_known_by_its_own_name():
    api = "https://git.example.com/api/v3"
    assert github_api.repository_of("git@git.example.com:qusto/app.git", api) == "qusto/app"
    assert github_api.repository_of("git@github.com:qusto/app.git", api) == ""
