"""Rulesets as GitHub has them: how they differ from what is wanted, and making them so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from pipeline.github.protection import Wanted, rules
from pipeline.github_api import GitHub

_SOURCE = "Repository"


class _Listed(msgspec.Struct, frozen=True):
    id: int
    name: str
    source_type: str = _SOURCE
    target: str = "branch"


class _Rule(msgspec.Struct, frozen=True):
    type: str
    parameters: dict[str, Any] = {}


class _Names(msgspec.Struct, frozen=True):
    include: list[str] = []
    exclude: list[str] = []


class _Conditions(msgspec.Struct, frozen=True):
    ref_name: _Names = _Names()


class Ruleset(msgspec.Struct, frozen=True):
    """One ruleset. `bypass_actors` is None where this token may not see it."""

    id: int
    enforcement: str
    conditions: _Conditions | None = None
    rules: list[_Rule] = []
    bypass_actors: list[dict[str, Any]] | None = None


class _Classic(msgspec.Struct, frozen=True):
    enabled: bool = False


class _Branch(msgspec.Struct, frozen=True):
    protection: _Classic = _Classic()


@dataclass(frozen=True)
class Compared:
    """One ruleset beside what is wanted: what differs, and what is only worth knowing."""

    name: str
    wanted: Wanted
    required: tuple[str, ...]
    there: Ruleset | None
    differences: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())


def compare(
    github: GitHub, wanted: Mapping[str, Wanted], required: Mapping[str, Sequence[str]]
) -> list[Compared]:
    """Return each ruleset that is wanted beside the one of its name; only reads."""
    listed = github.pages("rulesets", list[_Listed], lambda page: page, includes_parents="false")
    ids = {one.name: one.id for one in listed if one.target == "branch"}
    found = []
    for name, one in wanted.items():
        there = github.get(f"rulesets/{ids[name]}", Ruleset) if name in ids else None
        contexts = tuple(required[name])
        told = tuple(_differences(one, contexts, there)) if there else ("is not there",)
        notes = (*_beside(one, contexts, there), *_classic(github, one))
        found.append(Compared(name, one, contexts, there, told, notes))
    return found


def apply(github: GitHub, compared: Compared) -> None:
    """Make the ruleset what is wanted; one that is so already is not touched."""
    if not compared.differences:
        return
    body = {
        "name": compared.name,
        "target": "branch",
        "enforcement": "active",
        "bypass_actors": [],
        "conditions": {"ref_name": {"include": compared.wanted.refs, "exclude": []}},
        "rules": _merged(rules(compared.wanted, compared.required), compared.there),
    }
    if compared.there:
        github.send("PUT", f"rulesets/{compared.there.id}", body)
    else:
        github.send("POST", "rulesets", body)


def _merged(wanted: list[dict[str, Any]], there: Ruleset | None) -> list[dict[str, Any]]:
    """Return the wanted rules with what they do not speak of: nothing gets weaker unasked."""
    has = {rule.type: rule.parameters for rule in there.rules} if there else {}
    ours = {str(rule["type"]): rule.get("parameters", {}) for rule in wanted}
    merged = {kind: {**has.get(kind, {}), **ours.get(kind, {})} for kind in {**ours, **has}}
    for kind in has.keys() - ours.keys() & _OURS:
        del merged[kind]
    return [
        {"type": kind, "parameters": parameters} if parameters else {"type": kind}
        for kind, parameters in merged.items()
    ]


_OURS = frozenset({"required_linear_history", "pull_request", "required_status_checks"})
"""Rules that the file can ask for: one that is there and not asked for is a difference."""


def _differences(wanted: Wanted, required: Sequence[str], there: Ruleset) -> Iterator[str]:
    if there.enforcement != "active":
        yield f"enforcement is {there.enforcement}, not active"
    on = there.conditions.ref_name if there.conditions else _Names()
    if sorted(on.include) != sorted(wanted.refs) or on.exclude:
        yield f"is for {_refs(on)}, not for {', '.join(wanted.branches)}"
    if there.bypass_actors:
        yield f"{len(there.bypass_actors)} may bypass it, none should"
    has = {rule.type: rule.parameters for rule in there.rules}
    ours = {str(rule["type"]): rule.get("parameters", {}) for rule in rules(wanted, required)}
    yield from (f"rule {kind} is missing" for kind in ours if kind not in has)
    yield from (f"rule {kind} is not wanted" for kind in has if kind not in ours and kind in _OURS)
    for kind in (kind for kind in ours if kind in has):
        for key, value in ours[kind].items():
            if key == "required_status_checks":
                yield from _checks(has[kind].get(key) or [], value)
            elif has[kind].get(key) != value:
                yield f"{key} is {_said(has[kind].get(key))}, not {_said(value)}"


def _checks(has: Sequence[Mapping[str, Any]], wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    apps = {one["context"]: one.get("integration_id") for one in has}
    ours = {one["context"]: one["integration_id"] for one in wanted}
    yield from (f"required check {name!r} is missing" for name in ours if name not in apps)
    yield from (
        f"required check {name!r} is reported by no job" for name in apps if name not in ours
    )
    for name in (name for name in ours if name in apps and apps[name] != ours[name]):
        yield f"required check {name!r} may come from any app, not from GitHub Actions alone"


def _beside(wanted: Wanted, required: Sequence[str], there: Ruleset | None) -> Iterator[str]:
    if there is None:
        return
    ours = {rule["type"] for rule in rules(wanted, required)} | _OURS
    more = [rule.type for rule in there.rules if rule.type not in ours]
    if more:
        yield f"has rules that the file does not know, left as they are: {', '.join(more)}"
    if there.bypass_actors is None:
        yield "who may bypass it is not known: GitHub tells only a token that may change it"


def _classic(github: GitHub, wanted: Wanted) -> Iterator[str]:
    """Yield the branches that have classic protection too: both apply, the stricter one wins."""
    for branch in wanted.branches:
        found = github.find(f"branches/{branch}", _Branch)
        if found and found.protection.enabled:
            yield f"{branch} also has classic branch protection, which is not looked at"


def _refs(on: _Names) -> str:
    shown = [name.removeprefix("refs/heads/") for name in on.include]
    excluded = f" without {', '.join(on.exclude)}" if on.exclude else ""
    return (", ".join(shown) or "no branch") + excluded


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "not set" if value is None else str(value)
