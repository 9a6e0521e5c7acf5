"""What the test runners of npm packages say: how many tests passed, failed or were skipped."""

import re
from dataclasses import dataclass

from pipeline.checks.findings import Finding, Severity


@dataclass(frozen=True)
class Count:
    """The sums over all summaries in an output; `failed` also counts what could not be run."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def ran(self) -> int:
        """Tests with a result."""
        return self.passed + self.failed


_FAILED = frozenset(
    {"failed", "failing", "fail", "cancelled", "error", "errors", "interrupted", "FAILED"}
    | {"timed out", "did not run"}
)
_PASSED = frozenset({"passed", "passing", "pass", "flaky"})
_SKIPPED = frozenset({"skipped", "skip", "todo", "pending"})


def count(text: str) -> Count | None:
    """Return what the runners in this output say; None if none of them says anything.

    jest, vitest, mocha, ava, node:test, tape, bun, playwright, jasmine, karma.
    """
    said = [*_lists(text), *_lines(text)]
    if not said:
        return None
    sums = {
        kind: sum(number for number, word in said if word in words)
        for kind, words in (("passed", _PASSED), ("failed", _FAILED), ("skipped", _SKIPPED))
    }
    if not sums["failed"]:
        sums["failed"] = _without_a_test(text)
    return Count(**sums)


def _lists(text: str) -> list[tuple[int, str]]:
    """Read summaries of one line: those of jest, vitest, jasmine and karma.

    `Tests:       2 failed, 3 total` and `      Tests  1 failed | 2 passed (3)`.
    """
    said = []
    for line in re.findall(r"^Tests: +(.+ total)$|^ *Tests +(\d.*)\(\d+\)$", text, re.MULTILINE):
        said += re.findall(r"(\d+) ([a-z]+)", line[0] or line[1])
    for specs, failures in re.findall(r"^(\d+) specs?, (\d+) failures?", text, re.MULTILINE):
        said += [(str(int(specs) - int(failures)), "passed"), (failures, "failed")]
    for ran, bad in re.findall(
        r"Executed (\d+) of \d+ ?(?:\((\d+) FAILED\))?[^\r\n]*$", text, re.M
    )[-1:]:
        said += [(str(int(ran) - int(bad or 0)), "passed"), (bad or "0", "failed")]
    return [(int(number), word) for number, word in said]


def _lines(text: str) -> list[tuple[int, str]]:
    """Read summaries of one line for each kind of result."""
    said = re.findall(r"^ +(\d+) (passing|failing|pending)(?: \(.+\))?$", text, re.MULTILINE)
    said += re.findall(r"^ +(\d+) tests? (passed|failed|skipped|todo)$", text, re.MULTILINE)
    said += [
        (number, word)
        for word, number in re.findall(
            r"^(?:#|\u2139) (pass|fail|cancelled|skipped|todo) +(\d+)$", text, re.MULTILINE
        )
    ]
    if re.search(r"^Ran \d+ tests? across ", text, re.MULTILINE):
        said += re.findall(r"^ *(\d+) (pass|fail|skip|todo|errors?)$", text, re.MULTILINE)
    if re.search(r"^Running \d+ tests? using \d+ workers?", text, re.MULTILINE):
        words = r"passed|failed|flaky|skipped|interrupted|timed out|did not run"
        said += re.findall(rf"^ +(\d+) ({words})(?: \(.+\))?$", text, re.MULTILINE)
    return [(int(number), word) for number, word in said]


def _without_a_test(text: str) -> int:
    """Return what went wrong outside of a test: suites that do not load, errors nobody caught."""
    found = re.findall(
        r"^Test Suites: +(\d+) failed|^ *Test Files +(\d+) failed|^ *Errors +(\d+) errors?$"
        r"|^ +(\d+) (?:uncaught exceptions?|unhandled rejections?)$",
        text,
        re.MULTILINE,
    )
    return sum(int(number) for numbers in found for number in numbers if number)


_NONE = re.compile(
    r"^ *(?:No tests found.*|(?:Error: )?No test files found.*|Error: No tests found.*"
    r"|.*Couldn[\u2019']t find any files to test.*|Can't run because no spec files were found.*"
    r"|Error: no test specified)$",
    re.MULTILINE,
)


def none_found(text: str) -> str:
    """Return the line with which a runner says that it has no tests."""
    found = _NONE.search(text)
    return " ".join(found[0].split()) if found else ""


def find(output: str) -> list[Finding]:
    """Read jest's failures, and vitest's."""
    return [*_jest(output), *_vitest(output)]


def _jest(output: str) -> list[Finding]:
    """Read `● name`, the reason below it, and the first place in its own file."""
    found = []
    file = ""
    for block in re.split(r"^(?=FAIL |PASS |  ● )", output, flags=re.MULTILINE):
        failing = re.match(r"FAIL (?:\S+ )??(\S+\.\w+)", block)
        if failing:
            file = failing[1]
        named = re.match(r"  ● (.+)\n", block)
        if not (named and file) or named[1].startswith("Console"):
            continue
        lines = [line.strip() for line in block.splitlines()[1:] if line.strip()]
        place = re.search(rf"[( ]{re.escape(file)}:(\d+):(\d+)\)?", block)
        number, column = (int(place[1]), int(place[2])) if place else (0, 0)
        message = f"{named[1].strip()}: {lines[0]}" if lines else named[1].strip()
        found.append(Finding(file, number, column, Severity.ERROR, message))
    return found


def _vitest(output: str) -> list[Finding]:
    """Read ` FAIL  file > name`, the reason below it, and the place behind an angle."""
    found = []
    for block in re.split(r"^(?= FAIL  )", output, flags=re.MULTILINE)[1:]:
        named = re.match(r" FAIL  (?:\|.+?\| )?(\S+\.\w+)(?: > (.+?))?(?: \[.*\])?\n", block)
        if not named:
            continue
        file, name = named[1], named[2] or "the file"
        lines = [line.strip() for line in block.splitlines()[1:] if line.strip()]
        place = re.search(rf"\u276f (?:.+ )?{re.escape(file)}:(\d+):(\d+)$", block, re.MULTILINE)
        number, column = (int(place[1]), int(place[2])) if place else (0, 0)
        message = f"{name}: {lines[0]}" if lines else name
        found.append(Finding(file, number, column, Severity.ERROR, message))
    return found
