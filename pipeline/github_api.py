"""GitHub's REST API for one repository: who asks, what is asked, and what a refusal means.

githubkit carries the requests (token, retries, recognising rate limits); an answer is decoded into
the few fields that its caller names, so that a new field or a changed one elsewhere breaks nothing.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
import msgspec
from githubkit.core import GitHubCore
from githubkit.exception import (
    GitHubException,
    RateLimitExceeded,
    RequestError,
    RequestFailed,
    RequestTimeout,
)
from githubkit.typing import RetryOption

from pipeline import asking, redaction
from pipeline.errors import Problem, Unreachable, UsageProblem

API = "https://api.github.com"
VERSION = "2022-11-28"
TIMEOUT = 15.0
"""Seconds without a byte until GitHub counts as not answering."""
PAGE = 100
"""Entries on a page, as many as GitHub gives."""

_PAGES = 20
_RETRIES = 2
_REMOTE = re.compile(
    r"(?:[a-z+]+://)?(?:[^@/]*@)?(?P<host>[^:/]+)(?::\d+)?[:/]/*"
    r"(?P<repository>[\w.-]+/[\w.-]+?)(?:\.git)?/?"
)
T = TypeVar("T")
Row = TypeVar("Row")


class Unanswered(Unreachable):
    """GitHub gave no answer: it was not reached, or refused, or is broken itself."""


@dataclass(frozen=True)
class Access:
    """Whose API, with which token, for which repository (OWNER/NAME)."""

    api: str
    repository: str
    token: str = field(repr=False)

    @property
    def host(self) -> str:
        """The name of GitHub, or of the server of one's own, in messages."""
        return urlsplit(self.api).netloc


def access(variables: Mapping[str, str], remote: str) -> Access:
    """Return the access that `variables` and the URL of git's remote say.

    The token is GITHUB_TOKEN or GH_TOKEN, else what `gh auth token` prints; the repository is
    GITHUB_REPOSITORY, else that of `remote`. Raises UsageProblem where one of them is missing.
    """
    api = (variables.get("GITHUB_API_URL") or API).rstrip("/")
    repository = variables.get("GITHUB_REPOSITORY") or repository_of(remote, api)
    if not repository:
        raise UsageProblem(
            "which repository is not known: neither GITHUB_REPOSITORY nor git's remote names it",
            remedy="set GITHUB_REPOSITORY=OWNER/NAME",
        )
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise UsageProblem(f"GITHUB_REPOSITORY {repository!r} is not OWNER/NAME")
    token = variables.get("GITHUB_TOKEN") or variables.get("GH_TOKEN") or _of_gh(variables, api)
    if not token:
        raise UsageProblem(
            "GITHUB_TOKEN is not set", remedy="set it (or GH_TOKEN), or log in with `gh auth login`"
        )
    redaction.learn([token])
    return Access(api, repository, token)


def repository_of(remote: str, api: str) -> str:
    """Return OWNER/NAME of a remote's URL if it is on the machine that `api` speaks for."""
    match = _REMOTE.fullmatch(remote.strip())
    return match["repository"] if match and match["host"].lower() in _hosts(api) else ""


def _hosts(api: str) -> set[str]:
    host = urlsplit(api).hostname or ""
    return {"github.com", "ssh.github.com"} if host == "api.github.com" else {host}


def _of_gh(variables: Mapping[str, str], api: str) -> str:
    host = "github.com" if api == API else urlsplit(api).hostname or ""
    return asking.answer(variables, "gh", "auth", "token", "--hostname", host, seconds=5)


@contextmanager
def connect(to: Access) -> Iterator["GitHub"]:
    """Yield the API of the repository; its connection is kept open for the block."""
    with GitHubCore(
        to.token,
        base_url=f"{to.api}/",
        timeout=TIMEOUT,
        http_cache=False,
        auto_retry=_again,
    ) as core:
        yield GitHub(to, core)


