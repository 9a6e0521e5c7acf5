"""The miniature release's web server: /api/health and /api/system, on PORT."""

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ROOT = Path(sys.argv[1])
VERSION, COMMIT, FAULTS = ((ROOT / name).read_text() for name in ("version", "commit", "faults"))
ILL = "health" in FAULTS


class Handler(BaseHTTPRequestHandler):
    """Answers as Qusto does."""

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: one line per health probe would bury what matters."""

    def do_GET(self) -> None:
        """Answer one request."""
        answers = {
            "/api/health": (
                500 if ILL else 200,
                {"postgres": "ok", "clickhouse": "ok", "sites_cache": None if ILL else "ok"},
            ),
            "/api/system": (200, {"build": {"version": VERSION, "commit": COMMIT}}),
        }
        code, answer = answers.get(self.path, (404, {"error": "not found"}))
        text = json.dumps(answer).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
