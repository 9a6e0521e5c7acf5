"""`inv check` beside its peers, on a copy of the sample app: what the project promises of speed.

Run by `make bench-check`. Both sides of every comparison take turns within one run, a side that
did not really do its work ends the run, and each number is a median with its lowest and highest
value. Prints a table and writes benchmarks/results.json, checks.md and checks.svg. Needs mix, node
and the npm packages of examples/qusto; prek is installed from PyPI. About six minutes on two cores.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import results

ROOT = Path(__file__).resolve().parent.parent
APP = ROOT / "examples/qusto"
INV = (sys.executable, "-m", "invoke", "--search-root", str(ROOT))
CORES = len(os.sched_getaffinity(0))

_PRINTING = {
    "20 checks that sleep": "sleep 3",
    "20 checks that print 3 MB in one line": "head -c 3000000 /dev/zero; sleep 3",
    "20 checks that print 3 MB in lines": "yes 'lib/a.ex:12: x' | head -c 3000000; sleep 3",
    # A character beyond the basic plane makes Python hold a text in four bytes each.
    "20 checks that print 3 MB and emoji": "yes '🎉 lib/a.ex:12: x' | head -c 3000000; sleep 3",
    "20 checks that print 30 MB": "yes 'lib/a.ex:12: x' | head -c 30000000; sleep 3",
}

_MEMORY = """
import sys, time
from pathlib import Path
from pipeline.checks import commands, table
from pipeline.checks.check import Check
from pipeline.checks.listeners import Nobody
from pipeline.checks.plan import Planned
from pipeline.checks.run import Pace, run
script = sys.argv[1]
rows = [Planned(Check(f"row{n}", "", ("sh", "-c", script), ())) for n in range(20)]
began = time.monotonic()
ran = run(Path.cwd(), rows, Nobody(), Pace(20, dict.fromkeys((r.check.name for r in rows), 1.0)),
          {})
assert all(o.verdict == "passed" for o in ran.outcomes), ran
assert time.monotonic() - began < 15, "the rows did not run at the same time"
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@dataclass(frozen=True)
class Ended:
    """One run: wall and CPU seconds (with all descendants that were waited for), and its text."""

    seconds: float
    cpu: float
    output: str


