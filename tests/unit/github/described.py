"""A server that holds us to GitHub's own description of its API (@octokit/openapi, by Prism).

Prism stands in front of a small GitHub of ours (hub.py): each request and each answer that does not
fit the description becomes an error. The description is cut to what we call, so Prism starts soon.
"""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import PROJECT

PACKAGES = PROJECT / "tests" / "schemas" / "node_modules"
DESCRIPTION = PACKAGES / "@octokit/openapi/generated/api.github.com.json"
PRISM = PACKAGES / "@stoplight/prism-cli/dist/index.js"

REPOSITORY = "/repos/{owner}/{repo}"
CALLED = {
    f"{REPOSITORY}": ("get",),
    f"{REPOSITORY}/rulesets": ("get", "post"),
    f"{REPOSITORY}/rulesets/{{ruleset_id}}": ("get", "put"),
    f"{REPOSITORY}/branches/{{branch}}": ("get",),
    f"{REPOSITORY}/commits/{{ref}}/check-runs": ("get",),
    f"{REPOSITORY}/commits/{{ref}}/status": ("get",),
    f"{REPOSITORY}/environments/{{environment_name}}": ("get",),
    f"{REPOSITORY}/environments/{{environment_name}}/secrets": ("get",),
    f"{REPOSITORY}/environments/{{environment_name}}/secrets/public-key": ("get",),
    f"{REPOSITORY}/environments/{{environment_name}}/secrets/{{secret_name}}": ("put",),
    f"{REPOSITORY}/environments/{{environment_name}}/variables": ("get", "post"),
    f"{REPOSITORY}/environments/{{environment_name}}/variables/{{name}}": ("get", "patch"),
    f"{REPOSITORY}/actions/secrets": ("get",),
    f"{REPOSITORY}/actions/secrets/public-key": ("get",),
    f"{REPOSITORY}/actions/secrets/{{secret_name}}": ("put",),
    f"{REPOSITORY}/actions/variables": ("get", "post"),
    f"{REPOSITORY}/actions/variables/{{name}}": ("get", "patch"),
    f"{REPOSITORY}/actions/organization-secrets": ("get",),
    f"{REPOSITORY}/actions/organization-variables": ("get",),
    f"{REPOSITORY}/actions/runs": ("get",),
    f"{REPOSITORY}/actions/runs/{{run_id}}": ("get",),
    f"{REPOSITORY}/actions/runs/{{run_id}}/jobs": ("get",),
    f"{REPOSITORY}/actions/jobs/{{job_id}}/logs": ("get",),
    f"{REPOSITORY}/actions/workflows/{{workflow_id}}/runs": ("get",),
    f"{REPOSITORY}/actions/workflows/{{workflow_id}}/dispatches": ("post",),
    f"{REPOSITORY}/actions/cache/usage": ("get",),
    f"{REPOSITORY}/actions/caches": ("get",),
    f"{REPOSITORY}/codeowners/errors": ("get",),
    f"{REPOSITORY}/collaborators": ("get",),
    f"{REPOSITORY}/keys": ("get",),
    f"{REPOSITORY}/releases/latest": ("get",),
    "/orgs/{org}": ("get",),
}
"""What we call: path → methods. A call of anything else is an error."""

needed = pytest.mark.needs("node", "tests/schemas")


@cache
def description() -> dict[str, Any]:
    """Return GitHub's description, cut to CALLED."""
    whole = json.loads(DESCRIPTION.read_text("utf-8"))
    kept = {key: whole[key] for key in ("openapi", "info")} | {"servers": [{"url": "/"}]}
    kept["paths"] = {
        path: {
            method: item
            for method, item in whole["paths"][path].items()
            if method in (*methods, "parameters")
        }
        for path, methods in CALLED.items()
    }
    components: dict[str, dict[str, Any]] = {}
    todo = list(_references(kept["paths"]))
    while todo:
        _, _, group, name = todo.pop().split("/")
        if name not in components.setdefault(group, {}):
            components[group][name] = whole["components"][group][name]
            todo += _references(components[group][name])
    return {**kept, "components": components}


def example(schema: str, **changes: Any) -> dict[str, Any]:
    """Return GitHub's own example of a component, or the first of a list, with `changes`."""
    found = description()["components"]["examples"][schema]["value"]
    found = found[0] if isinstance(found, list) else found
    return {**json.loads(json.dumps(found)), **changes}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


@contextmanager
def prism(upstream: str, directory: Path) -> Iterator[str]:
    """Yield the address of a Prism that checks what goes to `upstream` and back."""
    file = directory / "github.json"
    file.write_text(json.dumps(description()), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = directory / "prism.log"
    argv = ["node", str(PRISM), "proxy", str(file), upstream, "--errors"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*argv, "-h", "127.0.0.1", "-p", str(port)], stdout=out, stderr=out
        )
    try:
        _wait(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    limit = time.monotonic() + 180
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < limit, log.read_text()
            time.sleep(0.1)
