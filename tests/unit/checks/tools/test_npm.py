"""npm scripts that swallow an exit code, or whose tools have looked at nothing.

The words are those of the tools: jest 29, vitest 3, mocha 11, ava 6, node 20, bun 1.2, playwright
1.5, eslint 9, tsc 5.9, prettier 3.10, npm 10. Those of ../recorded and node's are real;
the others are written after the tools' own reporters.
"""

import shutil
import subprocess
from pathlib import Path

import pytest

from pipeline.checks.tools import js_tests, npm
from pipeline.checks.verdicts import Verdict

RECORDED = Path(__file__).parents[1] / "recorded"

JEST = (RECORDED / "jest-29.txt").read_text("utf-8")
VITEST = """ RUN  v3.2.4 /app/assets

 ❯ js/a.test.ts (2 tests | 1 failed) 8ms
   × adds 5ms

 FAIL  js/a.test.ts > group > adds
AssertionError: expected 2 to be 3 // Object.is equality

 ❯ js/a.test.ts:4:17
      2| test("adds", () => {

 Test Files  1 failed (1)
      Tests  1 failed | 1 passed (2)
"""


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (JEST, "2 of 12 tests failed"),
        ("Test Suites: 1 failed, 1 total\nTests:       0 total\n", "1 failed"),
        (VITEST, "1 of 2 tests failed"),
        ("\n Test Files  1 failed | 2 passed (3)\n      Tests  4 passed (4)\n", "1 of 5 tests"),
        ("\n  2 passing (5ms)\n  1 pending\n  1 failing\n", "1 of 3 tests failed"),
        ("  ─\n\n  2 tests failed\n  1 test passed\n", "2 of 3 tests failed"),
        ("# tests 4\n# pass 3\n# fail 1\n# cancelled 0\n", "1 of 4 tests failed"),
        ("\u2139 tests 4\n\u2139 pass 3\n\u2139 fail 1\n", "1 of 4 tests failed"),
        (" 3 pass\n 1 fail\nRan 4 tests across 1 file. [9.00ms]\n", "1 of 4 tests failed"),
        ("Running 4 tests using 2 workers\n  1 failed\n    [c] › a\n  3 passed (2s)\n", "1 of 4"),
        ((RECORDED / "eslint-9-stylish.txt").read_text("utf-8"), "4 errors"),
        (
            "/app/a.js\n  1:5  error  Parsing error: Unexpected token\n\n"
            "✖ 1 problem (1 error, 0 warnings)\n",
            "1 error",
        ),
        ((RECORDED / "tsc-5.9-plain.txt").read_text("utf-8"), "3 type errors"),
        ((RECORDED / "tsc-5.9-pretty.txt").read_text("utf-8"), "3 type errors"),
        ((RECORDED / "prettier-3.10.txt").read_text("utf-8"), "2 files not formatted"),
        ("[error] js/a.ts: SyntaxError: ';' expected. (3:7)\n", "1 file cannot be parsed"),
    ],
)
def test_words_of_a_tool_fail_a_script_that_swallows_the_exit_code(output: str, reason: str):
    """As `jest | tee log` and `jest || true` do."""
    silent = npm.read(output, 0, {})
    assert silent.verdict is Verdict.FAILED
    assert reason in silent.reason
    assert silent.reason.endswith("and yet the script exits 0")
    loud = npm.read(output, 1, {})
    assert loud.verdict is Verdict.FAILED
    assert reason in loud.reason


