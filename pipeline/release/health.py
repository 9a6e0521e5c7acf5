"""The health gate: what one look at the service says, and what a series of looks decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from pipeline.remote.inventory import Health

HTTP_OK = 200
CURL = {
    18: "the answer broke off",
    28: "the answer did not end in time",
    63: "the answer is longer than 64 kB",
}
"""What some exit statuses of curl mean (curl(1))."""
_STEADY_LOOKS = 2
"""Passes needed however short min_healthy is: one answer proves little."""


@dataclass(frozen=True)
class Look:
    """The service at one moment; `at` is in hundredths of a second since the host's boot."""

    at: int
    active: str
    sub: str
    pid: int
    invocation: str
    restarts: int
    code: int
    body: str
    version: str
    commit: str
    curl: int = 0
    """curl's exit status: an answer that did not end well is no pass, whatever its code."""
    owner: str = "own"
    """Whose socket took the connection: `own`, `other WHO`, `afar`, `unseen` (probe.sh)."""


@dataclass(frozen=True)
class Expected:
    """Who must answer: not the process that was there before, and of this version."""

    before: str
    """InvocationID of the process that was stopped; empty if none ran."""
    version: str
    commit: str
    health: Health
    front: bool = False
    """While the service was stopped a proxy answered with a gateway's error."""


@dataclass(frozen=True)
class Decision:
    """`since` (hundredths of a second) is when the unbroken passes of a kept release began."""

    verdict: Literal["keep", "wait", "fail"]
    reason: str
    since: int = 0


def parse(line: str) -> Look:
    """Return the look in a `seen` line of the watch script (activation.watch).

    Raises ValueError for anything else.
    """
    if not line.startswith("seen\t"):
        raise ValueError(f"not a look: {line!r}")
    _, at, state, code, ended, owner, body, system = line.split("\t", 7)
    pairs = dict(item.split("=", 1) for item in state.split() if "=" in item)
    version, commit = _build(system)
    return Look(
        at=int(at),
        active=pairs.get("ActiveState", ""),
        sub=pairs.get("SubState", ""),
        pid=_number(pairs.get("MainPID", "")),
        invocation=pairs.get("InvocationID", ""),
        restarts=_number(pairs.get("NRestarts", "")),
        code=_number(code),
        body=body.strip(),
        version=version,
        commit=commit,
        curl=_number(ended),
        owner=owner,
    )


def look_in(lines: Sequence[str]) -> Look:
    """Return the look among the lines of the single look's script; ValueError if there is none."""
    return parse(next((line for line in lines if line.startswith("seen\t")), ""))


def passes(look: Look) -> bool:
    """Tell whether the look is of a whole and good answer of the service's own."""
    return look.code == HTTP_OK and look.curl == 0 and look.owner == "own"


def answered_by(owner: str) -> str:
    """Return for people what probe.sh has told of the socket that took the connection."""
    if owner == "afar":
        return "another host"
    if owner == "unseen":
        return "a socket that cannot be seen here; no version proves that it is the service's"
    return f"{owner.removeprefix('other ')}, not by the service itself"


def judge(looks: Sequence[Look], expected: Expected) -> Decision:
    """Decide what the looks so far, oldest first, mean.

    fail: waiting longer cannot help (the unit failed, ended or restarted; another version
    answers). keep: the new process has passed without a break for min_healthy seconds.
    """
    if not looks:
        return Decision("wait", "it has not been looked at yet")
    last = looks[-1]
    if ended := _ended(last):
        return Decision("fail", ended)
    if len({look.invocation for look in looks if look.active == "active"}) > 1:
        return Decision("fail", "the service was started anew while it was watched")
    if wrong := _unwell(last, expected):
        return Decision("fail" if wrong.startswith("another") else "wait", wrong)
    since = last.at
    passes = 0
    for look in reversed(looks):
        if _unwell(look, expected) or look.pid != last.pid:
            break
        since = look.at
        passes += 1
    if passes >= _STEADY_LOOKS and last.at - since >= expected.health.min_healthy * 100:
        return Decision("keep", "healthy", since)
    return Decision("wait", f"healthy for {(last.at - since) / 100:.1f} s", since)


def _ended(look: Look) -> str:
    if look.active == "failed":
        return "the service failed"
    if look.restarts > 0 or look.sub == "auto-restart":
        # With status 0, too: so does Plausible's enterprise build without a licence
        # (research/qusto-detail.md section 4.1).
        return "the service ended, and systemd restarts it"
    if look.active in ("inactive", "deactivating"):
        return f"the service does not run: it is {look.active} ({look.sub or 'unknown'})"
    return ""


def _unwell(look: Look, expected: Expected) -> str:
    """Return why this look is no pass, or nothing."""
    if look.active != "active" or not look.pid:
        return f"the service is {look.active or 'unknown'}"
    if expected.before and look.invocation == expected.before:
        return "the old process still answers"
    if look.code != HTTP_OK:
        answer = f"HTTP {look.code}" if look.code else "no answer"
        return f"{answer} from {expected.health.url} {look.body[:200]}".rstrip()
    if look.curl:
        why = CURL.get(look.curl, f"curl ended with {look.curl}")
        return f"HTTP {look.code} from {expected.health.url}, but {why}"
    if look.owner.startswith("other") and not expected.front:
        who = look.owner.removeprefix("other ")
        return f"another process answers at {expected.health.url}, not the service: {who}"
    for name, got, want in (
        ("version", look.version, expected.version),
        ("commit", look.commit, expected.commit),
    ):
        if got and want and not (got.startswith(want) or want.startswith(got)):
            return f"another version answers: {name} {got}, but this release is {want}"
    if look.owner != "own" and not (look.version and expected.version):
        return (
            f"{expected.health.url} is answered through something else than the service's own "
            f"socket ({look.owner}), and no version proves that the new release answers; name the "
            "service's own port in health.url, or a version_url that tells the version"
        )
    return ""


def _build(system: str) -> tuple[str, str]:
    """Return version and commit from the answer of /api/system, empty where it has none."""
    try:
        answer = msgspec.json.decode(system)
        build = answer["build"]
        return str(build.get("version") or ""), str(build.get("commit") or "")
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return "", ""


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
