"""The doctor's judgement of versions, and its report on a real machine."""

import os
from pathlib import Path

import pytest

from pipeline.checks import doctor, workflow_tools
from pipeline.checks.doctor import State


@pytest.mark.parametrize(
    ("wanted", "found", "state"),
    [
        ("27.3.4.6", "27.3.4.6", State.OK),
        ("27.3.4.6", "27.3.4.1", State.NOTE),
        ("27.3.4.6", "27.2", State.PROBLEM),
        ("1.19.4-otp-27", "1.19.4", State.OK),
        ("1.18.3", "1.14.0", State.PROBLEM),
        ("v20.20.2", "20.20.2", State.OK),
        ("23.2.0", "", State.PROBLEM),
    ],
)
def test_major_and_minor_must_be_the_same(wanted: str, found: str, state: State):
    assert doctor.compare("tool", wanted, found).state is state


def test_tool_versions_with_comments_and_alternatives():
    text = "erlang 27.3.4.6\n# a comment\n\nelixir 1.18.3 1.17.0 # why\nnodejs\n"
    assert doctor.tool_versions(text) == {"erlang": "27.3.4.6", "elixir": "1.18.3"}


def findings(app: Path, **environ: str) -> dict[str, doctor.Finding]:
    return {found.subject: found for found in doctor.examine(app, {**os.environ, **environ})}


def test_machine_without_tools_has_problems_and_no_traceback(tmp_path: Path):
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4.6\nelixir 1.18.3\n")
    found = findings(tmp_path, PATH="/nowhere")
    assert found["elixir"].state is State.PROBLEM
    assert found["elixir"].text == "not installed; .tool-versions names 1.18.3"
    assert found["git"].state is State.PROBLEM
    assert "nodejs" not in found


def test_node_that_tool_versions_forgets_is_named_where_there_is_an_npm_package(tmp_path: Path):
    # As in the real repository, whose workflows read nodejs from .tool-versions.
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4.6\nelixir 1.18.3\n")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets/package.json").write_text("{}")
    assert ".tool-versions does not name it" in findings(tmp_path)["nodejs"].text


def test_packages_that_are_not_installed_are_named_with_their_managers_command(tmp_path: Path):
    for name, lock in (("assets", "pnpm-lock.yaml"), ("tracker", "package-lock.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text('{"devDependencies": {"a": "1"}}')
        (tmp_path / name / lock).touch()
    (tmp_path / "tracker/node_modules").mkdir()
    found = findings(tmp_path, PATH="/nowhere")
    assert "tracker" not in found
    said = "assets/node_modules is missing: pnpm --dir assets install (pnpm is not on this PATH)"
    assert (found["assets"].state, found["assets"].text) == (State.NOTE, said)


def test_missing_tool_versions_is_a_problem(tmp_path: Path):
    assert findings(tmp_path)[".tool-versions"].state is State.PROBLEM


def test_tool_that_is_not_looked_for_is_only_noted(tmp_path: Path):
    (tmp_path / ".tool-versions").write_text("terraform 1.9.0\n")
    assert findings(tmp_path)["terraform"].state is State.NOTE


def test_dead_service_is_a_problem_with_the_command_that_starts_it(tmp_path: Path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/.env.test").write_text("DATABASE_URL=postgres://127.0.0.1:1/x\n")
    found = findings(tmp_path)["PostgreSQL"]
    assert found.state is State.PROBLEM
    assert (
        "127.0.0.1:1 (config/.env.test): connection refused; start it: inv services.up"
        in found.text
    )


WORKFLOW = """
jobs:
  build:
    steps:
      - uses: actions/checkout@v4
      - uses: marocchino/tool-versions-action@v1
        id: versions
      - uses: erlef/setup-beam@v1
        with:
          otp-version: ${{ steps.versions.outputs.erlang }}
      - uses: actions/setup-node@v4
        with:
          node-version: ${{ steps.versions.outputs.nodejs }}
          # python-version-file: .tool-versions
"""


def test_tool_that_a_workflow_reads_and_the_file_lacks_is_a_problem_with_the_line_to_add(
    tmp_path: Path,
):
    # As in the real repository, which has no nodejs line: setup-node gets an empty version.
    (tmp_path / ".tool-versions").write_text("erlang 27.3.4.6\nelixir 1.18.3\n")
    (tmp_path / ".github/workflows").mkdir(parents=True)
    (tmp_path / ".github/workflows/node.yml").write_text(WORKFLOW)
    found = findings(tmp_path, PATH="/nowhere")["nodejs"]
    assert found.state is State.PROBLEM
    assert ".github/workflows/node.yml reads it" in found.text
    assert found.text.endswith("add the line `nodejs VERSION`")
    (tmp_path / ".tool-versions").write_text("erlang 27\nelixir 1.18.3\nnodejs 20.20.2\n")
    assert "reads it" not in findings(tmp_path, PATH="/nowhere")["nodejs"].text


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        (WORKFLOW, ["erlang", "nodejs"]),
        ("  with:\n    node-version-file: '.tool-versions'\n", ["nodejs"]),
        ("  with:\n    node-version-file: app/.tool-versions\n", ["nodejs"]),
        ("  with:\n    version-file: .tool-versions\n", ["erlang", "elixir"]),
        ("    node-version-file: .nvmrc\n", []),
        ("    # node-version-file: .tool-versions\n", []),
        (
            "- id: v\n  run: grep . .tool-versions\n- run: echo ${{ steps.v.outputs.ruby }}",
            ["ruby"],
        ),
        ("- id: v\n  uses: some/other@v1\n- run: echo ${{ steps.v.outputs.nodejs }}", []),
    ],
)
def test_tools_that_a_workflow_takes_from_the_file(text: str, tools: list[str]):
    assert workflow_tools.asked(text) == tools
