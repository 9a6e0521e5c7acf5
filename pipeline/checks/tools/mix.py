"""mix itself: its compiler, its formatter, its lock file, and why it may not get to a task at all.

Of mix tasks only what their own words say is a failure. Any other exception is mix's, of mix.exs or
of a dependency, and says nothing about the code: unknown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline import asking
from pipeline.checks.findings import Finding, Severity
from pipeline.checks.readers import (
    Facts,
    by_exit_code,
    counted,
    exception,
    last_words,
    listed,
    machine_trouble,
    plain,
    short,
)
from pipeline.checks.verdicts import PASSED, Judgement, Verdict, failed, unknown

# ---------------------------------------------------------------- any task


def read(output: str, code: int, _facts: Facts) -> Judgement:
    """Read a mix task that has no words of its own for a failure."""
    return told(output, code)


def told(output: str, code: int, found: str = "") -> Judgement:
    """Return the verdict on a mix task; `found` says what it found, if its words say so.

    `found` counts whatever the exit code: some tasks exit 0 with findings. An exit code alone is no
    failure of the code: it may be a wrapper's, whose container does not run.
    """
    text = plain(output)
    stopped = why_stopped(text)
    if stopped:
        return unknown(stopped)
    if found:
        return failed(found)
    if code == 0:
        return PASSED
    words = machine_trouble(text) or exception(text) or last_words(text)
    if code < 126:
        return unknown(words if words.startswith("** (") else f"exit {code}: {words or 'no words'}")
    return by_exit_code(output, code, {})


def why_stopped(text: str) -> str:
    """Return why mix did not get to its task, or who ended it; nothing if neither."""
    for pattern, reason in _DID_NOT_RUN:
        if re.search(pattern, text, re.MULTILINE):
            return reason
    # Only the traces of the loading of mix.exs have these functions.
    raised = re.search(
        r"^\*\* \(.+(?=(?:\n.*){0,12}?\n +(?:mix\.exs:\d+: |.*Mix\.CLI\.load_mix_exs/))",
        text,
        re.MULTILINE,
    )
    return f"mix.exs does not load: {short(raised[0])}" if raised else ""


_DID_NOT_RUN = (
    (
        r"^Unchecked dependencies for environment",
        "dependencies are not fetched or not as locked: mix deps.get",
    ),
    (r"^Could not find Hex", "Hex is not installed; mix local.hex --force"),
    (r'The task "[^"]+" could not be found', "this mix task does not exist in the application"),
    # A BEAM that is told to go exits 0.
    (r"SIGTERM received - shutting down", "killed by SIGTERM"),
    (r"^BREAK: \(a\)bort", "killed by SIGINT"),
)

# ---------------------------------------------------------------- compile


def compilation(output: str, code: int, _facts: Facts) -> Judgement:
    """Read mix compile --warnings-as-errors: warnings are told from errors.

    The compiler of Erlang does not know that option: mix exits 0 with its warnings.
    """
    text = plain(output)
    found = find_compilation(text)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if code and "Compilation failed due to warnings" in text:
        said = counted(len(found), "warning")
        return told(output, code, f"it compiles with {said if found else 'warnings'}")
    if code and (errors or re.search(r"[Cc]ompilation error", text)):
        first = f": {shown(errors[0])}" if errors else ""
        return told(output, code, f"it does not compile{first}")
    # What dependencies print stands above the application's own headline.
    own = text.rpartition("\n==> ")[2]
    erlang = [f for f in find_compilation(own) if f.file.endswith((".erl", ".hrl", ".xrl", ".yrl"))]
    if code == 0 and erlang:
        said = counted(len(erlang), "warning")
        return told(output, code, f"{said} of the Erlang compiler, with which mix exits 0")
    return told(output, code)


def shown(finding: Finding) -> str:
    """Return a finding with its place, as a reason holds it."""
    place = ":".join(str(part) for part in (finding.file, finding.line) if part)
    return short(f"{place}: {finding.message}" if place else finding.message)


_PLACE = r"(?P<file>[^\s:]+\.[a-z]\w{0,7}):(?P<line>\d+)(?::(?P<column>\d+))?"
# A name with spaces is only one if nothing but a function follows.
_WIDE = r"(?P<file>\S[^:]*\.[a-z]\w{0,7}):(?P<line>\d+)(?::(?P<column>\d+))?(?=: \S+/\d+$|$)"
_MESSAGE = re.compile(r" *(warning|error): (.+)")
_THROWN = re.compile(r"\*\* \(([\w.]+)\) (.*)")
_ERLANG = re.compile(
    r"(?P<file>[^\s:]+\.(?:erl|hrl|xrl|yrl)):(?P<line>\d+)(?::(?P<column>\d+))?: "
    r"(?P<kind>[Ww]arning: )?(?P<text>.+)"
)
_TRACE = re.compile(r" +\([a-z_]+ \d[^)]*\) ")
_END = re.compile(
    r" *(?:warning|error): |==|\*\* \(|Compilation failed|Compiling \d|Generated \S+ app"
    r"|Finished in"
)


def find_compilation(output: str) -> list[Finding]:
    """Read the warnings and errors of mix compile, of Elixir 1.14 as well as from 1.16 on.

    1.14: `warning: message`, then `  file:line: function`, or `** (Exception) file:line: message`.
    From 1.16: the source in a frame, then `└─ file:line:column: function`, several of them if the
    same is wrong in several places.
    """
    found: list[Finding] = []
    lines = output.splitlines()
    inside = ""
    for index, line in enumerate(lines):
        if headline := re.match(r"== Compilation error in file (.+) ==$", line):
            inside = headline[1]
        elif message := _MESSAGE.match(line):
            found += _message(Severity(message[1]), message[2], lines[index + 1 :])
        elif thrown := _THROWN.match(line):
            found += _thrown(thrown[2], inside, lines[index + 1 :], found)
            inside = ""
        elif erlang := _ERLANG.match(line):
            severity = Severity.WARNING if erlang["kind"] else Severity.ERROR
            found.append(Finding(*_at(erlang), severity, erlang["text"].strip()))
    return found


def _at(match: re.Match[str]) -> tuple[str, int, int]:
    return match["file"], int(match["line"]), int(match["column"] or 0)


def _message(severity: Severity, head: str, below: Sequence[str]) -> Iterator[Finding]:
    """Yield a message once for each of its places; once without one if it has none."""
    words = [head.strip()]
    places: list[tuple[str, int, int]] = []
    for line in below:
        if places and _TRACE.match(line):
            break
        place = _place(line)
        if place:
            places.append(_at(place))
        elif places or _END.match(line):
            break
        elif line.strip() and not re.match(r" *\d* *[│~^┃|]", line):
            words.append(line.strip())
    text = short(" ".join(words)) if places else head.strip()
    for file, number, column in places or [("", 0, 0)]:
        yield Finding(file, number, column, severity, text)


def _place(line: str) -> re.Match[str] | None:
    return re.match(rf" *(?:└─ )?{_PLACE}(?::|$)", line) or re.match(rf" +(?:└─ )?{_WIDE}", line)


def _thrown(
    text: str, inside: str, trace: Sequence[str], found: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield what an exception says: at the place in its message, else in the file it stopped."""
    placed = re.match(rf"(?:invalid syntax found on )?{_PLACE}: *(.*)", text)
    if placed:
        # From 1.16 on the message itself follows, as an error with a frame.
        if placed[4].strip():
            yield Finding(*_at(placed), Severity.ERROR, placed[4].strip())
    elif inside and not (
        found and text.endswith("(errors have been logged)") and inside in {f.file for f in found}
    ):
        yield Finding(inside, _line_in(inside, trace), 0, Severity.ERROR, text.strip())


