"""What is typed after `inv` and `fab`: help is help, a mistake is one line and exit 2, and neither
runs anything.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.command_line import require_value
from pipeline.errors import UsageProblem
from pipeline.settings import PROJECT


def run(words: list[str], cwd: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(words[0])
    # A host that nothing answers for: whatever connects ends in exit 13.
    host = {"STAGING_DEPLOY_HOST": "127.0.0.1:1", "STAGING_DEPLOY_USER": "deploy"}
    return subprocess.run(
        [program, *words[1:]],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **host},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize(
    ("line", "task"),
    [
        ("inv check -h", "check.all"),
        ("inv test --help", "test.run"),
        ("inv --help check", "check"),
        ("inv ci.run build --help", "ci.run"),
        ("inv ci.run --help", "ci.run"),
        ("inv check --only -h", "check"),
        ("inv check --nosuch --help", "check"),
        ("inv check test --help", "test.run"),
        ("fab -H staging deploy -h", "deploy"),
        ("fab deploy --help", "deploy"),
        ("fab -H staging rollback --to=20261123_235959 -h", "rollback"),
        ("fab env.set --help", "env.set"),
    ],
)
def test_help_after_a_task_is_shown_and_nothing_runs(line: str, task: str):
    ended = run(line.split())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"[--core-opts] {task} " in ended.stdout.splitlines()[0]
    assert "Options:" in ended.stdout
    assert "Run every check" in ended.stdout or not task.startswith("check")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("inv check --frmat=json", "check has no option --frmat; did you mean --format?"),
        ("inv check -f json", "--config has no effect on these tasks; nothing was run"),
        ("inv check -x", "check has no option -x"),
        ("inv chekc", "there is no task 'chekc'; did you mean check?"),
        ("inv check format", "check takes no word 'format', and there is no task 'format'; did"),
        ("inv --help nosuch", "there is no task 'nosuch'"),
        ("inv --list nosuch", "--list nosuch: there is no such group"),
        ("inv --list --list-format=xml", "--list-format=xml is not known"),
        ("inv ci.run", "ci.run needs JOB"),
        ("inv ci.run --lst build", "ci.run has no option --lst; did you mean --list?"),
        ("inv check --only", "--only needs a value"),
        ("inv check --only --fix", "--only needs a value"),
        ("inv check --only=--fix", "--only needs a value"),
        ("inv check --only=,", "--only=, is empty"),
        ("inv check --only format --only test", "--only is given twice"),
        # Each of these ran the second task.
        ("inv check --fix=test", "--fix takes no value"),
        ("fab -H staging status --format=yaml", "--format=yaml is not known; use text or json"),
        ("fab -H staging deploy --plna", "deploy has no option --plna; did you mean --plan?"),
        ("fab -H staging rollback --to=", "--to= is empty"),
        ("fab -H staging rollback 20261123_235959", "rollback takes no word '20261123_235959'"),
        ("fab -H staging history --limit=abc", "--limit=abc is not a whole number of at least 1"),
        ("fab -H staging rollback --lock-wait=-1", "--lock-wait=-1 is not a whole number of at"),
        ("fab -H staging rollback --lock-wait -1", "--lock-wait=-1 is not a whole number of at"),
        ("fab -H staging deploy -- --plan", "nothing uses what follows `--`: --plan"),
        # Fabric would take it and deploy.
        ("fab --dry -H staging deploy", "--dry has no effect on these tasks; nothing was run"),
        ("fab -H staging env.unset A B=hunter2-hunter2", "env.unset takes no word 'B'"),
        ("fab --hosts= status", "--hosts= is empty"),
    ],
)
def test_a_mistake_is_one_line_and_exit_two_before_anything_runs(line: str, said: str):
    ended = run(line.split())
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {said}")
    assert ended.stderr.count("\n") == 1
    assert "hunter2" not in ended.stderr


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("line", ["inv check.list", "inv doctor", "inv ci.cache-key build"])
def test_known_forms_reach_the_task(tmp_path: Path, line: str, form: str):
    ended = run(["inv", "-r", str(PROJECT), *line.split()[1:], "--format", form], cwd=tmp_path)
    assert ended.stderr.startswith("error: no mix.exs in ")


# In a Python of its own, once for all tasks: each look at a task takes its help out of it.
EVERY = """
import contextlib, io, json
from {module}.main import program
from {tasks} import ns
found = {{}}
for name in ns.task_names:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        program.run(["{program}", name, "--help"], exit=False)
    flags = program.parser.contexts[name].flags
    found[name] = [
        [flag for flag in flags if not flag.startswith("--")],
        f"[--core-opts] {{name}} " in out.getvalue(),
    ]
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("program", "module", "tasks"), [("inv", "invoke", "tasks"), ("fab", "fabric", "fabfile")]
)
def test_every_task_has_long_options_only_and_shows_its_help(program, module, tasks):
    script = EVERY.format(program=program, module=module, tasks=tasks)
    words = [sys.executable, "-c", script]
    said = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    assert len(found) > 15
    assert {name: both for name, both in found.items() if both != [[], True]} == {}


@given(st.integers(min_value=1, max_value=10**9 - 1))
def test_a_number_is_taken(number: int):
    for name in ("jobs", "limit", "lines", "days", "lock-wait"):
        require_value(name, str(number), number=True)


@given(st.text(min_size=1).filter(lambda text: not text.isdigit()))
def test_anything_else_is_no_number(text: str):
    with pytest.raises(UsageProblem):
        require_value("lock-wait", text, number=True)
