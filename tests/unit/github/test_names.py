"""The names that GitHub reports, from workflow files alone."""

from pathlib import Path

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import names, workflows

SHAPES = Path(__file__).parent / "shapes"

JOB = """
on: push
jobs:
  build:
    runs-on: ubuntu-latest
    {name}
    strategy: {{ matrix: {matrix} }}
    steps: [{{ run: "true" }}]
"""


def named(matrix: str, name: str = "") -> list[str]:
    text = JOB.format(matrix=matrix, name=f"name: {name}" if name else "")
    return [check.name for check in names.reported(workflows.parse(text, "ci.yml"))]


def test_checks_that_qusto_reports_today_are_two_names_for_twelve_jobs():
    elixir = names.reported(workflows.read(SHAPES / "elixir.yml"))
    node = names.reported(workflows.read(SHAPES / "node.yml"))
    six = 6
    assert [check.name for check in (*elixir, *node)] == [
        *(["Build and test (test, postgres:18)"] * six),
        *(["Build and test (ce_test, postgres:18)"] * six),
        "Static checks (format, credo, dialyzer)",
        "Security scans (deps.audit, sobelow)",
        "Build and test",
    ]
    assert names.ambiguous((*elixir, *node)) == [
        "Build and test (test, postgres:18)",
        "Build and test (ce_test, postgres:18)",
    ]


def test_names_that_the_document_requires_are_those_of_jobs_without_a_name():
    text = (SHAPES / "elixir.yml").read_text()
    unnamed = "\n".join(line for line in text.splitlines() if not line.startswith("    name:"))
    assert [check.name for check in names.reported(workflows.parse(unnamed, "elixir.yml"))] == [
        *(f"build (test, postgres:18, {n})" for n in range(1, 7)),
        *(f"build (ce_test, postgres:18, {n})" for n in range(1, 7)),
        "static",
        "security",
    ]


def test_word_on_is_no_truth_value():
    found = workflows.read(SHAPES / "elixir.yml")
    assert set(found.triggers) == {"pull_request", "push", "merge_group"}
    assert found.triggers["push"] == {"branches": ["master", "stable"]}


@pytest.mark.parametrize(
    ("matrix", "name", "expected"),
    [
        ("{a: [x, y]}", "", ["build (x)", "build (y)"]),
        ("{a: [x, y]}", "Test", ["Test (x)", "Test (y)"]),
        ("{a: [true], b: [3.5, 4]}", "", ["build (true, 3.5)", "build (true, 4)"]),
        ("{a: [x, y], b: [1], exclude: [{a: x, b: 1}]}", "", ["build (y, 1)"]),
        ("{a: [x], include: [{a: x, b: 1}]}", "", ["build (x)"]),
        ("{a: [x], include: [{a: x, b: 1}]}", "T ${{ matrix.b }}", ["T 1"]),
        ("{a: [x], include: [{a: z, b: 1}]}", "", ["build (x)", "build (z, 1)"]),
        ("{include: [{a: x, b: 1}, {a: y}]}", "", ["build (x, 1)", "build (y)"]),
        ("{a: [{os: linux, bits: 64}]}", "", ["build (linux, 64)"]),
        ("{a: [" + "x" * 120 + "]}", "", ["build (" + "x" * 90 + "..."]),
    ],
)
def test_matrix_becomes_names(matrix, name, expected):
    assert named(matrix, name) == expected


def test_example_of_githubs_page_on_include():
    # https://docs.github.com/actions/how-tos/write-workflows/choose-what-workflows-do/run-job-variations
    matrix = (
        "{fruit: [apple, pear], animal: [cat, dog], include: [{color: green},"
        " {color: pink, animal: cat}, {fruit: apple, shape: circle}, {fruit: banana},"
        " {fruit: banana, animal: cat}]}"
    )
    found = workflows.parse(JOB.format(matrix=matrix, name=""), "ci.yml").jobs["build"]
    assert [dict(combination.values) for combination in found.combinations] == [
        {"fruit": "apple", "animal": "cat", "color": "pink", "shape": "circle"},
        {"fruit": "apple", "animal": "dog", "color": "green", "shape": "circle"},
        {"fruit": "pear", "animal": "cat", "color": "pink"},
        {"fruit": "pear", "animal": "dog", "color": "green"},
        {"fruit": "banana"},
        {"fruit": "banana", "animal": "cat"},
    ]


@pytest.mark.parametrize(
    ("matrix", "name", "complaint"),
    [
        ("'${{ fromJSON(needs.plan.outputs.matrix) }}'", "", "computed while the workflow runs"),
        ("{a: 1}", "", "matrix.a is no list"),
        ("{a: [x]}", "${{ matrix.b }}", "matrix.b is not known here"),
        ("{a: [x]}", "${{ vars.name }}", "vars is not known here"),
    ],
)
def test_name_that_the_file_does_not_tell_is_refused(matrix, name, complaint):
    with pytest.raises(UsageProblem, match=complaint):
        named(matrix, name)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "ci.yml:1 is not valid YAML"),
        ("name: x", "is no workflow"),
        ("on: push\njobs: {a: {steps: [{uses: x, run: y}]}}", "step 1 has to have either"),
        ("on: push\njobs: [a]", "jobs is no mapping"),
    ],
)
def test_file_that_is_no_workflow_is_refused_in_one_line(text, complaint):
    with pytest.raises(UsageProblem, match=complaint) as caught:
        workflows.parse(text, "ci.yml")
    assert "\n" not in str(caught.value)
