"""What a reason holds: the tool's own words, and whom they blame."""

import pytest

from pipeline.checks import readers
from pipeline.checks.tools import mix
from pipeline.checks.verdicts import Verdict

NODE_SYNTAX = """
> deploy
> node compile.js

/app/tracker/compile.js:3
  build(
  ^^^^^

SyntaxError: missing ) after argument list
    at wrapSafe (node:internal/modules/cjs/loader:1378:20)
    at Module._compile (node:internal/modules/cjs/loader:1428:41)

Node.js v20.20.2
"""  # node 20.20.2, shortened trace

DISK_FULL = """
> deploy
> node compile.js

node:internal/fs/utils:356
    throw err;
    ^

Error: ENOSPC: no space left on device, write
    at Object.writeSync (node:fs:902:3)
"""


@pytest.mark.parametrize(
    ("code", "verdict"),
    [(0, "passed"), (1, "failed"), (126, "unknown"), (127, "unknown"), (137, "unknown")],
)
def test_shells_own_exit_codes_are_unknown(code: int, verdict: str):
    assert readers.by_exit_code("", code, {}).verdict == verdict


def test_failure_says_what_the_program_says_last_but_for_its_stack_trace():
    judgement = readers.by_exit_code(NODE_SYNTAX, 1, {})
    assert judgement.verdict is Verdict.FAILED
    assert judgement.reason == "exit 1: SyntaxError: missing ) after argument list"
    assert readers.by_exit_code("doing this\nthat went wrong\n", 3, {}).reason == (
        "exit 3: that went wrong"
    )


@pytest.mark.parametrize(
    "words",
    [
        DISK_FULL,
        '** (File.Error) could not write to file "/app/x": no space left on device\n',
        "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        "Error: EMFILE: too many open files, open '/app/a.js'",
    ],
)
def test_failure_of_the_machine_says_nothing_about_the_code(words: str):
    for judgement in (readers.by_exit_code(words, 1, {}), mix.read(words, 1, {})):
        assert judgement.verdict is Verdict.UNKNOWN
        assert any(word in judgement.reason for word in ("space", "memory", "too many"))


def test_reason_stays_short():
    assert len(readers.by_exit_code("x" * 5000, 1, {}).reason) < 250


@pytest.mark.parametrize(
    "text", ['{"pass": tru', "{}\n", "[1]\n", '  {"pass": true}\n', '{"other": 1}\n']
)
def test_document_that_is_not_whole_or_not_the_tools_is_none(text: str):
    assert readers.document(text, "pass") is None


def test_document_is_found_between_other_lines():
    found = readers.document('Compiling 2 files\n{"x": {"y": 1}}\n{"pass": false}\nend\n', "pass")
    assert found is not None
    assert found.content == {"pass": False}
    assert found.replaced(["shown"]) == 'Compiling 2 files\n{"x": {"y": 1}}\nshown\nend\n'
