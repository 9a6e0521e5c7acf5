"""ExUnit. What it prints is for people: its own events decide, where they can be heard.

`mix test` exits 0 if a test halts the BEAM with 0, also after it has printed a summary of another
suite. So a run that carries our formatter (suite_evidence.py) passes only by the event that ends a
suite; printed counts are believed only of runs that cannot carry it.
"""

import re
from dataclasses import dataclass

from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import (
    Facts,
    exception,
    machine_trouble,
    plain,
    short,
)
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Judgement, Verdict, failed, unknown


@dataclass(frozen=True)
class Tally:
    """What ExUnit did: tests that ran, and failed or invalid ones among them."""

    ran: int
    failed: int
    excluded: int


NOTHING = Tally(0, 0, 0)


def tally(output: str) -> Tally | None:
    """Return ExUnit's printed summary; None if there is none or more than one (an umbrella).

    "3 doctests, 94 tests, 0 failures, 2 excluded, 1 invalid, 1 skipped" up to Elixir 1.18, where
    the excluded ones are among the tests; "94 tests, 0 failures (2 excluded)" after it, where they
    are not; "Result: 93 passed, 1 failed" since 1.20.
    """
    text = plain(output)
    old = re.findall(r"^((?:\d+ [a-z]+, )*\d+ failures?(?:[,( ].*)?)$", text, re.MULTILINE)
    if len(old) == 1:
        total = failures = excluded = out = 0
        for number, word in re.findall(r"(\d+) ([a-z]+)", old[0]):
            count = int(number)
            match word:
                case "failure" | "failures" | "invalid":
                    failures += count
                case "excluded":
                    excluded = count
                    out += 0 if f"({number} excluded" in old[0] else count
                case "skipped":
                    out += count
                case _:
                    total += count
        return Tally(total - out, failures, excluded)
    new = re.findall(r"^Result: (.+)$", text, re.MULTILINE)
    if len(new) == 1 and not old:
        counts = {word: int(n) for n, word in re.findall(r"(\d+)(?:/\d+)? ([a-z]+)", new[0])}
        bad = counts.get("failed", 0) + counts.get("invalid", 0)
        return Tally(counts.get("passed", 0) + bad, bad, counts.get("excluded", 0))
    return None


def told(tally: Tally) -> dict[str, str]:
    """Return the facts for a suite that ExUnit says has come to its end."""
    return {"ran": str(tally.ran), "failed": str(tally.failed), "excluded": str(tally.excluded)}


def heard(output: str, facts: Facts) -> Tally | None:
    """Return what ExUnit did: by its events if the run could tell them, else as it prints."""
    if "suites" in facts:
        if facts["suites"] != "1":
            return None
        return Tally(int(facts["ran"]), int(facts["failed"]), int(facts["excluded"]))
    return tally(output)


def read(output: str, code: int, facts: Facts) -> Judgement:
    """Read one `mix test`.

    `files` in the facts is how many test files it was to run; without any, "There are no tests to
    run" is right. `suites` is there if the run carried our formatter: how many suites ended. With
    `partial` it is one of several partitions, of which one may run no test.
    """
    text = plain(output)
    counted = heard(output, facts)
    if counted is None:
        return _without_count(text, code, facts)
    if counted.failed:
        silent = ", and yet mix exits 0" if code == 0 else ""
        return failed(f"{counted.failed} of {counted.ran} tests failed{silent}")
    if not counted.ran and not (code == 0 and "partial" in facts):
        return unknown(f"no test ran ({counted.excluded} excluded)")
    if code == 0:
        if stopped := None if "suites" in facts else mix.why_stopped(text):
            return unknown(stopped)
        return Judgement(Verdict.PASSED, f"{counted.ran} tests")
    if "due to warnings while using the --warnings-as-errors option" in text:
        return failed(f"{counted.ran} tests passed, but their files compile with warnings")
    below = _COVERAGE.search(text)
    if below:
        return failed(f"{counted.ran} tests passed, but: {short(below[0])}")
    raised = exception(text)
    if raised:
        return unknown(f"{counted.ran} tests passed, but then: {raised}")
    return failed(f"exit {code} after {counted.ran} tests without a failure")


