"""Our own workflow files: what they call exists, what they must hold to they hold to."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from invoke.parser import Parser, ParserContext
from invoke.program import Program

from pipeline.checks.check import Group
from pipeline.checks.table import CHECKS
from pipeline.ci import drift, lint
from pipeline.github import names, workflows
from pipeline.github.workflows import Job, Step, Workflow
from pipeline.settings import PROJECT, Settings, load

FILES = [workflows.read(path) for path in workflows.files(PROJECT)]
STEPS = [
    pytest.param(workflow, job, step, id=f"{Path(workflow.path).stem}-{job.id}-{step.number}")
    for workflow in FILES
    for job in workflow.jobs.values()
    for step in job.steps
]
# Set-up that no task of ours can do, for without it there are no tasks.
BOOTSTRAP = "bootstrap/venv.sh run"


def test_checks_that_they_report_are_the_documents_and_all_different():
    elixir, node = (
        workflows.read(PROJECT / f".github/workflows/{name}.yml") for name in ("elixir", "node")
    )
    found = [*names.reported(elixir), *names.reported(node)]
    assert [check.name for check in found] == [
        *(f"build (test, postgres:18, {n})" for n in range(1, 7)),
        *(f"build (ce_test, postgres:18, {n})" for n in range(1, 7)),
        "gather",
        "static",
        "security",
        "build",
    ]
    assert names.ambiguous(found) == []
    assert elixir.reports_on_pull_requests
    assert {"merge_group", "push"} <= set(elixir.triggers) & set(node.triggers)


def test_no_drift_between_workflows_check_table_and_settings():
    assert drift.differences(FILES, CHECKS, load()) == []


def test_drift_is_found_in_both_directions():
    more = replace(CHECKS[0], name="new", groups=frozenset({Group.CI}))
    fewer = [row for row in CHECKS if row.name != "sobelow"]
    assert drift.differences(FILES, [*CHECKS, more], load()) == ["no step runs the check new"]
    assert [line.partition(": ")[2] for line in drift.differences(FILES, fewer, load())] == [
        "security, step 7: there is no check 'sobelow'"
    ]
    other = drift.differences(FILES, CHECKS, Settings(partitions=4))
    assert [line.rpartition("/")[2] for line in other] == [
        "elixir.yml: job build: its matrix is not what `inv ci.matrix` prints"
    ]


def test_document_names_every_task_that_they_call():
    text = (PROJECT / "docs/github.md").read_text()
    called = {
        call.words[0]
        for workflow in FILES
        for call in drift.calls(workflow)
        if call.program == "inv"
    }
    assert {task for task in called if f"inv {task}" not in text} == set()


def test_programs_that_lint_workflows_have_nothing_to_say():
    for verdict in lint.lint([Path(workflow.path) for workflow in FILES]):
        assert verdict.clean, f"{verdict.tool}:\n{verdict.output}"


def test_programs_that_lint_workflows_do_find_something(tmp_path):
    bad = tmp_path / "bad.yml"
    bad.write_text(
        "on: {pull_request_target: {}}\njobs: {a: {runs-on: ubuntu-latest, stpes: [], steps: "
        '[{uses: actions/checkout@v4}, {run: "echo ${{ github.head_ref }}"}]}}'
    )
    assert [verdict.tool for verdict in lint.lint([bad]) if not verdict.clean] == [
        "check-jsonschema",
        "zizmor",
        "actionlint",
    ]


@pytest.mark.parametrize(("workflow", "job", "step"), STEPS)
def test_step_is_a_call_of_ours_or_a_pinned_action(workflow: Workflow, job: Job, step: Step):
    if step.uses:
        assert re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40}", step.uses), step.uses
        pinned = re.escape(step.uses)
        assert re.search(rf"{pinned} # v\d+\.\d+\.\d+\n", Path(workflow.path).read_text())
        if step.uses.startswith("actions/checkout@"):
            assert step.inputs["persist-credentials"] is False
        return
    assert len(step.run.strip().splitlines()) == 1
    if step.run == BOOTSTRAP:
        assert (PROJECT / BOOTSTRAP.split()[0]).is_file()
        return
    parse(step.run, {**job.env, **step.env})


@pytest.mark.parametrize(("workflow", "job", "step"), STEPS)
def test_secret_is_given_to_the_one_step_that_deploys(workflow: Workflow, job: Job, step: Step):
    secrets = {
        name for value in step.env.values() for name in re.findall(r"secrets\.(\w+)", str(value))
    }
    deploys = " deploy " in step.run
    assert bool(secrets) == deploys
    assert all(name.startswith(f"{job.environment.upper()}_DEPLOY_") for name in secrets)
    for level in (workflow.env, job.env):
        assert "secrets." not in str(dict(level))


def test_each_job_has_a_time_out_and_the_least_permissions():
    for workflow in FILES:
        assert workflow.permissions == {}
        for job in workflow.jobs.values():
            assert isinstance(job.timeout_minutes, int)
            writes = {k for k, v in dict(job.permissions or {}).items() if v == "write"}  # type: ignore[arg-type]
            assert writes == ({"id-token", "attestations"} if job.id == "release" else set())


def test_health_options_of_services_are_options_and_not_variables():
    # In Qusto's file of today they are variables of the container, so no health check is in force.
    for service in (
        workflows.read(PROJECT / ".github/workflows/elixir.yml").jobs["build"].services.values()
    ):
        assert "--health-cmd" in service.options
        assert "options" not in service.env


def test_secrets_of_the_deploys_are_those_of_hosts_toml():
    wanted = set(re.findall(r"\$\{(\w+)", (PROJECT / "hosts.toml").read_text())) - {"NAME"}
    deploy = workflows.read(PROJECT / ".github/workflows/deploy.yml")
    given = {
        name
        for job in deploy.jobs.values()
        for step in job.steps
        for name in step.env
        if name not in ("SKIP_MIGRATIONS", "GITHUB_TOKEN")  # no secrets of ours
    }
    assert given == wanted


def parse(run: str, variables: dict[str, object]) -> None:
    """Parse the call as inv or fab would, with each value that its variables can take."""
    for text in spelled(run, variables):
        words = shlex.split(text)
        assert words[0] in (".venv/bin/inv", ".venv/bin/fab"), text
        ends = [at for at, word in enumerate(words) if word == ">>"]
        assert [words[at + 1] for at in ends] in ([], ["$GITHUB_OUTPUT"])
        arguments = words[1 : ends[0]] if ends else words[1:]
        parse_words([Path(words[0]).name, *arguments])


def parse_words(words: list[str]) -> None:
    """Parse a call as inv or fab would; a task, option or argument that is not there raises."""
    initial, tasks = inv_program() if words[0] == "inv" else fab_program()
    _core, *called = Parser(contexts=tasks, initial=initial).parse_argv(words[1:])
    assert len(called) == 1, words


def spelled(run: str, variables: dict[str, object]) -> Iterator[str]:
    """Yield the line with `${NAME:+words}` and without, and other variables replaced."""
    for given in (True, False):
        text = re.sub(r"\$\{\w+:\+([^}]*)\}", r"\1" if given else "", run)
        for name in re.findall(r"\$(\w+)", text):
            if name != "GITHUB_OUTPUT":
                assert name in variables, f"{name} is set nowhere"
                text = re.sub(rf"\"?\${name}\b\"?", "1", text)
        yield text


def inv_program() -> tuple[ParserContext, list[ParserContext]]:
    import tasks

    return Program().initial_context, tasks.ns.to_contexts()


def fab_program() -> tuple[ParserContext, list[ParserContext]]:
    from fabric.main import program

    import fabfile

    return program.initial_context, fabfile.ns.to_contexts()
