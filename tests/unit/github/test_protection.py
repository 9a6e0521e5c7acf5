"""What branches have to be protected by: the file, the names of checks, GitHub's rules."""

from pathlib import Path

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import protection, workflows
from pipeline.github.protection import Wanted
from pipeline.settings import PROJECT

MAIN = Wanted(branches=("main",), checks=("ci.yml",), up_to_date=True)
ON_PULLS = "on: {pull_request: }\njobs: {test: {runs-on: x, steps: [{run: ls}]}}"


def ci(text: str = ON_PULLS, file: str = "ci.yml") -> workflows.Workflow:
    return workflows.parse(text, f".github/workflows/{file}")


def own() -> tuple[dict[str, Wanted], list[workflows.Workflow]]:
    known = [workflows.read(path) for path in workflows.files(PROJECT)]
    return protection.read(PROJECT / protection.FILE), known


def test_page_says_what_the_file_and_the_workflows_say():
    page = (PROJECT / "docs/BRANCH_PROTECTION.md").read_text("utf-8")
    assert page == protection.page(*own()), "inv github.protect --docs > docs/BRANCH_PROTECTION.md"


def test_the_document_is_kept():
    wanted, known = own()
    branches = {branch: one for one in wanted.values() for branch in one.branches}
    assert set(branches) == {"main", "master", "develop", "stable"}
    names = [f"build ({env}, postgres:18, {n})" for env in ("test", "ce_test") for n in range(1, 7)]
    for one in wanted.values():
        found = protection.contexts(one, known)
        assert sorted(found) == sorted([*names, "gather", "static", "security", "build"])
    kinds = {
        name: [rule["type"] for rule in protection.rules(one, ["x"])]
        for name, one in branches.items()
    }
    everywhere = ["deletion", "non_fast_forward"]
    assert kinds["develop"] == [*everywhere, "required_status_checks"]
    full = [*everywhere, "required_linear_history", "pull_request", "required_status_checks"]
    assert kinds["main"] == kinds["master"] == kinds["stable"] == full


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "on: push\njobs: {test: {runs-on: x, steps: [{run: ls}]}}",
            "does not run on pull requests",
        ),
        (
            "on: {pull_request: {paths: [lib/**]}}\njobs: {test: {runs-on: x, steps: [{run: ls}]}}",
            "waited for without end",
        ),
        (
            "on: {pull_request: {branches: [dev*]}}\njobs: {t: {runs-on: x, steps: [{run: ls}]}}",
            "does not run on pull requests to main",
        ),
        (
            "on: {pull_request: {branches-ignore: [ma*]}}\njobs: {t: {runs-on: x, steps: []}}",
            "does not run on pull requests to main",
        ),
        (
            "on: pull_request\njobs:\n  a: {name: x, runs-on: x, steps: [{run: ls}]}\n"
            "  b: {name: x, runs-on: x, steps: [{run: ls}]}",
            "several jobs report as x",
        ),
    ],
)
def test_requirement_that_no_pull_request_could_meet_is_refused(text: str, complaint: str):
    with pytest.raises(UsageProblem, match=complaint):
        protection.contexts(MAIN, [ci(text)])


def test_workflow_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(UsageProblem, match=r"there is no workflow ci\.yml; there are other\.yml"):
        protection.contexts(MAIN, [ci(file="other.yml")])
    assert protection.contexts(MAIN, [ci()]) == ["test"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[a]\nbranches = []", "branches"),
        ('[a]\nbranches = ["x"]\napprovals = 11', "approvals"),
        ('[a]\nbranches = ["x"]\nlinear = true', "did you mean `linear_history`"),
        ('[a]\nbranches = ["x"]\n[b]\nbranches = ["x"]', r"x is in \[a\] and in \[b\]"),
        ('[a]\nbranches = ["x"]\ncode_owner_review = true', "no pull request is"),
    ],
)
def test_mistake_in_the_file_is_one_line(tmp_path: Path, text: str, complaint: str):
    (tmp_path / "protection.toml").write_text(text)
    with pytest.raises(UsageProblem, match=complaint) as caught:
        protection.read(tmp_path / "protection.toml")
    assert "\n" not in str(caught.value)
