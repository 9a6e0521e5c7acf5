"""A small GitHub of one repository, qusto/app: it keeps what it is told and answers from it.

Its answers are GitHub's own examples with our values in them.
"""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from nacl.public import PrivateKey, SealedBox

from .described import example

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
Answer = tuple[int, Any]
_NOT_FOUND: Answer = (404, {"message": "Not Found"})


@dataclass
class Place:
    """Secrets, as they were sealed, and variables of an environment or of the repository."""

    secrets: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Hub:
    """What this GitHub has, and what it was asked."""

    key: PrivateKey = field(default_factory=PrivateKey.generate)
    rulesets: dict[int, dict[str, Any]] = field(default_factory=dict)
    hides_bypass: bool = False
    classic: set[str] = field(default_factory=set)
    branches: set[str] = field(default_factory=lambda: {"main", "develop", "stable"})
    places: dict[str, Place] = field(
        default_factory=lambda: {"": Place(), "staging": Place(), "production": Place()}
    )
    organisation: Place = field(default_factory=Place)
    runs: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[int, list[list[dict[str, Any]]]] = field(default_factory=dict)
    """Run → its jobs at each look, the last for ever; the run's own state goes with them."""
    logs: dict[int, str] = field(default_factory=dict)
    dispatched: list[dict[str, Any]] = field(default_factory=list)
    set_at: datetime = NOW
    """When all secrets were set."""
    releases: dict[str, str] = field(default_factory=dict)
    """Repository of an action → its latest release."""
    tells_run: bool = True
    shows_run: bool = True
    caches: list[dict[str, Any]] = field(default_factory=list)
    owners: list[dict[str, Any]] | None = None
    admins: list[str] = field(default_factory=list)
    two_factor: bool | None = None
    keys: list[dict[str, Any]] = field(default_factory=list)
    fails: list[tuple[int, dict[str, str], Any]] = field(default_factory=list)
    """Answers to give instead, in this order; what is bytes is sent as it is."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    """Path → the header that says who asked."""

    def answer(self, method: str, target: str, body: dict[str, Any]) -> Answer:
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        if parts[:1] == ["orgs"]:
            rule = {"two_factor_requirement_enabled": self.two_factor}
            return 200, example("organization-full", archived_at=None, **rule)
        if parts[3:] == ["releases", "latest"]:
            tag = self.releases.get("/".join(parts[1:3]))
            return (200, example("release", tag_name=tag)) if tag else _NOT_FOUND
        if parts[:3] != ["repos", "qusto", "app"]:
            return _NOT_FOUND
        match method, *parts[3:]:
            case "GET", "rulesets":
                listed = [self._ruleset(one) for one in self.rulesets.values()]
                return 200, _page(listed, query)
            case "POST", "rulesets":
                number = 40 + len(self.rulesets)
                self.rulesets[number] = {**body, "id": number}
                return 201, self._ruleset(self.rulesets[number])
            case "GET", "rulesets", number:
                found = self.rulesets.get(int(number))
                return (200, self._ruleset(found)) if found else _NOT_FOUND
            case "PUT", "rulesets", number:
                self.rulesets[int(number)] |= body
                return 200, self._ruleset(self.rulesets[int(number)])
            case "GET", "branches", name:
                if name not in self.branches:
                    return _NOT_FOUND
                found = example("branch-get", name=name)
                found["protection"]["enabled"] = name in self.classic
                return 200, found
            case "GET", "environments", name:
                known = name in self.places
                return (200, example("environment", name=name)) if known else _NOT_FOUND
            case _, "environments", name, *rest:
                return self._settings(method, self.places[name], rest, query, body)
            case "GET", "actions", "organization-secrets" | "organization-variables" as kind:
                rest = [kind.removeprefix("organization-")]
                return self._settings(method, self.organisation, rest, query, body)
            case _, "actions", "secrets" | "variables" as kind, *rest:
                return self._settings(method, self.places[""], [kind, *rest], query, body)
            case "GET", "actions", "runs":
                return 200, self._runs(self.runs, query)
            case "GET", "actions", "workflows", file, "runs":
                of_file = [run for run in self.runs if run["path"].endswith(file)]
                return 200, self._runs(of_file, query)
            case "POST", "actions", "workflows", file, "dispatches":
                return self._dispatch(file, body)
            case "GET", "actions", "runs", number:
                found = next((run for run in self.runs if run["id"] == int(number)), None)
                return (200, self._look(found)) if found else _NOT_FOUND
            case "GET", "actions", "runs", number, "jobs":
                now = self.jobs.get(int(number), [[]])[0]
                return 200, {"total_count": len(now), "jobs": _page(now, query)}
            case "GET", "actions", "jobs", number, "logs":
                return 302, self.logs[int(number)]
            case "GET", "actions", "cache", "usage":
                sizes = [one["size_in_bytes"] for one in self.caches]
                totals = {
                    "active_caches_size_in_bytes": sum(sizes),
                    "active_caches_count": len(sizes),
                }
                return 200, example("actions-cache-usage", full_name="qusto/app", **totals)
            case "GET", "actions", "caches":
                largest = sorted(self.caches, key=lambda one: -one["size_in_bytes"])
                shown = _page(largest, query)
                return 200, {"total_count": len(largest), "actions_caches": shown}
            case "GET", "codeowners", "errors":
                return _NOT_FOUND if self.owners is None else (200, {"errors": self.owners})
            case "GET", "collaborators":
                people = [example("collaborator-items", login=name) for name in self.admins]
                return 200, _page(people, query)
            case "GET", "keys":
                return 200, _page(self.keys, query)
        return _NOT_FOUND

    def _ruleset(self, ruleset: dict[str, Any]) -> dict[str, Any]:
        found = {
            **example("repository-ruleset", source="qusto/app", source_type="Repository"),
            **ruleset,
        }
        if self.hides_bypass:
            del found["bypass_actors"]
        return found

    def _settings(
        self, method: str, place: Place, rest: list[str], query: dict[str, str], body: Any
    ) -> Answer:
        match method, *rest:
            case "GET", "secrets", "public-key":
                key = b64encode(bytes(self.key.public_key)).decode()
                return 200, example("actions-public-key", key_id="568250167242549743", key=key)
            case "GET", "secrets":
                base = example("actions-secret-paginated")["secrets"][0]
                base["updated_at"] = iso(self.set_at)
                named = [{**base, "name": name} for name in place.secrets]
                return 200, {"total_count": len(named), "secrets": _page(named, query)}
            case "PUT", "secrets", name:
                new = name not in place.secrets
                place.secrets[name] = body["encrypted_value"]
                return (201, {}) if new else (204, None)
            case "GET", "variables":
                base = example("actions-variables-paginated")["variables"][0]
                named = [{**base, "name": name} for name in place.variables]
                return 200, {"total_count": len(named), "variables": _page(named, query)}
            case "GET", "variables", name:
                if name not in place.variables:
                    return _NOT_FOUND
                return 200, example("actions-variable", name=name, value=place.variables[name])
            case "POST", "variables":
                place.variables[body["name"]] = body["value"]
                return 201, {}
            case "PATCH", "variables", name:
                place.variables[name] = body["value"]
                return 204, None
        return _NOT_FOUND

    def unsealed(self, environment: str, name: str) -> str:
        """Return the value of a secret, as only the holder of the key can."""
        sealed = self.places[environment].secrets[name]
        return SealedBox(self.key).decrypt(b64decode(sealed)).decode()

    def _runs(self, found: list[dict[str, Any]], query: dict[str, str]) -> dict[str, Any]:
        for name, key in (("branch", "head_branch"), ("event", "event")):
            if name in query:
                found = [run for run in found if run[key] == query[name]]
        return {"total_count": len(found), "workflow_runs": _page(found, query)}

    def _look(self, run: dict[str, Any]) -> dict[str, Any]:
        """Return the run as it is now; each look takes it one step further."""
        looks = self.jobs.get(run["id"], [[]])
        if len(looks) > 1:
            looks.pop(0)
            return run
        states = [job["conclusion"] for job in looks[0]]
        ended = "success" if all(state == "success" for state in states) else "failure"
        return (
            run
            if run["status"] == "completed"
            else run
            | {
                "status": "completed",
                "conclusion": ended,
                "updated_at": iso(NOW + timedelta(minutes=4)),
            }
        )

    def _dispatch(self, file: str, body: dict[str, Any]) -> Answer:
        self.dispatched.append({"file": file, **body})
        number = 9001
        if not self.shows_run:
            return 204, None
        self.runs.insert(
            0,
            run(
                number,
                "Deploy",
                file=file,
                event="workflow_dispatch",
                branch=body["ref"],
                status="in_progress",
                conclusion=None,
            ),
        )
        if not self.tells_run:
            return 204, None
        return 200, example("workflow-dispatch-response", workflow_run_id=number)


def iso(at: datetime) -> str:
    """Return a time as GitHub writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def run(
    number: int,
    name: str = "Elixir CI",
    *,
    file: str = "elixir.yml",
    event: str = "push",
    branch: str = "main",
    status: str = "completed",
    conclusion: str | None = "success",
    at: datetime = NOW,
    minutes: int = 3,
) -> dict[str, Any]:
    """Return a run that took so many minutes."""
    return example(
        "workflow-run",
        id=number,
        name=name,
        path=f".github/workflows/{file}",
        event=event,
        head_branch=branch,
        status=status,
        conclusion=conclusion,
        display_title=f"Change {number}",
        html_url=f"https://github.com/qusto/app/actions/runs/{number}",
        created_at=iso(at),
        run_started_at=iso(at),
        updated_at=iso(at + timedelta(minutes=minutes)),
    )


