"""`inv github.protect` against a GitHub that holds us to its own description."""

from pipeline.github.protection import GITHUB_ACTIONS

from . import described
from .conftest import Inv
from .hub import Hub

pytestmark = described.needed


def changes(server: Hub) -> list[tuple[str, str]]:
    return [asked for asked in server.asked if asked[0] != "GET"]


def contexts(server: Hub, name: str) -> dict[str, int]:
    ruleset = next(one for one in server.rulesets.values() if one["name"] == name)
    rules = {rule["type"]: rule.get("parameters", {}) for rule in ruleset["rules"]}
    checks = rules["required_status_checks"]["required_status_checks"]
    return {check["context"]: check["integration_id"] for check in checks}


def test_from_nothing_to_protected_and_twice_changes_nothing(server: Hub, inv: Inv):
    ended = inv("github.protect", "--check")
    assert ended.returncode == 1, ended.stderr
    assert changes(server) == []
    assert (
        "ruleset main (main, master; 16 required checks): differs\n  is not there" in ended.stdout
    )

    ended = inv("github.protect")
    assert ended.returncode == 0, ended.stderr
    assert "ruleset develop (develop; 16 required checks): made" in ended.stdout
    assert [one["name"] for one in server.rulesets.values()] == ["main", "develop", "stable"]
    assert contexts(server, "main")["build (ce_test, postgres:18, 6)"] == GITHUB_ACTIONS
    made = len(changes(server))

    for words in (("--check",), ()):
        ended = inv("github.protect", *words)
        assert ended.returncode == 0
        assert ended.stdout.count("as it should be") == 3
    assert len(changes(server)) == made == 3


def test_each_difference_is_told_and_mended_and_nothing_else_gets_weaker(server: Hub, inv: Inv):
    inv("github.protect")
    main, develop, _ = server.rulesets.values()
    main["enforcement"] = "evaluate"
    main["bypass_actors"] = [{"actor_id": 1, "actor_type": "Team", "bypass_mode": "always"}]
    main["conditions"] = {"ref_name": {"include": ["refs/heads/main"], "exclude": []}}
    rules = {rule["type"]: rule for rule in main["rules"]}
    review = rules["pull_request"]["parameters"]
    review |= {"required_approving_review_count": 0, "allowed_merge_methods": ["squash"]}
    checks = rules["required_status_checks"]["parameters"]["required_status_checks"]
    checks[:] = [{"context": "build (test, postgres:18)"}, {"context": "static"}, *checks[1:13]]
    del rules["required_linear_history"]
    main["rules"] = [*rules.values(), {"type": "required_signatures"}]
    develop["rules"].append({"type": "required_linear_history"})
    server.classic.add("main")

    ended = inv("github.protect", "--check")
    assert ended.returncode == 1
    for line in (
        "enforcement is evaluate, not active",
        "is for main, not for main, master",
        "1 may bypass it, none should",
        "rule required_linear_history is missing",
        "rule required_linear_history is not wanted",
        "required_approving_review_count is 0, not 1",
        "required check 'build (test, postgres:18, 1)' is missing",
        "required check 'build (test, postgres:18)' is reported by no job",
        "required check 'static' may come from any app, not from GitHub Actions alone",
        "note: has rules that the file does not know, left as they are: required_signatures",
        "note: main also has classic branch protection, which is not looked at",
    ):
        assert f"  {line}\n" in ended.stdout

    assert inv("github.protect").returncode == 0
    assert inv("github.protect", "--check").returncode == 0
    rules = {rule["type"]: rule for rule in main["rules"]}
    assert "required_signatures" in rules
    assert rules["pull_request"]["parameters"]["allowed_merge_methods"] == ["squash"]
    assert "build (test, postgres:18)" not in contexts(server, "main")


def test_token_that_may_not_see_who_bypasses_is_told_so(server: Hub, inv: Inv):
    inv("github.protect")
    server.hides_bypass = True
    ended = inv("github.protect", "--check")
    assert ended.returncode == 0
    assert ended.stdout.count("note: who may bypass it is not known") == 3


def test_docs_ask_nobody(server: Hub, inv: Inv):
    assert inv("github.protect", "--docs").stdout.startswith("# Branch protection\n")
    assert server.asked == []