_COVERAGE = re.compile(
    r"^FAILED: Expected minimum coverage of .*|^Coverage test failed, threshold not met:.*", re.M
)


def _without_count(text: str, code: int, facts: Facts) -> Judgement:
    stopped = mix.why_stopped(text)
    if stopped:
        return unknown(stopped)
    suites = facts.get("suites", "")
    if suites not in ("", "0", "1"):
        return unknown(f"{suites} test suites ran in one mix test (an umbrella?): not told apart")
    if code == 0 and "There are no tests to run" in text:
        if facts.get("files") == "0":
            return Judgement(Verdict.PASSED, "no test files in this partition")
        there = f", but {facts['files']} files are there" if "files" in facts else ""
        return unknown(f"mix found no tests to run{there}")
    if code == 0:
        if suites == "0":
            return unknown("exit 0 before ExUnit came to the end of the suite")
        return unknown("it does not say how many tests it ran")
    errors = [f for f in mix.find_compilation(text) if f.severity is Severity.ERROR]
    if errors:
        return failed(f"it does not compile: {mix.shown(errors[0])}")
    refused = re.search(r"connection refused|econnrefused", text)
    if refused:
        return unknown("a service did not answer (connection refused); see inv doctor")
    raised = exception(text)
    lost = re.search(r"^Paths given to .+ did not match .+", text, re.MULTILINE)
    trouble = machine_trouble(text) or (short(lost[0]) if lost else "")
    if trouble or raised.startswith("** (Mix)"):
        return unknown(trouble or raised)
    if raised:
        return failed(f"before any test ran: {raised}")
    judgement = mix.told(text, code)
    # Dots are tests, so the suite had begun; without our formatter nothing else tells.
    if code < 126 and (suites or re.search(r"^[.*?]+$", text, re.MULTILINE)):
        return failed(f"exit {code} before ExUnit came to the end of the suite")
    return judgement


def find(output: str) -> list[Finding]:
    """Read ExUnit's failures: the line that failed if it is in the test's file, else the test's.

    Also what keeps test files from compiling, and their warnings where those make it fail.
    """
    strict = "due to warnings while using the --warnings-as-errors option" in output
    compiled = [
        finding
        for finding in mix.find_compilation(output)
        if finding.file and (strict or finding.severity is Severity.ERROR)
    ]
    head = (
        r"^ +\d+\) (.+) \(([\w.]+)\)\n +(\S.*\.exs?):(\d+)\n((?:.*\n)*?)"
        r"(?=\n\n|\n +\d+\) |\n\S|\Z)"
    )
    found = []
    for name, module, file, line, body in re.findall(head, output, re.MULTILINE):
        inside = re.search(rf"^ +(?:\(.+\) )?{re.escape(file)}:(\d+): ", body, re.MULTILINE)
        first = next((text.strip() for text in body.splitlines() if text.strip()), "")
        message = f"{name} ({module}): {first}" if first else f"{name} ({module})"
        number = int(inside[1] if inside else line)
        found.append(Finding(file, number, 0, Severity.ERROR, message))
    return [*compiled, *found, *_never_set_up(output)]


def _never_set_up(output: str) -> list[Finding]:
    """Read the modules whose setup_all failed: the first line of theirs in its trace."""
    head = (
        r"^ +\d+\) ([\w.]+): failure on setup_all callback.*\n((?:.+\n)*?)"
        r"(?: +stacktrace:\n((?: .+\n)*))?(?=\n|\S|\Z)"
    )
    found = []
    for module, body, trace in re.findall(head, output, re.MULTILINE):
        place = re.search(r"^ +(\S+\.exs):(\d+): ", trace, re.MULTILINE)
        file, line = (place[1], int(place[2])) if place else ("", 0)
        first = next((text.strip() for text in body.splitlines() if text.strip()), "")
        text = f"setup_all of {module}: {first}" if first else f"setup_all of {module} failed"
        found.append(Finding(file, line, 0, Severity.ERROR, text))
    return found