def _line_in(file: str, trace: Sequence[str]) -> int:
    """Return the first line of this file in a stack trace, which ends at a blank line."""
    for line in trace:
        if not line.startswith(" "):
            return 0
        if named := re.match(rf" +{re.escape(file)}:(\d+): ", line):
            return int(named[1])
    return 0


# ---------------------------------------------------------------- format


def formatting(output: str, code: int, facts: Facts) -> Judgement:
    """Read mix format --check-formatted, which exits 0 if its inputs match no file.

    `inputs` in the facts is "none" if .formatter.exs names none that is there.
    """
    text = plain(output)
    found = find_formatting(text)
    broken = [finding for finding in found if finding.line]
    if broken or (code and "mix format failed for file" in text):
        first = f": {shown(broken[0])}" if broken else ""
        return told(output, code, f"it cannot be parsed{first}")
    if found:
        said = "file is" if len(found) == 1 else "files are"
        return told(output, code, f"{len(found)} {said} not formatted")
    if code and "mix format failed due to --check-formatted" in text:
        return told(output, code, "files are not formatted")
    judgement = told(output, code)
    if judgement.verdict is Verdict.PASSED and facts.get("inputs") == "none":
        return unknown("the inputs of .formatter.exs match no file: nothing was looked at")
    return judgement