@dataclass(frozen=True)
class Side:
    """One side of a comparison: what to run and what its output must hold to have been work."""

    argv: tuple[str, ...]
    proof: str = ""
    before: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Number:
    """A median with its lowest and highest value."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Promise:
    """A measured value beside what it must not exceed."""

    name: str
    value: float
    limit: float
    unit: str = "s"

    @property
    def kept(self) -> bool:
        """Whether it holds."""
        return self.value <= self.limit


def run(argv: Sequence[str], cwd: Path, env: Mapping[str, str], proof: str = "") -> Ended:
    """Run to the end; SystemExit if it fails or its output lacks `proof`."""
    with tempfile.TemporaryFile() as text:
        began = time.monotonic()
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=text, stderr=text
        )
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        text.seek(0)
        output = text.read().decode("utf-8", "replace")
    if child.returncode or proof not in output:
        sys.exit(f"{argv} exited {child.returncode}, expected {proof!r} in:\n{output[-3000:]}")
    return Ended(seconds, usage.ru_utime + usage.ru_stime, output)


def take_turns(
    sides: Mapping[str, Side], rounds: int, cwd: Path, env: Mapping[str, str]
) -> dict[str, list[Ended]]:
    """Run all sides once to warm them up, then `rounds` times in turn."""
    found: dict[str, list[Ended]] = {name: [] for name in sides}
    for number in range(rounds + 1):
        for name, side in sides.items():
            side.before()
            ended = run(side.argv, cwd, env, side.proof)
            if number:
                found[name].append(ended)
                print(f"  {name}: {ended.seconds:.2f} s", file=sys.stderr)
    return found


def number(values: Sequence[float]) -> Number:
    """Summarise."""
    return Number(statistics.median(values), min(values), max(values))


def place(directory: Path) -> tuple[Path, dict[str, str]]:
    """Copy the sample app, built and with its npm packages, into a git repository of its own."""
    app = directory / "qusto"
    run(("cp", "-a", str(APP), str(app)), directory, os.environ)
    home = directory / "home"
    home.mkdir()
    own = {"HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1", "NO_COLOR": "1"}
    own |= {f"GIT_{role}_{what}": "b@example.org" for role in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")}  # fmt: skip
    env = {k: v for k, v in os.environ.items() if k not in ("CI", "GITHUB_ACTIONS", "MIX_ENV")}
    env |= own
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "first")):
        run(("git", *words), app, env)
    run(("mix", "compile"), app, env | {"MIX_ENV": "test"})
    return app, env


def warm(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Number]]:
    """Nothing reused, build warm: the whole table beside a shell; two rows beside the hook."""
    checking = (*INV, "check", "--all", "--app", str(app))
    first = json.loads(run((*checking, "--format", "json"), app, env).output)
    ran = [check for check in first["checks"] if check["verdict"] == "passed"]
    if len(ran) < 10:
        sys.exit(f"only {len(ran)} checks ran: are mix, node and node_modules there?")
    longest = max(ran, key=lambda check: float(check["seconds"]))
    commands = app.parent / "commands"
    commands.write_text("".join(f"{check['command']}\n" for check in ran))
    shell = _shell(app)
    (app.parent / "prek.yaml").write_text(_PREK)
    by_prek = (prek(), "run", "--all-files", "--config", str(app.parent / "prek.yaml"))
    # Each hook finds one more change staged. The document's third line, mix credo --strict, needs
    # Hex and is left out of all.
    document = "MIX_ENV=test mix format --check-formatted && mix test"
    run((*INV, "hooks.install", "--app", str(app)), app, env)
    ours = (str(app / ".git/hooks/pre-commit"),)
    source = app / "lib/plausible_release.ex"
    text = source.read_text()

    def stage() -> None:
        source.write_text(f"{text}\n# {time.time_ns()}\n")
        run(("git", "add", "-A"), app, env)

    sides = {
        "inv check --all": Side(checking, f"{len(ran)} passed"),
        "the same rows by xargs -P": Side(shell, " 0 failures"),
        "the longest row alone": Side(("sh", "-c", longest["command"])),
        "our hook, one file staged": Side(ours, "3 passed", stage),
        "the document's hook without credo": Side(("sh", "-c", document), " 0 failures", stage),
        "the same two by prek": Side(by_prek, "Passed", stage),
    }
    for name, side in sides.items():
        side.before()
        results.progress(f"{name}: {beams(side.argv, app, env)} BEAM starts")
    return measures(take_turns(sides, rounds, app, env))


_PREK = """\
repos:
  - repo: local
    hooks:
      - {id: format, name: format, entry: env MIX_ENV=test mix format --check-formatted,
         language: system, pass_filenames: false, always_run: true}
      - {id: test, name: test, entry: mix test, language: system, pass_filenames: false,
         always_run: true}
"""

_WRAPPER = """\
#!/bin/sh
echo >>"$BEAM_STARTS"
exec %s "$@"
"""


def prek() -> str:
    """Return the path of prek, installed from PyPI if need be."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "qusto-pipeline/prek"
    if not (home / "bin/prek").exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([home / "bin/pip", "install", "-q", "prek"], check=True)
    return str(home / "bin/prek")


def beams(argv: Sequence[str], app: Path, env: Mapping[str, str]) -> int:
    """Return how many BEAMs the command starts."""
    tools = app.parent / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "erl").write_text(_WRAPPER % shutil.which("erl"))
    (tools / "erl").chmod(0o755)
    count = app.parent / "beam-starts"
    count.write_text("")
    counting = {**env, "PATH": f"{tools}:{env['PATH']}", "BEAM_STARTS": str(count)}
    run(argv, app, counting)
    return len(count.read_text().splitlines())


