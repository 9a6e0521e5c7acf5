"""What CI says of a commit: GitHub's check runs and commit statuses, over its REST API."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from pipeline.release.provenance import CiState

_API = "https://api.github.com"
_TIMEOUT = 10.0
_PAGE = 100
_PAGES = 20
_NAMED = 3
_PASSED = frozenset({"success", "neutral", "skipped"})
_REMOTE = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/]*@)?(?P<host>[^:/]+)(?::\d+)?[:/]/*"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)


class _Run(msgspec.Struct, frozen=True):
    name: str
    status: str
    conclusion: str | None = None
    details_url: str | None = None


class _Runs(msgspec.Struct, frozen=True):
    total_count: int
    check_runs: list[_Run]


class _Status(msgspec.Struct, frozen=True):
    context: str
    state: str


class _Combined(msgspec.Struct, frozen=True):
    statuses: list[_Status]


class _Unknown(Exception):
    """GitHub gave no answer that means anything; the text says why, without the token."""


def ask(commit: str, remote: str, variables: Mapping[str, str]) -> CiState:
    """Return what GitHub knows of `commit`; whatever cannot be found out is "missing".

    `remote` is the URL of git's remote, used where GITHUB_REPOSITORY is unset. The token is
    GITHUB_TOKEN or GH_TOKEN; it goes into a header and nowhere else.
    """
    if not commit:
        return CiState("missing", "there is no commit to ask about")
    api = (variables.get("GITHUB_API_URL") or _API).rstrip("/")
    token = variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN")
    if not token:
        return CiState("missing", "not known, GITHUB_TOKEN is not set")
    repository = variables.get("GITHUB_REPOSITORY") or repository_of(remote, api)
    if not repository:
        return CiState("missing", "not known, neither GITHUB_REPOSITORY nor git's remote names it")
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    try:
        with httpx.Client(headers=headers, timeout=_TIMEOUT, follow_redirects=True) as client:
            where = f"{api}/repos/{repository}/commits/{commit}"
            return judge(*_answers(client, where), own_run=variables.get("GITHUB_RUN_ID", ""))
    except _Unknown as error:
        return CiState("missing", f"not known, {error}")


def repository_of(remote: str, api: str) -> str:
    """Return OWNER/NAME of a remote's URL if it is on the machine that `api` speaks for."""
    match = _REMOTE.fullmatch(remote.strip())
    host = urlsplit(api).hostname or ""
    hosts = {"github.com", "ssh.github.com"} if host == "api.github.com" else {host}
    return match["repository"] if match and match["host"].lower() in hosts else ""


def judge(runs: list[_Run], statuses: list[_Status], *, own_run: str = "") -> CiState:
    """Return the state of a commit: one red is red, one unfinished is missing, none is missing.

    Jobs of `own_run` (GITHUB_RUN_ID) that have not ended are left out: the deploy is one of them.
    """
    own = f"/actions/runs/{own_run}/"
    ended = [run for run in runs if run.status == "completed"]
    red = [run.name for run in ended if run.conclusion not in _PASSED]
    red += [status.context for status in statuses if status.state in ("failure", "error")]
    open_ = [
        run.name
        for run in runs
        if run.status != "completed" and not (own_run and own in (run.details_url or ""))
    ]
    open_ += [status.context for status in statuses if status.state == "pending"]
    if red:
        return CiState("red", _names(red))
    if open_:
        return CiState("missing", f"not ended: {_names(open_)}")
    passed = any(run.conclusion == "success" for run in ended)
    if passed or any(status.state == "success" for status in statuses):
        return CiState("green")
    return CiState("missing", "nothing ran for it")


def _answers(client: httpx.Client, where: str) -> tuple[list[_Run], list[_Status]]:
    runs: list[_Run] = []
    for page in range(1, _PAGES + 1):
        answer = _get(client, f"{where}/check-runs", {"per_page": _PAGE, "page": page}, _Runs)
        runs += answer.check_runs
        if not answer.check_runs or len(runs) >= answer.total_count:
            break
    else:
        raise _Unknown(f"more than {_PAGE * _PAGES} check runs")
    # The combined status holds the newest of each context, a hundred of them a page.
    combined = _get(client, f"{where}/status", {"per_page": _PAGE}, _Combined)
    return runs, combined.statuses


def _get(client: httpx.Client, url: str, query: dict[str, int], kind: type[Any]) -> Any:
    try:
        answer = client.get(url, params=query)
    except httpx.TimeoutException:
        raise _Unknown(f"no answer from {urlsplit(url).netloc} in time") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        raise _Unknown(f"{urlsplit(url).netloc} cannot be asked: {reason}") from None
    meaning = {
        401: "the token is refused",
        403: "the token may not ask, or the rate limit is reached",
        404: "no such repository, or the token cannot see it",
        422: "GitHub has no such commit",
    }
    if not answer.is_success:
        said = meaning.get(answer.status_code, "an error of its own")
        raise _Unknown(f"{said} (HTTP {answer.status_code})")
    try:
        return msgspec.json.decode(answer.content, type=kind)
    except msgspec.DecodeError:
        raise _Unknown(f"{urlsplit(url).netloc} gave no answer of GitHub's form") from None


def _names(names: list[str]) -> str:
    shown = ", ".join(dict.fromkeys(names[:_NAMED]))
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
