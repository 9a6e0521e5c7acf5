"""What GitHub says of a commit, asked of a local server that answers as GitHub does."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.release import ci
from pipeline.release.provenance import CiState

COMMIT = "c0ffee" * 6 + "beef"
TOKEN = "ghp_the-marked-token-of-this-test"
Answer = tuple[int, Any]


class GitHub:
    """Answers of two endpoints, in GitHub's form, and what was asked."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []
        self.statuses: list[dict[str, Any]] = []
        self.fails: Answer | None = None
        self.asked: list[str] = []
        self.authorization: set[str] = set()
        self.url = ""

    def answer(self, path: str) -> Answer:
        if self.fails:
            return self.fails
        url = urlsplit(path)
        if url.path == f"/repos/qusto/app/commits/{COMMIT}/check-runs":
            page = int(parse_qs(url.query)["page"][0])
            size = int(parse_qs(url.query)["per_page"][0])
            part = self.runs[(page - 1) * size : page * size]
            return 200, {"total_count": len(self.runs), "check_runs": part}
        if url.path == f"/repos/qusto/app/commits/{COMMIT}/status":
            total = len(self.statuses)
            return 200, {"state": "pending", "total_count": total, "statuses": self.statuses}
        return 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}


def run(name: str, conclusion: str | None = "success", job: str = "1/job/2") -> dict[str, Any]:
    status = "completed" if conclusion else "in_progress"
    url = f"https://github.com/qusto/app/actions/runs/{job}"
    return {
        "id": 4,
        "name": name,
        "head_sha": COMMIT,
        "status": status,
        "conclusion": conclusion,
        "details_url": url,
        "app": {"slug": "github-actions"},
    }


def status(context: str, state: str) -> dict[str, Any]:
    return {"context": context, "state": state, "target_url": None, "description": None}


@pytest.fixture
def github() -> Iterator[GitHub]:
    served = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            served.authorization.add(self.headers["Authorization"] or "")
            code, body = served.answer(self.path)
            text = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}"
    yield served
    server.shutdown()
    thread.join()
    server.server_close()


def ask(github: GitHub, **variables: str) -> CiState:
    known = {
        "GITHUB_API_URL": github.url,
        "GITHUB_TOKEN": TOKEN,
        "GITHUB_REPOSITORY": "qusto/app",
        **variables,
    }
    return ci.ask(COMMIT, "", {name: value for name, value in known.items() if value})


@pytest.mark.parametrize(
    ("runs", "statuses", "state", "why"),
    [
        ([run("test")], [], "green", ""),
        ([], [status("ci/jenkins", "success")], "green", ""),
        ([run("test"), run("docs", "skipped"), run("lint", "neutral")], [], "green", ""),
        ([], [], "missing", "nothing ran for it"),
        ([run("docs", "skipped")], [], "missing", "nothing ran for it"),
        ([run("test"), run("slow", None)], [], "missing", "not ended: slow"),
        ([run("test")], [status("jenkins", "pending")], "missing", "not ended: jenkins"),
        ([run("test"), run("slow", None), run("e2e", "failure")], [], "red", "e2e"),
        ([run("test", "cancelled")], [], "red", "test"),
        ([run("test", "timed_out")], [], "red", "test"),
        ([run("test", "startup_failure")], [], "red", "test"),
        ([run("test")], [status("jenkins", "error")], "red", "jenkins"),
        ([run(f"t{n}", "failure") for n in range(5)], [], "red", "t0, t1, t2 and 2 more"),
    ],
)
def test_runs_and_statuses_together_make_the_state(
    github: GitHub, runs: list[Any], statuses: list[Any], state: str, why: str
):
    github.runs, github.statuses = runs, statuses
    assert ask(github) == CiState(state, why)  # type: ignore[arg-type]
    assert github.authorization == {f"token {TOKEN}"}


def test_the_job_that_deploys_does_not_wait_for_itself(github: GitHub):
    github.runs = [run("test", job="77/job/1"), run("deploy", None, job="77/job/2")]
    assert ask(github).state == "missing"
    assert ask(github, GITHUB_RUN_ID="77").state == "green"
    assert ask(github, GITHUB_RUN_ID="7").state == "missing"
    github.runs[0] = run("test", "failure", job="77/job/1")
    assert ask(github, GITHUB_RUN_ID="77").state == "red"


def test_a_failure_on_the_last_page_is_found(github: GitHub):
    github.runs = [*(run(f"t{n}") for n in range(250)), run("last", "failure")]
    assert ask(github) == CiState("red", "last")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((401, {"message": "Bad credentials"}), "the token is refused (HTTP 401)"),
        ((404, {"message": "Not Found"}), "the token cannot see it (HTTP 404)"),
        ((422, {"message": "No commit found"}), "(HTTP 422): No commit found"),
        ((200, b"<html>a captive portal</html>"), "no answer of GitHub's form"),
        ((200, {"total_count": 1}), "no answer of GitHub's form"),
    ],
)
def test_no_answer_counts_as_missing_and_never_shows_the_token(
    github: GitHub, answer: Answer, why: str
):
    github.fails = answer
    found = ask(github)
    assert found.state == "missing"
    assert found.why.startswith("not known, ")
    assert why in found.why
    assert TOKEN not in found.why


def test_offline_without_token_or_without_repository_is_missing(github: GitHub):
    assert "GITHUB_TOKEN is not set" in ask(github, GITHUB_TOKEN="").why
    assert "neither GITHUB_REPOSITORY nor" in ask(github, GITHUB_REPOSITORY="").why
    assert github.asked == []
    assert ask(github, GITHUB_TOKEN="", GH_TOKEN=TOKEN).why == "nothing ran for it"
