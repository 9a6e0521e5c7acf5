"""`inv doctor`: what this machine has, against what the application asks for."""

import importlib.metadata
import platform
import re
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pipeline import asking
from pipeline.checks import presence, repository, workflow_tools
from pipeline.services import named, probes

GIB = 1024**3
FEW_GIB = 5
TOO_FEW_GIB = 1
PATIENCE = 20.0
"""Seconds for a tool to tell its version."""


class State(StrEnum):
    """Only a problem keeps checks or builds from working."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    subject: str
    state: State
    text: str


def examine(app: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Return what was found; nothing is changed, and every question has a time limit."""
    parts = (
        lambda: [*_tools(app, environ), *_packages(app, environ)],
        lambda: _git(app, environ),
        lambda: _services(app, environ),
        lambda: [_disk(app), *_python()],
    )
    with ThreadPoolExecutor() as pool:
        return [finding for part in pool.map(lambda ask: list(ask()), parts) for finding in part]


def compare(tool: str, wanted: str, found: str) -> Finding:
    """Compare two versions: major and minor must be the same, the rest had better be."""
    if not found:
        return Finding(tool, State.PROBLEM, f"not installed; .tool-versions names {wanted}")
    # asdf writes the OTP it was built for behind an Elixir version: 1.19.4-otp-27.
    bare = wanted.removeprefix("v").partition("-otp-")[0]
    if found == bare:
        return Finding(tool, State.OK, found)
    text = f"{found} is installed, .tool-versions names {wanted}"
    near = found.split(".")[:2] == bare.split(".")[:2]
    return Finding(tool, State.NOTE if near else State.PROBLEM, text)


def tool_versions(text: str) -> dict[str, str]:
    """Return the first version of each tool in the text of a .tool-versions file."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return {words[0]: words[1] for words in lines if len(words) >= 2}


def _tools(app: Path, environ: Mapping[str, str]) -> Iterable[Finding]:
    path = app / ".tool-versions"
    if not path.is_file():
        yield Finding(".tool-versions", State.PROBLEM, f"{app} has none; CI reads its versions")
    wanted = tool_versions(path.read_text("utf-8", "replace")) if path.is_file() else {}
    found = _beam_versions(environ)
    found["nodejs"] = _say(environ, "node", "--version").removeprefix("v")
    asked = workflow_tools.read(app)
    for tool in dict.fromkeys((*wanted, *asked, "erlang", "elixir", "nodejs")):
        if tool in wanted:
            have = found.get(tool, "")
            yield (
                compare(tool, wanted[tool], have)
                if tool in found
                else Finding(tool, State.NOTE, f"{wanted[tool]} is named, not checked here")
            )
        elif tool in asked:
            text = f"{asked[tool]} reads it from .tool-versions, which does not name it"
            line = f"{tool} {found.get(tool) or 'VERSION'}"
            yield Finding(tool, State.PROBLEM, f"{text}; add the line `{line}`")
        elif tool != "nodejs" or (app / "assets/package.json").is_file():
            text = f"{found[tool] or 'not installed'}; .tool-versions does not name it, CI reads it"
            yield Finding(tool, State.NOTE if found[tool] else State.PROBLEM, text)


def _packages(app: Path, environ: Mapping[str, str]) -> Iterable[Finding]:
    """Tell which npm packages are not installed, and the command of the manager they are for."""
    for name in ("assets", "tracker"):
        if not (app / name / "package.json").is_file():
            continue
        if absent := presence.npm_absence(app / name):
            program = absent.remedy.split()[0]
            there = shutil.which(program, path=environ.get("PATH"))
            lacking = "" if there else f" ({program} is not on this PATH)"
            text = f"{absent.reason}: {absent.remedy}{lacking}"
            yield Finding(name, State.NOTE, text)


def _beam_versions(environ: Mapping[str, str]) -> dict[str, str]:
    script = (
        "otp = :erlang.system_info(:otp_release); "
        'path = Path.join([:code.root_dir(), "releases", otp, "OTP_VERSION"]); '
        'IO.puts("elixir=#{System.version()}"); IO.puts("erlang=#{File.read!(path)}")'
    )
    said = dict(re.findall(r"^(elixir|erlang)=(\S+)", _say(environ, "elixir", "-e", script), re.M))
    return {"erlang": said.get("erlang", ""), "elixir": said.get("elixir", "")}


def _git(app: Path, environ: Mapping[str, str]) -> Iterable[Finding]:
    if shutil.which("git", path=environ.get("PATH")) is None:
        yield Finding("git", State.PROBLEM, "not installed")
        return
    trouble = _git_trouble(app, environ)
    if trouble == "not a git repository":
        yield Finding("git", State.NOTE, f"{app} is in no repository: no credo diff, no commit id")
        return
    if trouble:
        yield Finding("git", State.PROBLEM, f"git cannot say anything of {app}: {trouble}")
        return
    branch = _say(environ, "git", "-C", str(app), "rev-parse", "--abbrev-ref", "HEAD")
    changed = _say(environ, "git", "-C", str(app), "status", "--porcelain", "--", ".")
    state = f"{len(changed.splitlines())} files changed" if changed else "clean"
    yield Finding("git", State.OK, f"branch {branch}, {state}")
    if _say(environ, "git", "-C", str(app), "rev-parse", "--is-shallow-repository") == "true":
        yield Finding("git", State.NOTE, "a shallow clone: credo diff has no base to compare with")


def _git_trouble(app: Path, environ: Mapping[str, str]) -> str:
    """Return why git says nothing about the application; nothing if it does."""
    try:
        repository.ask(str(app), environ)
    except OSError as error:
        said = str(error)
        return "not a git repository" if said.startswith("not a git repository") else said
    return ""


def _services(app: Path, environ: Mapping[str, str]) -> Iterable[Finding]:
    services = named.named(app, environ)
    for service, trouble in zip(services, probes.ask_all(services), strict=True):
        yield (
            Finding(service.kind, State.PROBLEM, probes.complaint(service, trouble))
            if trouble
            else Finding(service.kind, State.OK, probes.answering(service))
        )


def _disk(app: Path) -> Finding:
    free = shutil.disk_usage(app).free / GIB
    state = State.PROBLEM if free < TOO_FEW_GIB else State.NOTE if free < FEW_GIB else State.OK
    return Finding("disk", state, f"{free:.1f} GiB free for {app}")


def _python() -> Iterable[Finding]:
    yield Finding("python", State.OK, platform.python_version())
    for package in ("invoke", "fabric", "patchwork"):
        try:
            yield Finding(package, State.OK, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(package, State.PROBLEM, "not installed: make setup")


def _say(environ: Mapping[str, str], *argv: str) -> str:
    return asking.answer(environ, *argv, seconds=PATIENCE)