def find_formatting(output: str) -> list[Finding]:
    """Read the list of files of mix format --check-formatted, and the place of a syntax error.

    Elixir 1.14 lists `  * file`; later ones name each file above its difference.
    """
    if "mix format failed for" in output:
        return find_compilation(output[output.index("mix format failed for") :])
    _, _, listed = output.partition("files are not formatted:")
    names = re.findall(r"^  \* (\S.*)$|^(?![\s\d]|\*\* )(\S.*\.\w+)$", listed, re.MULTILINE)
    return [
        Finding(bullet or headline, 0, 0, Severity.ERROR, "not formatted: mix format")
        for bullet, headline in names
    ]


def format_inputs(app: Path, environ: Mapping[str, str]) -> Facts:
    """Return `inputs`: some or none, by .formatter.exs; empty if nobody can say.

    Plain lists are read here; mix is asked where they are computed.
    """
    path = app / ".formatter.exs"
    if not path.is_file():
        return {"inputs": ""}  # mix itself refuses to run
    text = re.sub(r"(?m)^\s*#.*$", "", path.read_text("utf-8", "replace"))
    patterns = _literal_list(text, "inputs")
    if patterns and "subdirectories:" not in text:
        return {"inputs": "some" if _any_file(app, patterns) else "none"}
    script = (
        '{o, _} = Code.eval_file(".formatter.exs"); '
        'dirs = ["." | Enum.flat_map(o[:subdirectories] || [], &Path.wildcard/1)]; '
        'some = Enum.any?(dirs, fn d -> f = Path.join(d, ".formatter.exs"); File.exists?(f) and '
        "Enum.any?(List.wrap(elem(Code.eval_file(f), 0)[:inputs]), fn i -> "
        "Path.wildcard(Path.expand(i, d), match_dot: true) != [] end) end); "
        'IO.puts(if some, do: "INPUTS some", else: "INPUTS none")'
    )
    said = asking.answer(environ, *EVAL, script, cwd=app)
    answer = re.search(r"^INPUTS (some|none)$", said, re.MULTILINE)
    return {"inputs": answer[1] if answer else ""}


EVAL = ("mix", "run", "--no-start", "--no-compile", "--no-deps-check", "-e")
"""Runs a script beside the application, without the application."""


def _literal_list(text: str, key: str) -> list[str]:
    """Return the strings of `key: [...]` or ~w; nothing if they are not written out."""
    strings = re.search(rf'\b{key}:\s*\[((?:\s*"[^"#]*"\s*,?)*)\s*\]', text)
    if strings:
        return re.findall(r'"([^"]*)"', strings[1])
    opened = re.search(rf"\b{key}:\s*~w([(\[{{<|/\"'])", text)
    if not opened:
        return []
    closing = {"(": ")", "[": "]", "{": "}", "<": ">"}.get(opened[1], opened[1])
    return text[opened.end() :].partition(closing)[0].split()


def _any_file(app: Path, patterns: Sequence[str]) -> bool:
    return any(found.is_file() for pattern in patterns for found in matches(app, pattern))


def matches(app: Path, pattern: str) -> Iterator[Path]:
    """Yield what a pattern of Path.wildcard/1 matches below the application, hidden files too.

    A pattern that Python cannot follow (absolute, `..`) counts as one that matches: itself.
    """
    for plain_ in without_braces(pattern):
        if plain_.startswith("/") or ".." in plain_.split("/"):
            yield app / "mix.exs"
        elif plain_:
            yield from app.glob(plain_)


def without_braces(pattern: str) -> list[str]:
    """Return the patterns that `{a,b}` stands for."""
    opened = re.search(r"\{([^{}]*)\}", pattern)
    if not opened:
        return [pattern]
    head, tail = pattern[: opened.start()], pattern[opened.end() :]
    return [found for word in opened[1].split(",") for found in without_braces(head + word + tail)]


# ---------------------------------------------------------------- deps.unlock


def unused_deps(output: str, code: int, _facts: Facts) -> Judgement:
    """Read mix deps.unlock --check-unused."""
    names = _unused(plain(output))
    said = f"{counted(len(names), 'unused dependency', 'unused dependencies')}: {listed(names, 5)}"
    return told(output, code, said if names else "")


def find_unused_deps(output: str) -> list[Finding]:
    """Read the names that are in mix.lock without being asked for."""
    return [
        Finding("mix.lock", 0, 0, Severity.ERROR, f"unused dependency: {name}")
        for name in _unused(output)
    ]


def _unused(text: str) -> list[str]:
    _, _, listed_ = text.partition("Unused dependencies in mix.lock file")
    return re.findall(r"^ +\* :?(\S+)$", listed_, re.MULTILINE)
