"""`inv ci.run`: the steps of one job, here, in their order and with their environment.

What GitHub does around them is not done but named: actions (`uses`) set up a runner, and this
machine is set up; services have to run already; the other jobs have to have run. Whatever a step
would be told differently there is refused, never made up.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from pipeline import gitlocal
from pipeline.errors import UsageProblem
from pipeline.github import expressions, files
from pipeline.github.expressions import Scope
from pipeline.github.matrix import Combination
from pipeline.github.workflows import OUTSIDE, Job, Step, Workflow

PLACE = "ci"
"""The directory of the application's repository in which workflows find this project."""

# GitHub's own: https://docs.github.com/actions/reference/workflow-syntax-for-github-actions, shell.
_SHELLS: Mapping[str, tuple[str, ...]] = {
    "": ("bash", "-e"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail"),
    "sh": ("sh", "-e"),
}


@dataclass(frozen=True)
class Chosen:
    """One job of one workflow, with the matrix values it is replayed with."""

    workflow: Workflow
    job: Job
    combination: Combination


@dataclass(frozen=True)
class Here:
    """Where it is replayed: the application, this project, variables with those of .env."""

    app: Path
    project: Path
    environ: Mapping[str, str]
    github: Mapping[str, str]


@dataclass(frozen=True)
class Done:
    """How a step ended: passed, failed, or skipped, with the reason; seconds it took."""

    step: Step
    outcome: str
    why: str = ""
    seconds: float = 0.0


@dataclass
class _Run:
    """The job while it runs: what its steps have left for those after them."""

    env: dict[str, str]
    paths: list[str] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    failed: bool = False


def choose(workflows: Sequence[Workflow], job: str, file: str, matrix: str) -> Chosen:
    """Return the job that is meant. Raises UsageProblem with the names there are."""
    named = [one for one in workflows if not file or Path(one.path).name == Path(file).name]
    if not named:
        known = ", ".join(Path(one.path).name for one in workflows)
        raise UsageProblem(f"--workflow {file}: there are {known}")
    found = [one for one in named if job in one.jobs]
    if not found:
        known = ", ".join(f"{key} ({Path(one.path).name})" for one in named for key in one.jobs)
        raise UsageProblem(f"there is no job {job!r}; jobs are {known}")
    if len(found) > 1:
        several = ", ".join(Path(one.path).name for one in found)
        raise UsageProblem(f"several workflows have a job {job!r}", remedy=f"--workflow: {several}")
    chosen = found[0].jobs[job]
    return Chosen(found[0], chosen, _combination(chosen, matrix))


def require_replayable(chosen: Chosen, here: Here) -> None:
    """Refuse a job that acts on servers, or that needs secrets or variables which are not set."""
    job = chosen.job
    if job.environment:
        raise UsageProblem(
            f"job {job.id} deploys to {job.environment}: that is not replayed",
            remedy=f"fab -H {job.environment} deploy",
        )
    missing = [name for name in outside(chosen) if name not in here.environ]
    if missing:
        raise UsageProblem(
            f"job {job.id} needs {', '.join(missing)}, and nothing of that name is set here",
            remedy="set them in the environment or in .env beside tasks.py",
        )


def outside(chosen: Chosen) -> list[str]:
    """Return the names of the secrets and variables that the job's steps are given by GitHub."""
    levels: list[Mapping[str, Any]] = [chosen.workflow.env, chosen.job.env]
    levels += [step.env for step in chosen.job.steps if step.run]
    texts = [str(value) for level in levels for value in level.values()]
    texts += [step.run for step in chosen.job.steps]
    return list(dict.fromkeys(match[2] for text in texts for match in OUTSIDE.finditer(text)))


def replay(chosen: Chosen, here: Here, out: TextIO) -> list[Done]:
    """Run the steps; like GitHub, after a failure only those whose condition asks for it.

    Raises UsageProblem for an expression whose value is known to GitHub alone.
    """
    done: list[Done] = []
    with tempfile.TemporaryDirectory(prefix="qusto-ci-") as name:
        temporary = Path(name)
        run = _Run(_environment(chosen, here, temporary))
        for step in chosen.job.steps:
            ended = _step(step, chosen, here, run, temporary, out)
            if ended.outcome == "failed" and not step.continue_on_error:
                run.failed = True
            done.append(ended)
            _tell(ended, out)
    return done


def _combination(job: Job, text: str) -> Combination:
    wanted: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        key, sign, value = pair.partition("=")
        if not sign:
            raise UsageProblem(f"--matrix {pair!r} is no key=value")
        wanted[key] = value
    if not job.combinations:
        if wanted:
            raise UsageProblem(f"--matrix: job {job.id} has no matrix")
        return Combination({}, ())
    fitting = [
        one
        for one in job.combinations
        if all(
            key in one.values and expressions.as_text(one.values[key]) == value
            for key, value in wanted.items()
        )
    ]
    if len(fitting) == 1:
        return fitting[0]
    listed = "\n".join(f"  --matrix {_pairs(one)}" for one in (fitting or job.combinations))
    what = "fits several combinations of" if fitting else "is no combination of"
    raise UsageProblem(
        f"--matrix {text or '(not given)'} {what} job {job.id}", remedy="name one", detail=listed
    )


def _pairs(one: Combination) -> str:
    return ",".join(f"{key}={expressions.as_text(value)}" for key, value in one.values.items())


def _environment(chosen: Chosen, here: Here, temporary: Path) -> dict[str, str]:
    """Return the variables of all steps: this machine's, GitHub's, the workflow's, the job's."""
    found = gitlocal.without(os.environ)
    # Without GITHUB_ACTIONS: what a step prints is for a terminal here, not for GitHub's log.
    found |= {"CI": "true", "RUNNER_TEMP": str(temporary)}
    found |= {f"GITHUB_{key.upper()}": value for key, value in here.github.items()}
    for level, name in ((chosen.workflow.env, "the workflow"), (chosen.job.env, "the job")):
        where = f"{chosen.workflow.path}: env of {name}"
        scope = _scope(chosen, here, _Run(found), where)
        found |= {key: _filled(value, scope) for key, value in level.items()}
    return found


def _step(step: Step, chosen: Chosen, here: Here, run: _Run, temporary: Path, out: TextIO) -> Done:
    where = f"{chosen.workflow.path}: job {chosen.job.id}, step {step.number} ({step.title})"
    scope = _scope(chosen, here, run, where)
    if step.uses:
        return Done(step, "skipped", "an action, which sets up GitHub's runner")
    if not expressions.condition(step.if_, scope):
        return Done(step, "skipped", f"if: {step.if_}" if step.if_ else "a step before it failed")
    env = {**run.env, **{key: _filled(value, scope) for key, value in step.env.items()}}
    # `env` in the step's own script has the step's variables, too.
    scope = _scope(chosen, here, _Run(env, run.paths, run.outputs, run.failed), where)
    told = files.make(temporary, step.number)
    env |= told.variables()
    env["PATH"] = os.pathsep.join([*reversed(run.paths), env.get("PATH", "")])
    script = temporary / f"step-{step.number}.sh"
    script.write_text(expressions.filled(step.run, scope), "utf-8")
    shell = step.shell or chosen.job.shell
    if shell not in _SHELLS:
        raise UsageProblem(f"{where}: the shell {shell!r} is not known here")
    out.write(f"\n--- {step.number}/{len(chosen.job.steps)} {step.title}\n")
    out.flush()
    began = time.monotonic()
    directory = _directory(step.directory or chosen.job.directory, here)
    code = _execute([*_SHELLS[shell], str(script)], directory, env, where)
    seconds = time.monotonic() - began
    left = files.read(told, where)
    run.env |= left.env
    run.paths += left.paths
    outcome = "failed" if code else "passed"
    if step.id:
        run.outputs[step.id] = {"outputs": left.outputs, "outcome": outcome, "conclusion": outcome}
    return Done(step, outcome, f"exit {code}" if code else "", seconds)


def _execute(argv: Sequence[str], directory: Path, env: Mapping[str, str], where: str) -> int:
    """Return the exit code. Ctrl-C reaches the step as well, and its end is waited for."""
    try:
        child = subprocess.Popen(argv, cwd=directory, env=dict(env), stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise UsageProblem(f"{where}: {error.filename} is not there") from None
    interrupted = False
    while True:
        try:
            code = child.wait()
            break
        except KeyboardInterrupt:
            interrupted = True
    if interrupted:
        raise KeyboardInterrupt
    return code


def _directory(name: str, here: Here) -> Path:
    first, _, rest = name.removeprefix("./").partition("/")
    return here.project / rest if first == PLACE else here.app / name


def _scope(chosen: Chosen, here: Here, run: _Run, where: str) -> Scope:
    contexts = {
        "github": dict(here.github),
        "env": run.env,
        "matrix": dict(chosen.combination.values),
        "secrets": here.environ,
        "vars": here.environ,
        "inputs": {},  # as in a run that nobody dispatched by hand
        "steps": run.outputs,
        "runner": {"os": "Linux", "temp": run.env.get("RUNNER_TEMP", "")},
    }
    functions = {
        "always": lambda: True,
        "success": lambda: not run.failed,
        "failure": lambda: run.failed,
        "cancelled": lambda: False,
    }
    return Scope(contexts, functions, whole=frozenset({"env", "inputs"}), where=where)


def _filled(value: object, scope: Scope) -> str:
    return expressions.filled(expressions.as_text(value), scope)


def _tell(done: Done, out: TextIO) -> None:
    time_of_it = f"{done.seconds:6.1f} s" if done.outcome != "skipped" else " " * 8
    why = f"  ({done.why})" if done.why else ""
    out.write(f"  {done.outcome:<8}{time_of_it}  {done.step.title}{why}\n")
    out.flush()