def changing(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Number]]:
    """Nothing built, and one file changed: ours beside a shell that always runs all."""
    source = app / "lib/plausible_release.ex"
    text = source.read_text()

    def touch() -> None:
        source.write_text(f"{text}\n# {time.time_ns()}\n")

    def clean() -> None:
        shutil.rmtree(app / "_build")

    checking = (*INV, "check", "--app", str(app))
    shell = _shell(app)
    sides = {
        "one file changed: inv check": Side(checking, "reused", touch),
        "one file changed: by xargs -P": Side(shell, " 0 failures", touch),
        "cold: inv check --all": Side((*checking[:-2], "--all", *checking[-2:]), "passed", clean),
        "cold: compile, then xargs -P": Side(
            ("sh", "-c", f"MIX_ENV=test mix compile && {shell[2]}"), " 0 failures", clean
        ),
    }
    return measures(take_turns(sides, max(rounds // 2, 1), app, env))


def _shell(app: Path) -> tuple[str, ...]:
    commands = app.parent / "commands"
    return ("sh", "-c", f"xargs -d '\\n' -n1 -P{CORES} sh -c <{commands}")


def starting(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Number]]:
    """`inv --list` beside the import of Invoke alone."""
    sides = {
        "inv --list": Side((*INV, "--list"), "check.compile"),
        "python -c 'import invoke'": Side((sys.executable, "-c", "import invoke")),
    }
    return measures(take_turns(sides, 4 * rounds, app, env))


def reused(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Number]]:
    """A check that has nothing left to run, beside the quickest mix check."""
    run((*INV, "check", "--app", str(app)), app, env)
    sides = {
        "inv check, all reused": Side((*INV, "check", "--app", str(app)), "reused"),
        "mix format --check-formatted": Side(
            ("env", "MIX_ENV=test", "mix", "format", "--check-formatted")
        ),
    }
    return measures(take_turns(sides, 2 * rounds, app, env))


def committing(app: Path, env: Mapping[str, str], rounds: int) -> dict[str, dict[str, Number]]:
    """`git commit` right after a green check, beside one whose hook only starts Python."""
    run((*INV, "hooks.install", "--app", str(app)), app, env)
    bare = app.parent / "bare"
    bare.mkdir()
    (bare / "pre-commit").write_text(f"#!/bin/sh\nexec {sys.executable} -c pass\n")
    (bare / "pre-commit").chmod(0o755)
    source = app / "lib/plausible_release.ex"
    text = source.read_text()

    def edit() -> None:
        source.write_text(f"{text}\n# {time.time_ns()}\n")
        run(("git", "add", "-A"), app, env)

    def edit_and_check() -> None:
        edit()
        run((*INV, "check", "--hook", "--app", str(app)), app, env)

    commit = ("commit", "-q", "-m", "benchmark")
    sides = {
        "git commit after a green check": Side(("git", *commit), "reused", edit_and_check),
        "git commit, hook only starts Python": Side(
            ("git", "-c", f"core.hooksPath={bare}", *commit), "", edit
        ),
    }
    return measures(take_turns(sides, rounds, app, env))


def memory(app: Path, env: Mapping[str, str], script: str) -> float:
    """Return the runner's own peak memory in MB with 20 programs running at once."""
    ended = run((sys.executable, "-c", _MEMORY, script), app, env)
    return int(ended.output.split()[-1]) / 1024


def measures(runs: Mapping[str, Sequence[Ended]]) -> dict[str, dict[str, Number]]:
    """Summarise wall and CPU seconds of each side."""
    return {
        name: {
            "seconds": number([one.seconds for one in ended]),
            "cpu": number([one.cpu for one in ended]),
        }
        for name, ended in runs.items()
    }


def promises(found: Mapping[str, Mapping[str, Number]], mb: Mapping[str, float]) -> list[Promise]:
    """Return what the project promises, with what was measured; a peer's median is a limit."""

    def wall(name: str) -> float:
        return found[name]["seconds"].median

    shell = "the same rows by xargs -P"
    # The CPU time of the shell's run: what the rows themselves need, without any of ours.
    bound = max(wall("the longest row alone"), found[shell]["cpu"].median / CORES)
    hook = "our hook, one file staged"
    after, bare = "git commit after a green check", "git commit, hook only starts Python"
    kept = [
        Promise("inv check --all: 1.25 x the bound", wall("inv check --all"), 1.25 * bound),
        Promise("inv check --all: the plain shell", wall("inv check --all"), wall(shell)),
        Promise("our hook: the document's", wall(hook), wall("the document's hook without credo")),
        Promise(
            "inv --list: 1.5 x import invoke",
            wall("inv --list"),
            1.5 * wall("python -c 'import invoke'"),
        ),
        Promise(
            "all reused: mix format",
            wall("inv check, all reused"),
            wall("mix format --check-formatted"),
        ),
        Promise("git commit: 2 x the hook that starts Python", wall(after), 2 * wall(bare)),
    ]
    return kept + [Promise(f"memory, {name}", value, 80, "MB") for name, value in mb.items()]


def main() -> None:
    """Measure, print, write; exit 1 if a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    for program in ("mix", "node", "git", "xargs"):
        if not shutil.which(program):
            sys.exit(f"{program} is not installed")
    if not (APP / "assets/node_modules").is_dir():
        sys.exit("npm packages are missing: bootstrap/npm.sh")
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="qusto-bench-") as name:
        app, env = place(Path(name))
        found = starting(app, env, rounds)
        found |= warm(app, env, rounds)
        found |= changing(app, env, rounds)
        found |= reused(app, env, rounds)
        found |= committing(app, env, rounds)
        mb = {name: memory(app, env, script) for name, script in _PRINTING.items()}
    given = promises(found, mb)
    results.show(f"load {load:.1f} before the start, medians of {rounds}", table(found))
    for one in given:
        state = "kept  " if one.kept else "MISSED"
        print(f"{state} {one.name:<45} {one.value:8.3f} of {one.limit:8.3f} {one.unit}")
    results.record("checks", ratios(given), table(found))
    sides = ("inv check --all", "the same rows by xargs -P", "the longest row alone")
    hooks = [name for name in found if "hook" in name or "prek" in name]
    walls = {name: found[name]["seconds"].median for name in (*sides, *hooks)}
    results.chart("checks", "Seconds, build warm, nothing reused", {"s": walls})
    sys.exit(0 if all(one.kept for one in given) else 1)


def table(found: Mapping[str, Mapping[str, Number]]) -> list[list[str]]:
    """Return the rows for people."""
    rows = [["", "seconds", "CPU seconds"]]
    for name, numbers in found.items():
        wall, cpu = numbers["seconds"], numbers["cpu"]
        spread = f"{wall.median:.3f} ({wall.low:.3f}…{wall.high:.3f})"
        rows.append([name, spread, f"{cpu.median:.2f}"])
    return rows


def ratios(given: Sequence[Promise]) -> dict[str, float]:
    """Return each promise as the measured value over what the other side needs."""
    values = {one.name: one.value / one.limit for one in given}
    return {
        "warm_vs_bound": 1.25 * values["inv check --all: 1.25 x the bound"],
        "warm_vs_shell": values["inv check --all: the plain shell"],
        "hook_vs_document": values["our hook: the document's"],
        "list_vs_import": 1.5 * values["inv --list: 1.5 x import invoke"],
        "reused_vs_mix_format": values["all reused: mix format"],
        "commit_ratio": 2 * values["git commit: 2 x the hook that starts Python"],
        "runner_mb": max(one.value for one in given if one.unit == "MB"),
    }


if __name__ == "__main__":
    main()
