"""Sandbox stand-in for curl, for machines without it: -m, -w, -o, -f and --fail-early."""

import sys
import urllib.error
import urllib.request

FIRST_ERROR = 400
words = sys.argv[1:]
limit = float(words[words.index("-m") + 1]) if "-m" in words else 60
said = words[words.index("-w") + 1].replace("\\n", "\n") if "-w" in words else ""
ended = 0
for url in (word for word in words if word.startswith("http")):
    code, body = 0, b""
    try:
        with urllib.request.urlopen(url, timeout=limit) as answer:  # noqa: S310  (http, from us)
            code, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, body = error.code, error.read()
    except OSError:
        code = 0  # no answer: reported as curl does, by http_code 000 and exit 7
    if "-o" not in words:
        sys.stdout.write(body.decode("utf-8", "replace"))
    sys.stdout.write(said.replace("%{http_code}", f"{code:03}"))
    failing = any(word.startswith("-f") for word in words) and code >= FIRST_ERROR
    ended = 22 if failing else 0 if code else 7
    if ended and "--fail-early" in words:
        break
sys.exit(ended)
