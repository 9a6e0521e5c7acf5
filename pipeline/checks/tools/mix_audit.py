"""mix_audit: finds nothing and exits 0 if it cannot fetch its advisories, and mostly with findings.

It ends with System.stop(1), which does not wait: 15 of 16 recorded runs with vulnerabilities exit
with 0. So its words decide, or its JSON, for which it is asked.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import Facts, counted, document, listed, objects, plain, short
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown
from pipeline.output import is_cut

MACHINE = ("--format", "json")
"""What makes it print for us."""

_KEYS = ("pass", "vulnerabilities")


def read(output: str, code: int, facts: Facts) -> Judgement:
    """Read mix deps.audit. `advisories` in the facts is how many of them lie on this machine."""
    text = plain(output)
    stopped = mix.why_stopped(text)
    if stopped:
        return unknown(stopped)
    found = find(text)
    said = document(text, *_KEYS)
    bad = "Vulnerabilities found!" in text or (
        said is not None and said.content.get("pass") is False
    )
    if found or bad:
        return failed(_summary(found) if found else "vulnerabilities, which it does not name")
    # git's own words, on the clone or the pull that mix_audit never looks at.
    trouble = re.search(r"^(?:fatal|error): .*", text, re.MULTILINE)
    if trouble:
        return unknown(f"the advisories could not be fetched ({short(trouble[0])})")
    judgement = mix.told(output, code)
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    if facts.get("advisories", "0") == "0":
        return unknown("there are no advisories on this machine to compare with")
    if is_cut(output):
        return unknown("it printed too much to be read whole")
    if "No vulnerabilities found" not in text and not (said and said.content.get("pass") is True):
        return unknown("it does not say that it found no vulnerabilities")
    return judgement


def _summary(found: list[Finding]) -> str:
    packages = dict.fromkeys(" ".join(finding.message.split()[:2]).rstrip(":") for finding in found)
    total = counted(len(found), "vulnerability", "vulnerabilities")
    return f"{total}: {listed(list(packages), 5)}"


def find(output: str) -> list[Finding]:
    """Read its JSON, else the blocks of its human format; the place is the lock file it names."""
    said = document(output, *_KEYS)
    if said:
        return [
            _finding(entry) for entry in map(_flat, objects(said.content.get("vulnerabilities")))
        ]
    blocks = re.findall(r"^Name: .+(?:\n[A-Z][\w ]*: .*)*", output, re.MULTILINE)
    return [
        _finding(dict(line.split(": ", 1) for line in b.splitlines() if ": " in line))
        for b in blocks
    ]


def _flat(vulnerability: Mapping[str, Any]) -> dict[str, str]:
    """Return an entry of the JSON with the names of the human format."""
    advisory = vulnerability.get("advisory")
    dependency = vulnerability.get("dependency")
    told = advisory if isinstance(advisory, dict) else {}
    locked = dependency if isinstance(dependency, dict) else {}
    return {
        "Name": str(locked.get("package") or ""),
        "Version": str(locked.get("version") or ""),
        "Lockfile": str(locked.get("lockfile") or ""),
        "URL": str(told.get("url") or ""),
        "Title": str(told.get("title") or ""),
        "Severity": str(told.get("severity") or ""),
        "Vulnerable versions": _versions(told.get("vulnerable_version_ranges")),
        "First patched versions": _versions(told.get("first_patched_versions")),
    }


def _versions(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) and value else "NONE"


def _finding(entry: Mapping[str, str]) -> Finding:
    known = {name: " ".join(text.split()) for name, text in entry.items()}
    severity = f"{known['Severity']}, " if known.get("Severity") else ""
    text = (
        f"{known.get('Name', '')} {known.get('Version', '')}: {known.get('Title', '')} "
        f"({severity}{known.get('URL', '')}); vulnerable: {known.get('Vulnerable versions', '')}; "
        f"patched: {known.get('First patched versions', '')}"
    )
    return Finding(known.get("Lockfile", ""), 0, 0, Severity.ERROR, text)


def show(output: str) -> str:
    """Return the output with the JSON in the words of the human format."""
    said = document(output, *_KEYS)
    if not said:
        return output
    lines = []
    for entry in map(_flat, objects(said.content.get("vulnerabilities"))):
        lines += [*(f"{name}: {text}" for name, text in entry.items()), ""]
    safe = said.content.get("pass") is True
    return said.replaced(
        [*lines, "No vulnerabilities found." if safe else "Vulnerabilities found!"]
    )


def advisories(_app: Path, environ: Mapping[str, str]) -> Facts:
    """Return how many advisories mix_audit has on this machine.

    It clones them to this one directory on every system (mix_audit 2.1.5, MixAudit.Repo.path/0).
    """
    home = Path(environ.get("HOME") or Path.home())
    clone = home / ".local/share/elixir-security-advisories-mirego/packages"
    return {"advisories": str(sum(1 for _ in clone.rglob("*.yml")) if clone.is_dir() else 0)}
