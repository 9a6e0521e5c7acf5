"""Workflow files as data: triggers, jobs, matrices, steps. What cannot be understood is refused.

Read as YAML 1.2, as GitHub does: in YAML 1.1 the key `on` would be true. Expressions stay text
here; expressions.py evaluates them, names.py computes the names under which jobs report.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pipeline.errors import UsageProblem
from pipeline.github import matrix as matrices

Scalar = str | int | float | bool | None
DIRECTORY = ".github/workflows"
"""Where GitHub looks for them, from the top of a repository."""
OUTSIDE = re.compile(r"\b(secrets|vars)\.([A-Za-z_][A-Za-z0-9_]*)")
"""What an expression takes from the settings of repository or environment."""


class Service(msgspec.Struct, frozen=True):
    """A container beside a job; `ports` as written ("5432:5432"), `options` for docker create."""

    image: str
    ports: tuple[str, ...] = ()
    env: Mapping[str, Scalar] = {}
    options: str = ""


class Step(msgspec.Struct, frozen=True):
    """One step: an action (`uses`, with its `inputs`) or a script (`run`). `if_` is its condition.

    `number` counts from 1, as GitHub's log does with the steps of the file.
    """

    number: int
    name: str = ""
    id: str = ""
    if_: str = ""
    uses: str = ""
    run: str = ""
    inputs: Mapping[str, Scalar] = {}
    env: Mapping[str, Scalar] = {}
    shell: str = ""
    directory: str = ""
    continue_on_error: bool = False

    @property
    def title(self) -> str:
        """What GitHub calls the step: its name, or what it does."""
        first = self.run.strip().splitlines()[0] if self.run.strip() else ""
        return self.name or f"Run {self.uses or first}"


class Job(msgspec.Struct, frozen=True):
    """One job. `name` may hold expressions; `combinations` are the values of its matrix.

    A job without a matrix has no combinations. `uses` names a reusable workflow.
    """

    id: str
    name: str = ""
    if_: str = ""
    needs: tuple[str, ...] = ()
    env: Mapping[str, Scalar] = {}
    services: Mapping[str, Service] = {}
    steps: tuple[Step, ...] = ()
    combinations: tuple[matrices.Combination, ...] = ()
    shell: str = ""
    directory: str = ""
    environment: str = ""
    timeout_minutes: int | str | None = None
    permissions: Mapping[str, str] | str | None = None
    uses: str = ""


class Workflow(msgspec.Struct, frozen=True):
    """One workflow file. `triggers` is event → its filters; `path` is where it was read from."""

    path: str
    name: str
    triggers: Mapping[str, Any]
    jobs: Mapping[str, Job]
    env: Mapping[str, Scalar] = {}
    permissions: Mapping[str, str] | str | None = None
    concurrency: Mapping[str, Any] = {}

    @property
    def reports_on_pull_requests(self) -> bool:
        """Whether its jobs are checks of a pull request, and so may be required of one."""
        return "pull_request" in self.triggers


def read(path: Path) -> Workflow:
    """Return the workflow in the file. Raises UsageProblem: no such file, or not understood."""
    try:
        return parse(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageProblem(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def files(*roots: Path) -> list[Path]:
    """Return the workflow files of the first of these repositories that has any, by name.

    Raises UsageProblem where none has.
    """
    for root in roots:
        directory = root / DIRECTORY
        found = sorted((*directory.glob("*.yml"), *directory.glob("*.yaml")))
        if found:
            return found
    raise UsageProblem(f"there is no workflow in {roots[0] / DIRECTORY}")


def read_all(*roots: Path) -> list[Workflow]:
    """Return the workflows of `files`."""
    return [read(path) for path in files(*roots)]


def parse(text: str, path: str) -> Workflow:
    """Return the workflow in `text`; `path` opens every complaint. Raises UsageProblem."""
    data = _mapping(_yaml(text, path), path)
    if "on" not in data or "jobs" not in data:
        raise UsageProblem(f"{path} is no workflow: it has no `on` or no `jobs`")
    jobs = _mapping(data["jobs"], f"{path}: jobs")
    return Workflow(
        path=path,
        name=str(data.get("name") or path),
        triggers=_triggers(data["on"], path),
        jobs={key: _job(key, value, data, path) for key, value in jobs.items()},
        env=_mapping(data.get("env"), f"{path}: env"),
        permissions=data.get("permissions"),
        concurrency=_concurrency(data.get("concurrency")),
    )


def _yaml(text: str, path: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else path
        said = getattr(error, "problem", None) or error
        raise UsageProblem(f"{where} is not valid YAML: {said}") from None


def _triggers(value: object, path: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {value: {}}
    if isinstance(value, list):
        return {str(event): {} for event in value}
    return {event: filters or {} for event, filters in _mapping(value, f"{path}: on").items()}


def _concurrency(value: object) -> dict[str, Any]:
    return {"group": value} if isinstance(value, str) else _mapping(value, "concurrency")


def _job(key: str, value: object, workflow: Mapping[str, Any], path: str) -> Job:
    where = f"{path}: job {key}"
    data = _mapping(value, where)
    strategy = _mapping(data.get("strategy"), f"{where}: strategy")
    environment = data.get("environment") or ""
    services = _mapping(data.get("services"), f"{where}: services")
    return Job(
        id=key,
        name=_text(data.get("name")),
        if_=_text(data.get("if")),
        needs=_words(data.get("needs")),
        env=_mapping(data.get("env"), f"{where}: env"),
        services={k: _service(v, f"{where}: service {k}") for k, v in services.items()},
        steps=tuple(
            _step(number, step, f"{where}: step {number}")
            for number, step in enumerate(data.get("steps") or (), 1)
        ),
        combinations=matrices.expand(strategy.get("matrix"), where),
        shell=_default("shell", data, workflow),
        directory=_default("working-directory", data, workflow),
        environment=_text(environment.get("name"))
        if isinstance(environment, Mapping)
        else _text(environment),
        timeout_minutes=data.get("timeout-minutes"),
        permissions=data.get("permissions"),
        uses=_text(data.get("uses")),
    )


def _step(number: int, value: object, where: str) -> Step:
    data = _mapping(value, where)
    if ("uses" in data) == ("run" in data):
        raise UsageProblem(f"{where} has to have either `uses` or `run`")
    return Step(
        number=number,
        name=_text(data.get("name")),
        id=_text(data.get("id")),
        if_=_text(data.get("if")),
        uses=_text(data.get("uses")),
        run=_text(data.get("run")),
        inputs=_mapping(data.get("with"), f"{where}: with"),
        env=_mapping(data.get("env"), f"{where}: env"),
        shell=_text(data.get("shell")),
        directory=_text(data.get("working-directory")),
        continue_on_error=data.get("continue-on-error") is True,
    )


def _service(value: object, where: str) -> Service:
    data = _mapping(value, where)
    if not data.get("image"):
        raise UsageProblem(f"{where} has no image")
    return Service(
        image=str(data["image"]),
        ports=tuple(str(port) for port in data.get("ports") or ()),
        env=_mapping(data.get("env"), f"{where}: env"),
        options=_text(data.get("options")),
    )


def _default(key: str, job: Mapping[str, Any], workflow: Mapping[str, Any]) -> str:
    for level in (job, workflow):
        run = (level.get("defaults") or {}).get("run") or {}
        if key in run:
            return str(run[key])
    return ""


def _mapping(value: object, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UsageProblem(f"{where} is no mapping")
    return {str(key): item for key, item in value.items()}


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(str(word) for word in value)
    return (str(value),) if value else ()


def _text(value: object) -> str:
    """Return the text of a scalar; YAML's true is the expression `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
