"""Sobelow. It exits 0 with findings unless told otherwise, and skips silently what it cannot read.

It is asked for JSON; up to 0.14.0 a .sobelow-conf overrules that, so all its formats are read.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipeline import asking, mix_program
from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import (
    Document,
    Facts,
    counted,
    document,
    listed,
    number,
    objects,
    plain,
)
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown
from pipeline.output import is_cut

MACHINE = ("--format", "json")
"""What makes it print for us."""

_LEVELS = ("low", "medium", "high")
_KEYS = ("total_findings", "runs")


def read(output: str, code: int, facts: Facts) -> Judgement:
    """Read sobelow. `conf` in the facts is the text of .sobelow-conf.

    Without `exit:` every finding counts that it prints, which are those from `threshold:` on.
    `unparsed` in the facts are the sources that it skips, since they are no Elixir; `parsed` says
    whether that is known.
    """
    text = plain(output)
    if "does not appear to be a Phoenix application" in text:
        return unknown("sobelow found no Phoenix application here")
    conf = facts.get("conf", "")
    levels = _confidences(text)
    limit = _level(conf, "exit")
    least = _LEVELS.index(limit or "low")
    counting = [level for level in levels if _LEVELS.index(level) >= least]
    # Compact, quiet and flycheck do not tell how sure it is, but the exit code does.
    unsure = 0 if levels else _unsure(text)
    gaps = _gaps(text, facts)
    also = f"; {gaps}" if gaps else ""
    if counting or (levels and code == 1):
        return failed(_summary(text, counting or levels) + also)
    if unsure and (code == 1 or not limit):
        return failed(counted(unsure, "finding") + also)
    if code == 1 and not text.strip():
        where = re.search(r'^\s*\[?\s*out:\s*"([^"]+)"', conf, re.MULTILINE)
        if where:
            return failed(f"findings, which it wrote to {where[1]}")
    judgement = mix.told(output, code)
    if judgement.verdict is not Verdict.PASSED:
        return judgement
    if not (document(text, *_KEYS) or "SCAN COMPLETE" in text):
        return unknown(_unfinished(conf))
    if is_cut(output):
        return unknown("it printed too much to be read whole: findings may be among what is not")
    if gaps:
        return unknown(gaps)
    return Judgement(Verdict.PASSED, f"{_summary(text, levels)}, below {limit}" if levels else "")


def _unfinished(conf: str) -> str:
    silent = re.search(r'^\s*(?:format:\s*"(?:compact|quiet|flycheck)"|out:\s*"[^"]+")', conf, re.M)
    if silent:
        setting = " ".join(silent[0].split())
        return f"with `{setting}` in .sobelow-conf sobelow does not say that its scan is complete"
    return "sobelow does not say that its scan is complete"


def _gaps(text: str, facts: Facts) -> str:
    """Return what it did not look at."""
    gaps = []
    if "Sobelow cannot find the router" in text:
        gaps.append("sobelow cannot find the router, so its checks of routes did not run")
    if "Web directory was not found" in text:
        gaps.append("sobelow did not find the sources (lib or web)")
    skipped = facts.get("unparsed", "").split("\n") if facts.get("unparsed") else []
    if facts.get("parsed") == "no":
        gaps.append("Elixir does not say which sources sobelow skips as it cannot parse them")
    if skipped:
        gaps.append(f"sobelow skips what it cannot parse: {listed(skipped)}")
    return "; ".join(gaps)


def _confidences(text: str) -> list[str]:
    """Return the level of each finding, of the formats that tell it."""
    said = document(text, *_KEYS)
    if said:
        return [level for level, _ in _in_json(said)]
    found = re.findall(r"- (High|Medium|Low|Green|Yellow|Red)\b(?: Confidence)?\s*$", text, re.M)
    return [level.lower() for level in found if level.lower() in _LEVELS]


def _unsure(text: str) -> int:
    quiet = re.search(r"^Sobelow: (\d+) findings? found", text, re.MULTILINE)
    return int(quiet[1]) if quiet else len(find(text))


def _level(conf: str, key: str) -> str:
    match = re.search(rf'^\s*\[?\s*{key}:\s*:?"?(\w+)', conf, re.MULTILINE)
    return match[1].lower() if match and match[1].lower() in _LEVELS else ""


def _summary(text: str, levels: list[str]) -> str:
    if document(text, "runs"):
        return counted(len(levels), "finding")
    counts = ((level, levels.count(level)) for level in reversed(_LEVELS))
    return ", ".join(f"{count} {level}-confidence" for level, count in counts if count)


def find(output: str) -> list[Finding]:
    """Read json and sarif, else txt, compact and flycheck. High confidence is an error."""
    said = document(output, *_KEYS)
    if said:
        return [finding for _, finding in _in_json(said)]
    block = re.compile(
        r"^(\S+: .+) - (High|Medium|Low) Confidence\s*\n(?:File: (.+)\n(?:Line: (\d+))?)?", re.M
    )
    found = [_finding(m[3] or "", int(m[4] or 0), m[1], m[2]) for m in block.finditer(output)]
    compact = re.compile(r"^\[\+\] (\w[\w.]*: .+?)(?: - ([^\s:]+)(?::(\d+))?)?$", re.MULTILINE)
    found += [_finding(m[2] or "", int(m[3] or 0), m[1], "") for m in compact.finditer(output)]
    flycheck = re.compile(r"^([^\s:]+):(\d+): ([A-Z]\w*\.\w+: .+)$", re.MULTILINE)
    return found + [_finding(m[1], int(m[2]), m[3], "") for m in flycheck.finditer(output)]


def _finding(file: str, line: int, text: str, level: str) -> Finding:
    severity = Severity.WARNING if level.lower() in ("low", "medium") else Severity.ERROR
    sure = f" ({level.lower()} confidence)" if level else ""
    return Finding(file.strip(), line, 0, severity, f"{text}{sure}")


def _in_json(said: Document) -> list[tuple[str, Finding]]:
    """Return level and finding of each entry of json or sarif."""
    runs = objects(said.content.get("runs"))
    if runs:
        # Sobelow writes both medium and low as "warning" there; its exit code tells them apart.
        return [
            ("high" if entry.get("level") == "error" else "low", _from_sarif(entry))
            for run in runs
            for entry in objects(run.get("results"))
        ]
    found = said.content.get("findings")
    if not isinstance(found, dict):
        return []
    return [
        (
            level,
            _finding(
                str(e.get("file") or ""), number(e.get("line")), str(e.get("type") or ""), level
            ),
        )
        for level in reversed(_LEVELS)
        for e in objects(found.get(f"{level}_confidence"))
    ]


def _from_sarif(entry: Mapping[str, Any]) -> Finding:
    place: dict[str, Any] = next(iter(objects(entry.get("locations"))), {})
    physical = place.get("physicalLocation") or {}
    artifact, region = physical.get("artifactLocation") or {}, physical.get("region") or {}
    text = str((entry.get("message") or {}).get("text") or "")
    sure = "high" if entry.get("level") == "error" else ""
    found = _finding(str(artifact.get("uri") or ""), number(region.get("startLine")), text, sure)
    return found if sure else replace(found, severity=Severity.WARNING)


def show(output: str) -> str:
    """Return the output with the JSON as lines for people."""
    said = document(output, *_KEYS)
    if not said:
        return output
    lines = [
        f"{f.file or '(no file)'}{f':{f.line}' if f.line else ''}: {f.message}"
        for _, f in _in_json(said)
    ]
    total = counted(len(lines), "finding") if lines else "no findings"
    return said.replaced([*lines, total])


_PARSE = (
    'for f <- Path.wildcard("{lib,web}/**/*.ex"), not String.contains?(f, "/mix/tasks/"), '
    "match?({:error, _}, Code.string_to_quoted(File.read!(f), emit_warnings: false)), "
    'do: IO.puts("UNPARSED " <> f); IO.puts("PARSED")'
)


def sources(app: Path, environ: Mapping[str, str]) -> Facts:
    """Return the text of .sobelow-conf, and the sources that are no Elixir, one a line."""
    path = app / ".sobelow-conf"
    conf = path.read_text("utf-8", "replace") if path.is_file() else ""
    own = mix_program.is_elixirs_own(environ.get("PATH"))
    said = asking.answer(environ, *(("elixir", "-e") if own else mix.EVAL), _PARSE, cwd=app)
    names = re.findall(r"^UNPARSED (.+)$", said, re.MULTILINE)
    told = re.search(r"^PARSED$", said, re.MULTILINE) is not None
    return {"conf": conf, "unparsed": "\n".join(names), "parsed": "yes" if told else "no"}
