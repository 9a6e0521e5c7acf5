"""What `inv github.protect` and `github.secrets` do: strings in, text out, an exit code."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from getpass import getpass
from pathlib import Path

from pipeline import app as apps
from pipeline import asking, github_api, printable, redaction, settings, tables
from pipeline.errors import ExitCode, UsageProblem
from pipeline.formats import print_json
from pipeline.github import protection, rulesets, secrets, workflows
from pipeline.github.protection import Wanted
from pipeline.github.secrets import Found, Kind, Needed
from pipeline.github.workflows import Workflow
from pipeline.github_api import GitHub


@contextmanager
def api(app: Path) -> Iterator[GitHub]:
    """Yield the API of the repository that environment, .env and git's `origin` name."""
    variables = settings.environment()
    remote = asking.answer(variables, "git", "-C", str(app), "remote", "get-url", "origin")
    with github_api.connect(github_api.access(variables, remote)) as github:
        yield github


def application(app: str) -> Path:
    """Return the application, or this project where there is none: its own files are asked then."""
    return apps.find_or(settings.PROJECT, app or None, settings.environment(), Path.cwd())


def wanted_of(app: Path, all_workflows: Sequence[Workflow]) -> dict[str, tuple[Wanted, list[str]]]:
    """Return ruleset name → what it has to be and the checks that it requires."""
    own = app / protection.FILE
    path = own if own.is_file() else settings.PROJECT / protection.FILE
    found = protection.read(path)
    return {name: (one, protection.contexts(one, all_workflows)) for name, one in found.items()}


def protect(*, check: bool, docs: bool, app: str) -> int:
    """Compare branch protection with its file and, without `check`, make it so."""
    place = application(app)
    known = read_workflows(place)
    both = wanted_of(place, known)
    wanted = {name: one for name, (one, _) in both.items()}
    if docs:
        sys.stdout.write(protection.page(wanted, known))
        return ExitCode.DONE
    with api(place) as github:
        compared = rulesets.compare(
            github, wanted, {name: names for name, (_, names) in both.items()}
        )
        for one in compared:
            _tell(one, apply=not check)
            if not check:
                rulesets.apply(github, one)
    differs = any(one.differences for one in compared)
    return ExitCode.CHECK_FAILED if check and differs else ExitCode.DONE


def _tell(one: rulesets.Compared, *, apply: bool) -> None:
    verb = ("made" if one.there is None else "changed") if apply else "differs"
    state = verb if one.differences else "as it should be"
    branches, many = ", ".join(one.wanted.branches), len(one.required)
    say(f"ruleset {one.name} ({branches}; {many} required checks): {state}")
    for line in one.differences:
        say(f"  {line}")
    for line in one.notes:
        say(f"  note: {line}")


def list_secrets(environment: str, *, app: str, format: str) -> int:
    """Print which secrets and variables the workflows need and where GitHub has them; 1 if not."""
    place = application(app)
    wanted = _needed(place, environment)
    with api(place) as github:
        found = secrets.compare(github, wanted)
    if format == "json":
        print_json([{**asdict(one.needed), "where": one.where or None} for one in found])
    else:
        tables.show(
            ("environment", "kind", "name", "set in"),
            [_row(one) for one in found],
            "the workflows need no secrets",
        )
    missing = [one.needed.name for one in found if not one.where]
    if missing and format == "text":
        say(f"not set: {', '.join(missing)}; `inv github.secrets --set NAME` sets one")
    return ExitCode.CHECK_FAILED if missing else ExitCode.DONE


def _row(one: Found) -> tuple[str, str, str, str]:
    environment = one.needed.environment or "(all)"
    return environment, one.needed.kind, one.needed.name, one.where or "NOT SET"


def set_secrets(names: Sequence[str], environment: str, *, app: str) -> int:
    """Set what the workflows need by these names ("all": all of it), from .env or asked for."""
    place = application(app)
    wanted = _needed(place, environment)
    known = list(dict.fromkeys(one.name for one in wanted))
    asked = known if list(names) == ["all"] else list(names)
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise UsageProblem(
            f"no workflow needs {', '.join(unknown)}", remedy=f"they need {', '.join(known)}"
        )
    variables = settings.environment()
    values = {one: _value(one, variables) for one in wanted if one.name in asked}
    redaction.learn(value for one, value in values.items() if one.kind is Kind.SECRET)
    with api(place) as github:
        secrets.compare(github, list(values))  # an environment that is not there stops all of it
        for one, value in values.items():
            secrets.put(github, one, value)
            say(f"set {one.kind} {one.name} in {one.environment or 'the repository'}")
    return ExitCode.DONE


def _value(one: Needed, variables: Mapping[str, str]) -> str:
    if value := variables.get(one.name, ""):
        return value
    if not sys.stdin.isatty():
        raise UsageProblem(
            f"{one.name} has no value", remedy="set it in .env or the environment; nothing was set"
        )
    value = getpass(f"{one.name} ({one.environment or 'repository'}): ")
    if not value:
        raise UsageProblem(f"{one.name} has no value", remedy="nothing was set")
    return value


def _needed(app: Path, environment: str) -> list[Needed]:
    found = secrets.needed(read_workflows(app))
    known = list(dict.fromkeys(one.environment for one in found if one.environment))
    if environment and environment not in known:
        raise UsageProblem(
            f"--environment {environment!r} is in no workflow",
            remedy=f"there are {', '.join(known)}",
        )
    return [one for one in found if not environment or one.environment == environment]


def read_workflows(app: Path) -> list[Workflow]:
    """Return the workflows of the application, else those of this project."""
    return workflows.read_all(app, settings.PROJECT)


def say(line: str) -> None:
    """Print one line, without secrets, at once."""
    sys.stdout.write(f"{printable.line(line)}\n")
    sys.stdout.flush()