def job(
    number: int,
    name: str,
    conclusion: str | None = "success",
    *,
    steps: list[dict[str, Any]] | None = None,
    status: str = "completed",
    seconds: int = 90,
) -> dict[str, Any]:
    """Return a job that took so many seconds."""
    base = example("job-paginated")["jobs"][0]
    ended = iso(NOW + timedelta(seconds=seconds)) if conclusion else None
    return {
        **base,
        "id": number,
        "name": name,
        "status": status,
        "conclusion": conclusion,
        "created_at": iso(NOW),  # required, and not in GitHub's example
        "started_at": iso(NOW),
        "completed_at": ended,
        "steps": steps or [],
    }


def step(number: int, name: str, conclusion: str, start: int, end: int) -> dict[str, Any]:
    """Return a step, from and to so many seconds after NOW."""
    return {
        "number": number,
        "name": name,
        "status": "completed",
        "conclusion": conclusion,
        "started_at": iso(NOW + timedelta(seconds=start)),
        "completed_at": iso(NOW + timedelta(seconds=end)),
    }


@contextmanager
def serving(hub: "list[Hub]") -> Iterator[str]:
    """Yield the address at which the first of the list answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            now = hub[0]
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            now.asked.append((self.command, self.path))
            now.tokens[self.path] = self.headers["Authorization"] or ""
            if self.path.startswith("/blob/"):
                self._send(200, {}, now.logs[int(self.path.split("/")[-1])].encode())
            elif now.fails:
                self._send(*now.fails.pop(0))
            else:
                status, said = now.answer(self.command, self.path, body)
                if status == 302:
                    number = self.path.split("/")[-2]
                    elsewhere = f"http://localhost:{server.server_port}/blob/{number}"
                    self._send(302, {"Location": elsewhere}, b"")
                else:
                    self._send(status, {}, said)

        def _send(self, status: int, headers: dict[str, str], said: Any) -> None:
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
            text = b"" if status == 204 else text
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            if not isinstance(said, bytes):
                self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_PATCH = _handle  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True

    threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    ).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _page(rows: list[Any], query: dict[str, str]) -> list[Any]:
    size, page = int(query.get("per_page", 30)), int(query.get("page", 1))
    return rows[(page - 1) * size : page * size]