@pytest.mark.parametrize(
    ("output", "code", "reason"),
    [
        ("No tests found, exiting with code 0\nRun with `--passWithNoTests`", 0, "No tests found"),
        ("No tests found, exiting with code 1\n", 1, "No tests found"),
        ("\nNo test files found, exiting with code 0\n\ninclude: **/*.test.ts\n", 0, "No test fil"),
        ("Error: No test files found\n", 0, "No test files found"),
        ("Error: No tests found\n", 1, "No tests found"),
        ("  ✘ Couldn\u2019t find any files to test\n", 1, "find any files to test"),
        ('> echo "Error: no test specified" && exit 1\n\nError: no test specified\n', 1, "no test"),
        ("Tests:       3 skipped, 3 total\n", 0, "no test ran (3 skipped)"),
        (" Test Files  1 skipped (1)\n      Tests  3 skipped (3)\n", 0, "no test ran (3 skipped)"),
        ("\n  0 passing (2ms)\n  2 pending\n", 0, "no test ran (2 skipped)"),
        ("# tests 0\n# pass 0\n# fail 0\n# skipped 0\n", 0, "no test ran"),
        ("sh: 1: jest: not found\n", 0, "jest is not installed"),
        ("/bin/bash: line 1: jest: command not found\n", 0, "jest is not installed"),
        ('npm error Missing script: "lint"\n', 1, "Missing script"),
        ("Oops! Something went wrong! :(\n\nESLint: 9.39.5\n", 2, "eslint could not do its work"),
        ("error TS18003: No inputs were found in config file 'tsconfig.json'.\n", 2, "TS18003"),
        ('[error] No files matching the pattern were found: "x".\n', 2, "No files matching"),
        ("Error: ENOSPC: no space left on device, write\n", 0, "no space left"),
        ("\n> lint\n> npm run eslint --if-present\n\n", 0, "no script eslint"),
        ("\n> lint\n> npm run --if-present eslint\n\n", 0, "no script eslint"),
    ],
)
def test_tool_that_has_looked_at_nothing_is_unknown_whatever_the_code(
    output: str, code: int, reason: str
):
    judgement = npm.read(output, code, {})
    assert judgement.verdict is Verdict.UNKNOWN, judgement
    assert reason in judgement.reason


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("Tests:       2 skipped, 10 passed, 12 total\n", "10 tests"),
        ("# tests 4\n# pass 4\n# fail 0\n# cancelled 0\n# skipped 0\n", "4 tests"),
        ("✖ 2 problems (0 errors, 2 warnings)\n", ""),
        ("Checking formatting...\nAll matched files use Prettier code style!\n", ""),
        ("\n> lint\n> npm run eslint --if-present\n\n\n> eslint\n> eslint js\n\n", ""),
        ("built in 1 failed attempt less\n  2 failed\n", ""),
        ("✔ says so on ENOSPC: no space left on device\n# pass 1\n# fail 0\n", "1 test"),
        ("GET /pages/2: not found\nTests:       1 passed, 1 total\n", "1 test"),
    ],
)
def test_script_whose_tools_are_content_passes(output: str, reason: str):
    judgement = npm.read(output, 0, {})
    assert (judgement.verdict, judgement.reason) == (Verdict.PASSED, reason)


def test_vitest_failure_has_its_place():
    (only,) = js_tests.find(VITEST)
    assert (only.file, only.line, only.column) == ("js/a.test.ts", 4, 17)
    assert only.message.startswith("group > adds: AssertionError: expected 2 to be 3")


def node_test(directory: Path, body: str) -> str:
    """Return what an npm script prints that hides the exit code of node's own test runner."""
    directory.mkdir()
    (directory / "a.test.js").write_text(f"const test = require('node:test');\n{body}\n")
    (directory / "package.json").write_text(
        '{"name": "x", "scripts": {"test": "node --test a.test.js || true"}}'
    )
    ended = subprocess.run(
        ("npm", "run", "test", "--prefix", str(directory)),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
@pytest.mark.parametrize(
    ("body", "verdict", "reason"),
    [
        ("test('a', () => {}); test('b', () => { throw 1 });", Verdict.FAILED, "1 of 2 tests"),
        ("test('a', { skip: true }, () => {});", Verdict.UNKNOWN, "no test ran (1 skipped)"),
        ("test('a', () => {});", Verdict.PASSED, "1 test"),
    ],
)
def test_real_node_behind_a_script_that_swallows_its_exit_code(
    tmp_path: Path, body: str, verdict: Verdict, reason: str
):
    judgement = npm.read(node_test(tmp_path / "p", body), 0, {})
    assert judgement.verdict is verdict
    assert reason in judgement.reason
