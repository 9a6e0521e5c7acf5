"""Sandbox stand-in for curl, for machines without it: -m, -w, -o (one a URL), --fail-early."""

import sys
import urllib.error
import urllib.request
from urllib.parse import urlsplit

words = sys.argv[1:]
limit = float(words[words.index("-m") + 1]) if "-m" in words else 60
said = words[words.index("-w") + 1].replace("\\n", "\n") if "-w" in words else ""
ended = 0
silenced = words.count("-o")
for url in (word for word in words if word.startswith("http")):
    code, body = 0, b""
    try:
        with urllib.request.urlopen(url, timeout=limit) as answer:  # noqa: S310  (http, from us)
            code, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        code, body = error.code, error.read()
    except OSError:
        code = 0  # no answer: reported as curl does, by http_code 000 and exit 7
    if silenced > 0:
        silenced -= 1
    else:
        sys.stdout.write(body.decode("utf-8", "replace"))
    here = "127.0.0.1" if code else ""
    values = {"http_code": f"{code:03}", "local_ip": here, "remote_ip": here}
    text = said.replace("%{remote_port}", str(urlsplit(url).port or 80))
    for name, value in values.items():
        text = text.replace(f"%{{{name}}}", value)
    sys.stdout.write(text)
    ended = 0 if code else 7
    if ended and "--fail-early" in words:
        break
sys.exit(ended)
