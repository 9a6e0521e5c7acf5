"""Secrets and variables of GitHub environments: which the workflows need, are there, are set.

A value leaves this machine only sealed with GitHub's public key (libsodium's sealed box), and no
answer of GitHub ever holds one.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import msgspec

from pipeline.errors import UsageProblem
from pipeline.github.workflows import OUTSIDE, Job, Workflow
from pipeline.github_api import GitHub

_OWN = "GITHUB_TOKEN"
"""Made by GitHub for each job; nobody sets it."""
_VARIABLES = 30
"""Variables on a page, the most that GitHub gives (rest/actions/variables)."""


class Kind(StrEnum):
    """A secret cannot be read again; a variable can."""

    SECRET = "secret"  # noqa: S105  (a word, not one)
    VARIABLE = "variable"


@dataclass(frozen=True)
class Needed:
    """A name that a workflow asks for; `environment` is that of its job, empty for none."""

    name: str
    kind: Kind
    environment: str


@dataclass(frozen=True)
class Found:
    """A needed name and where GitHub has it: environment, repository, organisation; or nowhere."""

    needed: Needed
    where: str


class _Name(msgspec.Struct, frozen=True):
    name: str


class _Secrets(msgspec.Struct, frozen=True):
    secrets: list[_Name] = []


class _Variables(msgspec.Struct, frozen=True):
    variables: list[_Name] = []


class _Set(msgspec.Struct, frozen=True):
    name: str
    updated_at: datetime


class _Dated(msgspec.Struct, frozen=True):
    secrets: list[_Set] = []


class _Key(msgspec.Struct, frozen=True):
    key_id: str
    key: str


def needed(workflows: Sequence[Workflow]) -> list[Needed]:
    """Return what the workflows take from GitHub's settings, in the order of the files."""
    found: dict[Needed, None] = {}
    for workflow in workflows:
        for job in workflow.jobs.values():
            for match in (
                match for text in _texts(workflow, job) for match in OUTSIDE.finditer(text)
            ):
                kind = Kind.SECRET if match[1] == "secrets" else Kind.VARIABLE
                if match[2] != _OWN:
                    found[Needed(match[2], kind, job.environment)] = None
    return list(found)


def _texts(workflow: Workflow, job: Job) -> Iterator[str]:
    levels: list[Mapping[str, Any]] = [workflow.env, job.env]
    for step in job.steps:
        levels += [step.env, step.inputs]
        yield step.run
    yield from (str(value) for level in levels for value in level.values())


def compare(github: GitHub, wanted: Sequence[Needed]) -> list[Found]:
    """Return each needed name with the place where GitHub has it; only reads.

    Raises UsageProblem for an environment that is not there.
    """
    shared = {kind: _shared(github, kind) for kind in Kind}
    own = {
        (environment, kind): _of_environment(github, environment, kind)
        for environment in dict.fromkeys(one.environment for one in wanted if one.environment)
        for kind in Kind
    }
    return [
        Found(
            one,
            one.environment
            if one.name in own.get((one.environment, one.kind), ())
            else shared[one.kind].get(one.name, ""),
        )
        for one in wanted
    ]


def set_at(github: GitHub, wanted: Sequence[Needed]) -> dict[str, datetime]:
    """Return when each of these secrets was set in its environment; without those that are not."""
    found: dict[str, datetime] = {}
    for environment in dict.fromkeys(one.environment for one in wanted if one.environment):
        path = f"environments/{quote(environment, safe='')}/secrets"
        names = {one.name for one in wanted if one.environment == environment}
        for secret in github.pages(path, _Dated, lambda page: page.secrets):
            if secret.name in names:
                found[secret.name] = secret.updated_at
    return found


def put(github: GitHub, one: Needed, value: str) -> None:
    """Set it in its environment, or in the repository where it has none."""
    if one.kind is Kind.SECRET:
        key = github.get(f"{_place(one)}/secrets/public-key", _Key)
        body = {"encrypted_value": seal(key.key, value), "key_id": key.key_id}
        github.send("PUT", f"{_place(one)}/secrets/{one.name}", body)
        return
    body = {"name": one.name, "value": value}
    place = f"{_place(one)}/variables"
    if github.find(f"{place}/{one.name}", _Name):
        github.send("PATCH", f"{place}/{one.name}", body)
    else:
        github.send("POST", place, body)


def seal(key: str, value: str) -> str:
    """Return the value for the holder of the private key alone; both are base64."""
    from nacl.public import PublicKey, SealedBox

    return b64encode(SealedBox(PublicKey(b64decode(key))).encrypt(value.encode())).decode()


def _place(one: Needed) -> str:
    return f"environments/{quote(one.environment, safe='')}" if one.environment else "actions"


def _shared(github: GitHub, kind: Kind) -> dict[str, str]:
    """Return name → place of what all jobs of the repository get."""
    found: dict[str, str] = {}
    for place, path in (
        ("organisation", f"actions/organization-{kind}s"),
        ("repository", f"actions/{kind}s"),
    ):
        found |= dict.fromkeys(_names(github, path, kind), place)
    return found


def _of_environment(github: GitHub, environment: str, kind: Kind) -> set[str]:
    path = f"environments/{quote(environment, safe='')}"
    if github.find(path, _Name) is None:
        raise UsageProblem(
            f"{github.access.repository} has no environment {environment}",
            remedy="make it in Settings, Environments, with the reviewers it has to have",
        )
    return set(_names(github, f"{path}/{kind}s", kind))


def _names(github: GitHub, path: str, kind: Kind) -> list[str]:
    if kind is Kind.SECRET:
        return [one.name for one in github.pages(path, _Secrets, lambda page: page.secrets)]
    found = github.pages(path, _Variables, lambda page: page.variables, size=_VARIABLES)
    return [one.name for one in found]