class GitHub:
    """Requests about one repository. Paths are below `/repos/OWNER/NAME` unless they start with /.

    Every method raises Unanswered (no answer, or 401, 403, 404, 5xx) or Problem (422 and the other
    refusals of what was asked), in one line, with GitHub's own words.
    """

    def __init__(self, to: Access, core: "GitHubCore[Any]") -> None:
        """Take an open client; `connect` makes one."""
        self.access = to
        self._core = core

    def get(self, path: str, kind: type[T], **query: str | int) -> T:
        """Return the answer to GET, decoded."""
        return self._decoded(self._send("GET", path, query=query).content, kind)

    def find(self, path: str, kind: type[T], **query: str | int) -> T | None:
        """Return the answer to GET, None where GitHub says 404."""
        found = self._send("GET", path, query=query, absent=True)
        return None if found.status_code == _NOT_FOUND else self._decoded(found.content, kind)

    def text(self, path: str) -> str:
        """Return the answer to GET as it is, such as a log; a redirection is followed."""
        return self._send("GET", path).content.decode("utf-8", "replace")

    def pages(
        self,
        path: str,
        kind: type[T],
        rows: Callable[[T], list[Row]],
        *,
        size: int = PAGE,
        **query: str | int,
    ) -> Iterator[Row]:
        """Yield the rows of one page of `size` after another, until one is not full.

        Raises Unanswered after twenty pages: what is not seen is not known.
        """
        for page in range(1, _PAGES + 1):
            found = rows(self.get(path, kind, **query, per_page=size, page=page))
            yield from found
            if len(found) < size:
                return
        raise Unanswered(f"{self.access.host} has more than {size * _PAGES} entries of {path}")

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Send a change once, without another try; return what GitHub says to it."""
        return self._send(method, path, body=body).content

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, Any] | None = None,
        absent: bool = False,
    ) -> httpx.Response:
        url = path if path.startswith("/") else f"/repos/{self.access.repository}/{path}"
        headers = {
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": VERSION,
        }
        asked = f"{self.access.api}{url}"
        try:
            answer = self._core.request(
                method, asked, params=dict(query or {}), json=body, headers=headers
            )
        except RequestFailed as error:
            if absent and error.response.status_code == _NOT_FOUND:
                return error.response.raw_response
            raise refusal(error, self.access, f"{method} {url}") from None
        except (GitHubException, httpx.InvalidURL) as error:
            raise _silence(error, self.access) from None
        return answer.raw_response

    def _decoded(self, content: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Unanswered(
                f"{self.access.host} gave no answer of GitHub's form: {error}",
                remedy="look whether a proxy or a login page answers in its place",
            ) from None


_NOT_FOUND = 404
_SERVERS_OWN = 500


class _Reason(msgspec.Struct, frozen=True):
    message: str = ""
    resource: str = ""
    field: str = ""
    code: str = ""

    def __str__(self) -> str:
        return self.message or " ".join(filter(None, (self.resource, self.field, self.code)))


class _Said(msgspec.Struct, frozen=True):
    message: str = ""
    errors: list[_Reason | str] | str | None = None


def refusal(error: RequestFailed, to: Access, request: str) -> Problem:
    """Return what an error answer of GitHub means, and what to do about it.

    Scopes and permissions come from the headers in which GitHub names them:
    https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api.
    """
    status, headers = error.response.status_code, error.response.headers
    said = _words(error.response.content)
    if isinstance(error, RateLimitExceeded):
        return Unanswered(
            f"{to.host}: the rate limit of this token is used up (HTTP {status})",
            remedy=f"again after {_clock(error.retry_after)}",
        )
    if status == 401:
        return Unanswered(
            f"{to.host}: the token is refused (HTTP 401): {said}",
            remedy="set GITHUB_TOKEN to one that is valid, or log in with `gh auth login`",
        )
    if status == 403:
        return Unanswered(
            f"{to.host}: this token may not do that (HTTP 403): {said}", remedy=_needed(headers)
        )
    if status == _NOT_FOUND:
        return Unanswered(
            f"{to.host}: not there, or the token cannot see it (HTTP 404): {request}",
            remedy="compare the repository's name; a private one needs a token with access to it",
        )
    if status >= _SERVERS_OWN:
        return Unanswered(
            f"{to.host} has an error of its own (HTTP {status})",
            remedy="try again later; https://www.githubstatus.com says more",
        )
    return Problem(f"{to.host} refuses {request} (HTTP {status}): {said}")


def _words(content: bytes) -> str:
    try:
        said = msgspec.json.decode(content, type=_Said)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "no reason given"
    reasons = [said.errors] if isinstance(said.errors, str) else said.errors or []
    told = "; ".join(filter(None, map(str, reasons)))
    return ": ".join(filter(None, (said.message, told))) or "no reason given"


def _needed(headers: Mapping[str, str]) -> str:
    """Return what the token lacks: of a fine-grained one permissions, of a classic one scopes."""
    permissions = headers.get("x-accepted-github-permissions")
    scopes, has = headers.get("x-accepted-oauth-scopes"), headers.get("x-oauth-scopes")
    if has is not None and scopes:
        return f"it needs one of the scopes {scopes}; it has {has or 'none'}"
    if permissions:
        return f"it needs the permission {permissions}"
    return ""


def _clock(wait: timedelta) -> str:
    at = time.strftime("%H:%M", time.localtime(time.time() + wait.total_seconds()))
    return f"{at}, in {max(1, round(wait.total_seconds() / 60))} min"


def _silence(error: Exception, to: Access) -> Unanswered:
    remedy = "look at the network, a proxy (HTTPS_PROXY) and GITHUB_API_URL"
    if isinstance(error, RequestTimeout):
        return Unanswered(f"no answer from {to.host} in time ({TIMEOUT:g} s)", remedy=remedy)
    cause = error.exc if isinstance(error, RequestError) else error
    reason = str(cause) or type(cause).__name__
    return Unanswered(f"{to.host} cannot be asked: {reason}", remedy=remedy)


def _again(error: GitHubException, count: int) -> RetryOption:
    """Ask again what changes nothing, when GitHub itself or the line failed; never a refusal."""
    if isinstance(error, RequestFailed):
        failed = error.response.status_code >= _SERVERS_OWN
        reads = error.request.method == "GET"
    else:
        cause = error.exc if isinstance(error, RequestError) else None
        # A time-out has cost enough already.
        failed = isinstance(cause, httpx.TransportError) and not isinstance(error, RequestTimeout)
        reads = failed and cause is not None and cause.request.method == "GET"
    return RetryOption(failed and reads and count < _RETRIES, timedelta(seconds=0.5 * 2**count))
