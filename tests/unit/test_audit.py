"""`inv audit` says passed only of pins that somebody has really judged."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipeline import audit
from pipeline.audit import Audit
from pipeline.errors import ExitCode

HASH = "0" * 64
ADVISORY = {
    "id": "GHSA-8r7q-cvjq-x353",
    "aliases": ["CVE-2014-1402"],
    "summary": "a cache directory that others can write",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.7.2"}]}],
            "versions": ["2.4.1"],
        }
    ],
}


class Osv(BaseHTTPRequestHandler):
    """Answers as OSV.dev does: jinja2 2.4.1 is known to be vulnerable."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        is_bad = (asked["package"]["name"], asked["version"]) == ("jinja2", "2.4.1")
        body = json.dumps({"vulns": [ADVISORY]} if is_bad else {}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def osv(tmp_path: Path) -> Iterator[list[str]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Osv)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/query"
    yield ["--vulnerability-service=osv", f"--osv-url={url}", f"--cache-dir={tmp_path}/cache"]
    server.shutdown()
    server.server_close()


def lock(tmp_path: Path, *pins: str) -> Path:
    path = tmp_path / "run.txt"
    path.write_text("".join(f"{pin} --hash=sha256:{HASH}\n" for pin in pins))
    return path


def test_real_pip_audit_names_package_advisory_and_fix(tmp_path: Path, osv: list[str]):
    found = audit.run([lock(tmp_path, "jinja2==2.4.1", "rich==14.0.0")], osv)
    assert found == [
        Audit(
            "run.txt",
            2,
            ("jinja2 2.4.1: CVE-2014-1402 (GHSA-8r7q-cvjq-x353), fixed in 2.7.2",),
        )
    ]
    assert audit.code(found) == ExitCode.CHECK_FAILED
    assert audit.described(found[0]).startswith("failed   run.txt: 2 pins judged\n")


def test_pins_that_were_judged_and_are_clean_pass(tmp_path: Path, osv: list[str]):
    found = audit.run([lock(tmp_path, "rich==14.0.0")], osv)
    assert found == [Audit("run.txt", 1)]
    assert audit.code(found) == ExitCode.DONE


def test_service_that_does_not_answer_is_unknown(tmp_path: Path, osv: list[str]):
    away = [*osv[:1], "--osv-url=http://127.0.0.1:9/v1/query", *osv[2:]]
    found = audit.run([lock(tmp_path, "rich==14.0.0")], away)
    assert found[0].judged == 0
    assert found[0].unknown
    assert audit.code(found) == ExitCode.UNKNOWN


# pip-audit 2.10.1 behind an index that has no JSON API: exit 0, "No known vulnerabilities found".
SKIPPED = {"name": "anyio", "skip_reason": "Dependency not found on PyPI"}
GOOD = {"name": "rich", "version": "14.0.0", "vulns": []}
BAD = {
    "name": "jinja2",
    "version": "2.4.1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": [], "aliases": []}],
}


@pytest.mark.parametrize(
    ("dependencies", "exit_code", "verdict"),
    [
        ([SKIPPED], 0, ExitCode.UNKNOWN),
        ([GOOD, SKIPPED], 0, ExitCode.UNKNOWN),
        ([BAD, SKIPPED], 1, ExitCode.CHECK_FAILED),
        ([], 0, ExitCode.UNKNOWN),
        ([GOOD], 1, ExitCode.UNKNOWN),
        ([GOOD], 0, ExitCode.DONE),
    ],
)
def test_what_was_skipped_is_not_judged(
    dependencies: list[dict[str, object]], exit_code: int, verdict: ExitCode
):
    found = audit.judge("run.txt", exit_code, json.dumps({"dependencies": dependencies}), "")
    assert audit.code([found]) == verdict


def test_lock_files_of_this_project_are_found():
    assert {"dev.txt", "run.txt"} <= {path.name for path in audit.locks()}
    assert audit.code([]) == ExitCode.UNKNOWN
