"""Replaying a job: order, environment, conditions and refusals are GitHub's; bash is real."""

import io
from pathlib import Path

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import replay, workflows
from pipeline.github.replay import Here

HEAD = """
on: push
env: {LEVEL: workflow, WORKFLOW: "${{ github.event_name }}"}
jobs:
  build:
    runs-on: ubuntu-latest
    env: {LEVEL: job, NUMBER: "${{ matrix.n }}"}
    strategy: {matrix: {n: [1, 2]}}
    steps:
"""


def run(tmp_path: Path, steps: str, matrix: str = "n=2", **environ: str):
    """Replay a job of these steps; returns (outcome, title) of each and what `said` holds."""
    indented = "\n".join(f"      {line}" for line in steps.strip().splitlines())
    workflow = workflows.parse(HEAD + indented, "ci.yml")
    chosen = replay.choose([workflow], "build", "", matrix)
    (project := tmp_path / "project").mkdir()
    (app := tmp_path / "app").mkdir()
    said = tmp_path / "said"
    said.touch()
    here = Here(app, project, {"SAID": str(said), **environ}, {"event_name": "push"})
    replay.require_replayable(chosen, here)
    done = replay.replay(chosen, here, io.StringIO())
    return [one.outcome for one in done], said.read_text()


@pytest.fixture(autouse=True)
def _said(tmp_path, monkeypatch):
    monkeypatch.setenv("SAID", str(tmp_path / "said"))


def test_environment_is_that_of_workflow_job_and_step_the_nearest_wins(tmp_path):
    _, said = run(
        tmp_path,
        """
- run: echo "$LEVEL $WORKFLOW $NUMBER $CI" >> "$SAID"
- run: echo "$LEVEL ${{ env.LEVEL }} ${{ matrix.n }}" >> "$SAID"
  env: {LEVEL: step}
""",
    )
    assert said == "job push 2 true\nstep step 2\n"


def test_what_a_step_leaves_is_there_for_those_after_it(tmp_path):
    outcomes, said = run(
        tmp_path,
        """
- id: first
  run: |
    echo "answer=42" >> "$GITHUB_OUTPUT"
    echo "LATER=here" >> "$GITHUB_ENV"
    mkdir bin && printf '#!/bin/sh\\necho tool\\n' > bin/tool && chmod +x bin/tool
    echo "$PWD/bin" >> "$GITHUB_PATH"
- run: echo "${{ steps.first.outputs.answer }} $LATER $(tool)" >> "$SAID"
""",
    )
    assert outcomes == ["passed", "passed"]
    assert said == "42 here tool\n"


def test_after_a_failure_only_steps_run_that_ask_for_it(tmp_path):
    outcomes, said = run(
        tmp_path,
        """
- run: "false; echo not reached >> $SAID"
- run: echo plain >> "$SAID"
- if: failure()
  run: echo failure >> "$SAID"
- if: ${{ always() && matrix.n == 1 }}
  run: echo other >> "$SAID"
- if: ${{ !cancelled() }}
  run: echo anyway >> "$SAID"
""",
    )
    assert outcomes == ["failed", "skipped", "passed", "skipped", "passed"]
    assert said == "failure\nanyway\n"


def test_step_that_may_fail_stops_nothing(tmp_path):
    steps = '- run: "false"\n  continue-on-error: true\n- run: "true"'
    assert run(tmp_path, steps)[0] == ["failed", "passed"]


def test_action_is_skipped_and_its_outputs_are_not_made_up(tmp_path):
    with pytest.raises(UsageProblem, match=r"steps\.cache is not known here"):
        run(
            tmp_path,
            "- {uses: actions/cache@v4, id: cache}\n"
            "- if: steps.cache.outputs.cache-hit != 'true'\n  run: 'true'",
        )


def test_directory_ci_is_this_project_and_all_others_are_the_applications(tmp_path):
    _, said = run(
        tmp_path,
        '- run: pwd >> "$SAID"\n- {run: pwd >> "$SAID", working-directory: ci}',
    )
    assert said.split() == [str(tmp_path / "app"), str(tmp_path / "project")]


@pytest.mark.parametrize(
    ("shell", "outcome"), [("", "passed"), ("shell: bash", "failed"), ("shell: sh", "passed")]
)
def test_shell_is_started_as_github_starts_it(tmp_path, shell, outcome):
    # Only an explicit bash has pipefail.
    assert run(tmp_path, f"- run: false | true\n  {shell}")[0] == [outcome]


def test_secret_that_is_not_set_is_named_before_anything_runs(tmp_path):
    with pytest.raises(UsageProblem, match="needs TOKEN, and nothing of that name is set here"):
        run(tmp_path, '- run: echo ran >> "$SAID"\n- run: x\n  env: {T: "${{ secrets.TOKEN }}"}')
    assert (tmp_path / "said").read_text() == ""


def test_secret_that_is_set_reaches_its_step_alone(tmp_path):
    _, said = run(
        tmp_path,
        '- run: echo "1 $T" >> "$SAID"\n  env: {T: "${{ secrets.TOKEN }}"}\n'
        '- run: echo "2 $T $TOKEN" >> "$SAID"',
        TOKEN="abc",
    )
    assert said == "1 abc\n2  \n"


def test_job_that_deploys_is_not_replayed():
    text = "on: push\njobs: {staging: {environment: {name: staging}, steps: [{run: x}]}}"
    chosen = replay.choose([workflows.parse(text, "deploy.yml")], "staging", "", "")
    with pytest.raises(UsageProblem, match="fab -H staging deploy"):
        replay.require_replayable(chosen, Here(Path(), Path(), {}, {}))


@pytest.mark.parametrize(
    ("job", "file", "matrix", "complaint"),
    [
        ("biuld", "", "", r"there is no job 'biuld'; jobs are build \(a.yml\), build \(b.yml\)"),
        ("build", "", "", "several workflows have a job 'build'; --workflow: a.yml, b.yml"),
        ("build", "c.yml", "", "--workflow c.yml: there are a.yml, b.yml"),
        ("build", "a.yml", "", "fits several combinations"),
        ("build", "a.yml", "n=3", "is no combination"),
        ("build", "a.yml", "n", "--matrix 'n' is no key=value"),
    ],
)
def test_job_that_is_not_clear_is_refused_with_the_names_there_are(job, file, matrix, complaint):
    both = [workflows.parse(f"{HEAD}      - run: x", name) for name in ("a.yml", "b.yml")]
    with pytest.raises(UsageProblem, match=complaint):
        replay.choose(both, job, file, matrix)
