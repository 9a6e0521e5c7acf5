"""What branches have to be protected by: .github/protection.toml, as rulesets of GitHub.

The required checks are computed from the workflow files. Rules are GitHub's own:
https://docs.github.com/rest/repos/rules.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec

from pipeline import tomlfile
from pipeline.errors import UsageProblem
from pipeline.github import names
from pipeline.github.workflows import Workflow

FILE = ".github/protection.toml"
GITHUB_ACTIONS = 15368
"""The id of GitHub's app: a check counts only if it comes from there, not from any other token."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file. `checks` are workflow files; `approvals` None: no pull request."""

    branches: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    checks: tuple[str, ...] = ()
    up_to_date: bool = False
    linear_history: bool = False
    approvals: Annotated[int, msgspec.Meta(ge=0, le=10)] | None = None
    dismiss_stale_approvals: bool = False
    code_owner_review: bool = False
    conversations_resolved: bool = False

    @property
    def refs(self) -> list[str]:
        """The branches as GitHub's condition names them."""
        return [f"refs/heads/{branch}" for branch in self.branches]


def read(path: Path) -> dict[str, Wanted]:
    """Return ruleset name → what it has to be. Raises UsageProblem, also for a branch in two."""
    found = {
        name: tomlfile.convert(table, Wanted, where=f"{path} [{name}]")
        for name, table in tomlfile.read(path).items()
    }
    owner: dict[str, str] = {}
    for name, wanted in found.items():
        reviewed = (
            wanted.dismiss_stale_approvals,
            wanted.code_owner_review,
            wanted.conversations_resolved,
        )
        if wanted.approvals is None and any(reviewed):
            raise UsageProblem(
                f"{path} [{name}]: reviews are asked for and no pull request is",
                remedy="add `approvals = 0` or more",
            )
        for branch in wanted.branches:
            if branch in owner:
                raise UsageProblem(f"{path}: {branch} is in [{owner[branch]}] and in [{name}]")
            owner[branch] = name
    return found


def contexts(wanted: Wanted, workflows: Sequence[Workflow]) -> list[str]:
    """Return the names of the checks that the ruleset requires, in the order of the files.

    Raises UsageProblem for a requirement that no pull request could meet: a workflow that is not
    there or does not run on it, or two jobs that report under one name.
    """
    by_file = {Path(workflow.path).name: workflow for workflow in workflows}
    found: list[names.Reported] = []
    for file in wanted.checks:
        if file not in by_file:
            raise UsageProblem(f"{FILE}: there is no workflow {file}; there are {_list(by_file)}")
        _require_met(by_file[file], wanted.branches)
        found += names.reported(by_file[file])
    twice = names.ambiguous(found)
    if twice:
        raise UsageProblem(
            f"several jobs report as {_list(twice)}: a required check could be any of them",
            remedy="give the jobs different names",
        )
    return [check.name for check in found]


def rules(wanted: Wanted, required: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rules of the ruleset, in GitHub's form."""
    found: list[dict[str, Any]] = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    if wanted.linear_history:
        found.append({"type": "required_linear_history"})
    if wanted.approvals is not None:
        review = {
            "required_approving_review_count": wanted.approvals,
            "dismiss_stale_reviews_on_push": wanted.dismiss_stale_approvals,
            "require_code_owner_review": wanted.code_owner_review,
            "required_review_thread_resolution": wanted.conversations_resolved,
            "require_last_push_approval": False,
        }
        found.append({"type": "pull_request", "parameters": review})
    if required:
        checks = [{"context": name, "integration_id": GITHUB_ACTIONS} for name in required]
        parameters = {
            "strict_required_status_checks_policy": wanted.up_to_date,
            "required_status_checks": checks,
        }
        found.append({"type": "required_status_checks", "parameters": parameters})
    return found


def page(wanted: Mapping[str, Wanted], workflows: Sequence[Workflow]) -> str:
    """Return docs/BRANCH_PROTECTION.md."""
    lines = [
        "# Branch protection",
        "",
        f"Written by `inv github.protect --docs` from `{FILE}` and the workflow files; a test "
        "compares. `inv github.protect --check` compares GitHub with the same and exits 1 where it "
        "differs, `inv github.protect` applies it (github-api.md). Why rulesets: "
        "decisions/0005-rulesets.md.",
        "",
    ]
    for name, ruleset in wanted.items():
        title = f"## {_list(ruleset.branches)} (ruleset `{name}`)"
        lines += [title, "", *_sentences(ruleset), ""]
    lines += ["## Required checks", ""]
    lines.append("The names under which the jobs report, matrix values included:")
    lines.append("")
    files = dict.fromkeys(file for ruleset in wanted.values() for file in ruleset.checks)
    for file in files:
        one = next(one for one in workflows if Path(one.path).name == file)
        lines += [f"`{file}`:", "", *(f"- `{check.name}`" for check in names.reported(one)), ""]
    return "\n".join(lines)


def _sentences(one: Wanted) -> list[str]:
    found = ["no deletion, no force push; nobody may bypass the rules, administrators included"]
    if one.approvals is not None:
        many = "approval" if one.approvals == 1 else "approvals"
        found.append(f"changes only by pull request, with {one.approvals} {many}")
    if one.dismiss_stale_approvals:
        found.append("a new commit makes earlier approvals void")
    if one.code_owner_review:
        found.append("an owner named in CODEOWNERS approves what is theirs")
    if one.conversations_resolved:
        found.append("all conversations are resolved")
    if one.checks:
        found.append(f"all jobs of {_list(one.checks)} have passed, as reported by GitHub Actions")
    if one.up_to_date:
        found.append("the branch is up to date before it is merged")
    if one.linear_history:
        found.append("linear history: squash or rebase, no merge commits")
    return [f"- {sentence}" for sentence in found]


def _require_met(workflow: Workflow, branches: Sequence[str]) -> None:
    """Refuse a workflow that leaves some pull requests to one of the branches without its checks.

    GitHub waits for ever for a required check that a filter has kept from running.
    """
    if not workflow.reports_on_pull_requests:
        raise UsageProblem(
            f"{workflow.path} does not run on pull requests: its checks cannot be required",
            remedy=f"add `pull_request` to its `on`, or take it out of {FILE}",
        )
    filters = workflow.triggers["pull_request"] or {}
    for key in ("paths", "paths-ignore"):
        if key in filters:
            raise UsageProblem(
                f"{workflow.path} has `{key}`: where it does not run, its required checks are "
                "waited for without end",
                remedy="take the filter away and let the jobs decide",
            )
    only, never = filters.get("branches"), filters.get("branches-ignore") or ()
    for branch in branches:
        if (only and not _matches(branch, only)) or _matches(branch, never):
            raise UsageProblem(f"{workflow.path} does not run on pull requests to {branch}")


def _matches(branch: str, patterns: Sequence[object]) -> bool:
    return any(fnmatch.fnmatchcase(branch, str(pattern)) for pattern in patterns)


def _list(items: "Sequence[str] | Mapping[str, Any]") -> str:
    return ", ".join(items)
