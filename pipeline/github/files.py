"""The files by which a step tells the runner something: outputs, variables, path entries.

Their form: https://docs.github.com/actions/reference/workflow-commands-for-github-actions.
"""

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageProblem


@dataclass(frozen=True)
class Told:
    """Where one step writes."""

    output: Path
    env: Path
    path: Path
    summary: Path

    def variables(self) -> dict[str, str]:
        """Return the variables by which the step finds them."""
        return {
            "GITHUB_OUTPUT": str(self.output),
            "GITHUB_ENV": str(self.env),
            "GITHUB_PATH": str(self.path),
            "GITHUB_STEP_SUMMARY": str(self.summary),
        }


@dataclass(frozen=True)
class Left:
    """What the step has written."""

    outputs: dict[str, str]
    env: dict[str, str]
    paths: list[str]


def make(directory: Path, number: int) -> Told:
    """Make the empty files of a step."""
    told = Told(*(directory / f"{number}-{name}" for name in ("output", "env", "path", "summary")))
    for path in (told.output, told.env, told.path, told.summary):
        path.touch()
    return told


def read(told: Told, where: str) -> Left:
    """Return what the files hold. Raises UsageProblem for a line that GitHub would refuse."""
    return Left(
        pairs(told.output.read_text("utf-8"), f"{where}: GITHUB_OUTPUT"),
        pairs(told.env.read_text("utf-8"), f"{where}: GITHUB_ENV"),
        told.path.read_text("utf-8").split("\n")[:-1],
    )


def pairs(text: str, where: str) -> dict[str, str]:
    """Return name → value of lines `name=value`, and of `name<<END`, lines, `END`."""
    found: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, sign, value = line.partition("=")
        heredoc, mark, end = line.partition("<<")
        if mark and (not sign or len(heredoc) < len(name)):
            taken: list[str] = []
            for inner in lines:
                if inner == end:
                    break
                taken.append(inner)
            else:
                raise UsageProblem(f"{where}: {heredoc} has no end {end!r}")
            found[heredoc] = "\n".join(taken)
        elif sign:
            found[name] = value
        elif line:
            raise UsageProblem(f"{where}: {line!r} is no name=value")
    return found
