"""From what a tool printed and its exit code to a verdict: pure functions.

They exist because green lies: research/checks.md section 0 lists how each of these tools exits 0
without having found out anything. A reader is only asked about programs that ended by themselves.
`facts` are what the row's `evidence` gathered beside the output (pipeline/checks/evidence.py).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pipeline.checks.verdicts import PASSED, Judgement, Verdict, failed, unknown
from pipeline.output import is_cut

Facts: TypeAlias = Mapping[str, str]
Reader: TypeAlias = Callable[[str, int, Facts], Judgement]

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LEVELS = ("low", "medium", "high")


def plain(text: str) -> str:
    """Return the text without ANSI escape sequences."""
    return _ANSI.sub("", text)


def by_exit_code(_output: str, code: int, _facts: Facts) -> Judgement:
    """0 is a pass; a shell's codes for "could not run" and "killed" are unknown."""
    if code == 0:
        return PASSED
    if code in (126, 127):
        return unknown(f"exit {code}: the program it calls is missing or not executable")
    if code > 128:
        return unknown(f"exit {code}: killed by signal {code - 128}")
    return failed(f"exit {code}")


def npm(output: str, code: int, facts: Facts) -> Judgement:
    """Read an npm script, which passes on the exit code of the tool it calls."""
    if re.search(r"^No tests found", plain(output), re.MULTILINE):
        return unknown("jest found no tests")
    return by_exit_code(output, code, facts)


def mix(output: str, code: int, facts: Facts) -> Judgement:
    """Read any mix task: what keeps mix from getting to its task at all is unknown."""
    text = plain(output)
    for pattern, reason in _MIX_DID_NOT_RUN:
        if re.search(pattern, text, re.MULTILINE):
            return unknown(reason)
    return by_exit_code(output, code, facts)


_MIX_DID_NOT_RUN = (
    (r"^Unchecked dependencies for environment", "dependencies are not fetched; mix deps.get"),
    (r"^Could not find Hex", "Hex is not installed; mix local.hex --force"),
    (r'The task "[^"]+" could not be found', "this mix task does not exist in the application"),
    # A BEAM that is told to go exits 0.
    (r"SIGTERM received - shutting down", "somebody ended it with SIGTERM"),
    (r"^BREAK: \(a\)bort", "somebody ended it with SIGINT"),
)


def compilation(output: str, code: int, facts: Facts) -> Judgement:
    """Read mix compile --warnings-as-errors: warnings are told from errors."""
    judgement = mix(output, code, facts)
    if judgement.verdict is Verdict.FAILED and "Compilation failed due to warnings" in output:
        return failed("it compiles with warnings")
    if judgement.verdict is Verdict.FAILED and re.search(r"[Cc]ompilation error", output):
        return failed("it does not compile")
    return judgement


def formatting(output: str, code: int, facts: Facts) -> Judgement:
    """Read mix format --check-formatted, which lists the files."""
    judgement = mix(output, code, facts)
    _, found, listed = output.partition("files are not formatted")
    files = len(re.findall(r"^  \* ", listed, re.MULTILINE))
    if judgement.verdict is not Verdict.FAILED or not (found and files):
        return judgement
    return failed("1 file is not formatted" if files == 1 else f"{files} files are not formatted")


def credo(output: str, code: int, facts: Facts) -> Judgement:
    """Read credo: the exit code is a sum of categories, from 128 on it could not do its work."""
    if code >= 128:
        return unknown(f"exit {code}: credo could not do its work")
    judgement = mix(output, code, facts)
    if code == 0 and re.search(r"^No files found!|^Checking 0 ", plain(output), re.MULTILINE):
        return unknown("credo found no files to look at")
    if judgement.verdict is not Verdict.FAILED:
        return judgement
    kinds = ("consistency", "design", "readability", "refactoring", "warnings")
    bits = (1, 2, 4, 8, 16)
    named = [kind for kind, bit in zip(kinds, bits, strict=True) if code & bit]
    return failed(", ".join(named) or f"exit {code}")


def dialyzer(output: str, code: int, facts: Facts) -> Judgement:
    """Read dialyxir: 2 means warnings, 1 that it could not do its work or has unused filters."""
    judgement = mix(output, code, facts)
    if judgement.verdict is not Verdict.FAILED or code == 2:
        return judgement
    if re.search(r"unused filter", output, re.IGNORECASE):
        return failed("unused filters")
    return unknown(f"exit {code}: dialyzer could not do its work")


