"""Secrets and variables: which are needed, which are there, and setting them sealed."""

from pathlib import Path

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import secrets, workflows
from pipeline.github.secrets import Kind, Needed
from pipeline.github_api import GitHub
from pipeline.settings import PROJECT
from tests.unit.repositories import isolated
from tests.unit.test_tasks import inv as run_inv

from . import described
from .conftest import Inv
from .hub import Hub, Place

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nbWFya2VkIHRleHQgb2YgYSBrZXk\n-----END-----\n"


def own() -> list[Needed]:
    return secrets.needed([workflows.read(path) for path in workflows.files(PROJECT)])


def test_workflows_say_what_they_need():
    found = {(one.environment, one.kind, one.name) for one in own()}
    assert found == {
        (environment, kind, f"{environment.upper()}_DEPLOY_{name}")
        for environment in ("staging", "production")
        for kind, name in (
            (Kind.SECRET, "HOST"),
            (Kind.SECRET, "USER"),
            (Kind.SECRET, "SSH_KEY"),
            (Kind.VARIABLE, "HOST_KEY"),
        )
    }


def test_githubs_own_token_is_nobodys_to_set():
    step = "{run: ls, env: {A: '${{ secrets.GITHUB_TOKEN }}', B: '${{ secrets.MINE }}'}}"
    text = f"on: push\njobs: {{test: {{runs-on: x, steps: [{step}]}}}}"
    assert secrets.needed([workflows.parse(text, "ci.yml")]) == [Needed("MINE", Kind.SECRET, "")]


@described.needed
def test_names_are_found_in_environment_repository_and_organisation(server: Hub, github: GitHub):
    many = {f"V{n}": "" for n in range(40)}
    server.places["staging"] = Place({"A": "x"}, {**many, "V": ""})
    server.places[""] = Place({"B": "x", "A": "x"})
    server.organisation = Place({"B": "x", "C": "x"})
    wanted = [Needed(name, Kind.SECRET, "staging") for name in "ABCD"]
    found = secrets.compare(github, [*wanted, Needed("V", Kind.VARIABLE, "staging")])
    assert [one.where for one in found] == ["staging", "repository", "organisation", "", "staging"]


@described.needed
def test_environment_that_is_not_there_is_not_made(server: Hub, github: GitHub):
    del server.places["production"]
    with pytest.raises(UsageProblem, match="has no environment production; make it in Settings"):
        secrets.compare(github, own())


@described.needed
def test_set_seals_for_github_alone_and_prints_names_only(
    server: Hub, variables: dict[str, str], tmp_path: Path
):
    values = {
        "STAGING_DEPLOY_HOST": "203.0.113.7",
        "STAGING_DEPLOY_USER": "deploy-marked",
        "STAGING_DEPLOY_SSH_KEY": KEY,
        "STAGING_DEPLOY_HOST_KEY": "ssh-ed25519 AAAA",
    }
    environ = isolated(tmp_path, **variables, **values)
    words = ("github.secrets", "--environment", "staging", "--set", "all")
    for _ in range(2):  # the second time all of it is there
        ended = run_inv(*words, cwd=tmp_path, env=environ)
        assert ended.returncode == 0, ended.stderr
    for name, value in values.items():
        assert value not in ended.stdout + ended.stderr
        assert f" {name} in staging\n" in ended.stdout
    assert server.unsealed("staging", "STAGING_DEPLOY_SSH_KEY") == KEY
    assert server.unsealed("staging", "STAGING_DEPLOY_HOST") == "203.0.113.7"
    assert server.places["staging"].variables == {"STAGING_DEPLOY_HOST_KEY": "ssh-ed25519 AAAA"}
    sent = [path for method, path in server.asked if method != "GET"]
    assert not [path for path in sent if "environments/staging" not in path]
    assert run_inv(*words[:3], cwd=tmp_path, env=environ).returncode == 0


@described.needed
def test_missing_names_are_listed_and_exit_one(server: Hub, inv: Inv):
    server.places["staging"].secrets["STAGING_DEPLOY_USER"] = ""
    ended = inv("github.secrets", "--environment", "staging")
    assert ended.returncode == 1
    rows = [line.split() for line in ended.stdout.splitlines()]
    assert ["staging", "secret", "STAGING_DEPLOY_USER", "staging"] in rows
    assert ["staging", "variable", "STAGING_DEPLOY_HOST_KEY", "NOT", "SET"] in rows
    assert "not set: STAGING_DEPLOY_HOST, STAGING_DEPLOY_SSH_KEY" in ended.stdout


@described.needed
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "STAGING_DEPLOY_HOST,STAGING_DEPLOY_USR"), "no workflow needs STAGING_DEPLOY_U"),
        (("--set", "STAGING_DEPLOY_HOST"), "has no value; set it in .env"),
        (("--environment", "test"), "is in no workflow; there are staging, production"),
    ],
)
def test_mistake_sets_nothing(server: Hub, inv: Inv, words: tuple[str, ...], told: str):
    ended = inv("github.secrets", *words)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert server.asked == []