def deps_audit(output: str, code: int, facts: Facts) -> Judgement:
    """Read mix_audit, which finds nothing and exits 0 when it cannot fetch its advisories.

    `advisories` in the facts is how many of them lie on this machine.
    """
    text = plain(output)
    judgement = mix(output, code, facts)
    if judgement.verdict is Verdict.UNKNOWN:
        return judgement
    # git's own words, on the clone or the pull that mix_audit never looks at.
    trouble = re.search(r"^(?:fatal|error): .*", text, re.MULTILINE)
    if code == 0 and trouble:
        return unknown(f"the advisories could not be fetched ({trouble[0]})")
    if code == 0 and facts.get("advisories", "0") == "0":
        return unknown("there are no advisories on this machine to compare with")
    if code == 0 and is_cut(output):
        return unknown("it printed too much to be read whole")
    if code == 0 and "No vulnerabilities found" not in text:
        return unknown("it does not say that it found no vulnerabilities")
    if code and "Vulnerabilities found" not in text and trouble:
        return unknown(f"the advisories could not be fetched ({trouble[0]})")
    return judgement


def sobelow(output: str, code: int, facts: Facts) -> Judgement:
    """Read sobelow, which exits 0 with findings unless .sobelow-conf has an `exit:`.

    `conf` in the facts is that file's text. Without `exit:` every finding that it prints counts,
    and it prints those from `threshold:` on.
    """
    text = plain(output)
    if "does not appear to be a Phoenix application" in text:
        return unknown("sobelow found no Phoenix application here")
    judgement = mix(output, code, facts)
    if judgement.verdict is not Verdict.PASSED:
        found = _confidences(text)
        return failed(_counted(found)) if code == 1 and found else judgement
    if "SCAN COMPLETE" not in text:
        return unknown("sobelow does not say that its scan is complete")
    conf = facts.get("conf", "")
    limit = _level(conf, "exit") or _level(conf, "threshold") or "low"
    found = _confidences(text)
    counting = [level for level in found if _LEVELS.index(level) >= _LEVELS.index(limit)]
    if counting:
        return failed(_counted(counting))
    if is_cut(output):
        return unknown("it printed too much to be read whole: findings may be among what is not")
    return Judgement(Verdict.PASSED, f"{_counted(found)}, below {limit}" if found else "")


def _confidences(text: str) -> list[str]:
    found = re.findall(r"- (High|Medium|Low|Green|Yellow|Red)\b(?: Confidence)?\s*$", text, re.M)
    return [level.lower() for level in found if level.lower() in _LEVELS]


def _level(conf: str, key: str) -> str:
    match = re.search(rf'^\s*{key}:\s*:?"?(\w+)', conf, re.MULTILINE)
    return match[1].lower() if match and match[1].lower() in _LEVELS else ""


def _counted(levels: list[str]) -> str:
    counts = ((level, levels.count(level)) for level in reversed(_LEVELS))
    return ", ".join(f"{count} {level}-confidence" for level, count in counts if count)


@dataclass(frozen=True)
class Tally:
    """What ExUnit says it did: tests that ran, and failed or invalid ones among them."""

    ran: int
    failed: int
    excluded: int


def tally(output: str) -> Tally | None:
    """Return ExUnit's own summary; None if there is none or more than one (an umbrella).

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


def exunit(output: str, code: int, facts: Facts) -> Judgement:
    """Read one `mix test`. `files` in the facts is how many test files it was to run.

    A pass that reports no count is no pass. Without files, "There are no tests to run" is right.
    """
    judgement = mix(output, code, facts)
    if judgement.verdict is Verdict.UNKNOWN:
        return judgement
    counted = tally(output)
    nothing = counted is None and "There are no tests to run" in output
    if code == 0 and nothing:
        if facts.get("files") == "0":
            return Judgement(Verdict.PASSED, "no test files fall to it")
        return unknown(f"mix found no tests to run, but {facts.get('files', '?')} files are there")
    if counted is None:
        if code == 0:
            return unknown("it does not say how many tests it ran")
        refused = re.search(r"connection refused|econnrefused", output)
        if refused:
            return unknown("a service did not answer (connection refused); see inv doctor")
        return failed(f"exit {code} before any test ran")
    if code == 0 and counted.failed:
        return failed(f"{counted.failed} of {counted.ran} tests failed, and yet mix exits 0")
    if code == 0:
        return Judgement(Verdict.PASSED, f"{counted.ran} tests")
    if counted.failed:
        return failed(f"{counted.failed} of {counted.ran} tests failed")
    return failed(f"exit {code} after {counted.ran} tests without a failure")
