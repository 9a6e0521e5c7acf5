"""What is typed after `inv` and `fab`, judged before any task runs.

Invoke parses the words. It takes a misspelt option for the value of the one before it, a stray word
for another task to run, and `--help` for a missing argument, and ends in a traceback for a number
that is none. So every word is read here as well.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import UsageProblem, told

if TYPE_CHECKING:
    from invoke.parser import Argument, ParserContext
    from invoke.program import Program

FORMATS = ("text", "json")
_LEAST = {"jobs": 1, "partitions": 1, "partition": 1, "limit": 1, "lines": 1, "days": 1}
_HELP = ("-h", "--help")
# Core options that Invoke and Fabric take, and that change nothing here: `--dry` would deploy.
_WITHOUT_EFFECT = frozenset(
    """config dry echo hide pty warn-only prompt-for-sudo-password command-timeout connect-timeout
    identity ssh-config prompt-for-login-password prompt-for-passphrase""".split()  # noqa: SIM905
)
_AFTER_A_TASK = ("-H", "--hosts")


def judge_first(program: "Program", checkout: Path) -> None:
    """Make `program`, Invoke's or Fabric's own, judge its words once it has loaded our tasks.

    `checkout` is the directory of those tasks; a .venv that was copied runs another's code.
    """
    parse = program.parse_tasks

    def parse_tasks() -> None:
        from invoke.exceptions import Exit, ParseError

        failure = ""
        try:
            _judge_venv(checkout.resolve())
            try:
                parse()
            except (ParseError, ValueError) as error:
                failure = str(error)
            _judge(program, failure)
        except UsageProblem as error:
            raise Exit(told(error), code=int(error.code)) from None

    # The entry points make their Program before our tasks are loaded, so no subclass can take part.
    program.parse_tasks = parse_tasks  # type: ignore[method-assign]


def _judge_venv(checkout: Path) -> None:
    """Raise UsageProblem where a .venv that was copied along runs the code it was made for."""
    venv = Path(sys.prefix)
    of_venv = venv.parent if (venv.parent / "bootstrap/venv.sh").exists() else checkout
    for used in (Path(__file__).resolve().parents[1], of_venv.resolve()):
        if used != checkout:
            raise UsageProblem(
                f"{checkout} is run by the .venv of {used}", remedy=f"make setup, in {checkout}"
            )


def require_value(name: str, value: str, *, number: bool = False) -> None:
    """Raise UsageProblem for a value that the option `name` of no task can have."""
    if not value.strip(", \t"):
        raise UsageProblem(f"--{name}={value} is empty", remedy="give a value, or leave it out")
    if name == "format" and value not in FORMATS:
        raise UsageProblem(f"--format={value} is not known", remedy=f"use {' or '.join(FORMATS)}")
    if number or name in _LEAST:
        least = _LEAST.get(name, 0)
        if not re.fullmatch("[0-9]{1,9}", value) or int(value) < least:
            raise UsageProblem(f"--{name}={value} is not a whole number of at least {least}")


def _judge(program: "Program", failure: str) -> None:
    """Raise UsageProblem for what is wrong, or for `failure`, Invoke's own; note asked-for help."""
    core = program.core[0].args
    if core.complete.value:
        return
    for argument in set(core.values()):
        if argument.got_value and argument.names[0] in _WITHOUT_EFFECT:
            raise UsageProblem(
                f"--{argument.names[0]} has no effect on these tasks; nothing was run",
                remedy="`--help` after a task lists its own options",
            )
    if "hosts" in core and core.hosts.got_value:
        require_value("hosts", core.hosts.value)
    if program.core.remainder:
        raise UsageProblem(f"nothing uses what follows `--`: {program.core.remainder}")
    contexts = program.parser.contexts
    names = [*contexts, *(alias for context in contexts.values() for alias in context.aliases)]
    _require_known_views(program, names)
    reading = _Reading(contexts, program.initial_context.flags, names, program.called_as)
    if not isinstance(core.help.value, str) and (asked := reading.read(program.core.unparsed)):
        core.help.value = asked
    if failure and not core.help.value:
        raise UsageProblem(failure)


def _require_known_views(program: "Program", names: Iterable[str]) -> None:
    """Raise UsageProblem for `--help`, `--list` and `--list-format` of what is not there."""
    core = program.core[0].args
    if isinstance(asked := core.help.value, str) and asked not in names:
        raise UsageProblem(_no_task(asked, names, program.called_as))
    collections = program.collection.collections
    if isinstance(asked := core.list.value, str) and asked not in collections:
        raise UsageProblem(f"--list {asked}: there is no such group{_near(asked, collections)}")
    if (form := core["list-format"].value) not in ("flat", "nested", "json"):
        raise UsageProblem(f"--list-format={form} is not known", remedy="use flat, nested or json")


@dataclass
class _Reading:
    """The words from the first task on, read from left to right."""

    contexts: "Mapping[str, ParserContext]"
    core: "Mapping[str, Argument]"
    names: list[str]
    program: str
    task: str = ""
    own: "Mapping[str, Argument]" = field(default_factory=dict)
    inverse: Mapping[str, str] = field(default_factory=dict)
    missing: "list[Argument]" = field(default_factory=list)
    given: set[str] = field(default_factory=set)

    def read(self, words: list[str]) -> str:
        """Return the task whose help is asked for, if any. Raises UsageProblem."""
        helps = [at for at, word in enumerate(words) if word in _HELP]
        if helps:
            with suppress(UsageProblem):
                self._read(words[: helps[0]])
            if self.task:
                return self.task
        self._read(words)
        return ""

    def _read(self, words: list[str]) -> None:
        left = iter(words)
        for word in left:
            if word.startswith("-") and word != "-":
                self._option(word, left)
            elif self.missing:
                self.missing.pop(0)
            elif word in self.contexts:
                self._require_complete()
                self._begin(word)
            else:
                raise UsageProblem(self._stray(word))
        self._require_complete()

    def _begin(self, task: str) -> None:
        context = self.contexts[task]
        self.task, self.own, self.inverse = task, context.flags, context.inverse_flags
        self.given, self.missing = set(), list(context.positional_args)

    def _option(self, word: str, left: Iterator[str]) -> None:
        flag, equals, value = word.partition("=")
        argument = self._argument(flag)
        if not argument.takes_value:
            if equals:
                raise UsageProblem(f"{flag} takes no value; leave {word} out or write {flag}")
            return
        if not equals:
            value = next(left, "--")
        if (not equals and re.match("-(?![0-9])", value)) or value in self.own:
            raise UsageProblem(f"{flag} needs a value", remedy=self._help())
        if argument.names[0] in self.given:
            raise UsageProblem(f"{flag} is given twice", remedy="several names are comma separated")
        self.given.add(argument.names[0])
        self.missing = [one for one in self.missing if one.names[0] != argument.names[0]]
        require_value(flag.lstrip("-"), value, number=argument.kind is int)

    def _argument(self, flag: str) -> "Argument":
        if flag in self.own or flag in self.inverse:
            return self.own[self.inverse.get(flag, flag)]
        if flag in _AFTER_A_TASK and flag in self.core:
            return self.core[flag]
        if flag in self.core and self.task:
            raise UsageProblem(
                f"{flag} is no option of {self.task}", remedy=f"it belongs before {self.task}"
            )
        known = [*self.own, *self.inverse, *_HELP] if self.task else [*self.core]
        where = self.task or self.program
        raise UsageProblem(f"{where} has no option {flag}{_near(flag, known)}", remedy=self._help())

    def _stray(self, word: str) -> str:
        no_task = _no_task(word, self.names, self.program)
        shown = word.split("=")[0]
        return f"{self.task} takes no word {shown!r}, and {no_task}" if self.task else no_task

    def _require_complete(self) -> None:
        if self.missing:
            words = " ".join(str(one.name).upper() for one in self.missing)
            raise UsageProblem(f"{self.task} needs {words}", remedy=self._help())

    def _help(self) -> str:
        return f"see `{self.program} {self.task}{' ' * bool(self.task)}--help`"


def _no_task(word: str, names: Iterable[str], program: str) -> str:
    shown = word.split("=")[0]  # what follows may be a secret
    return f"there is no task {shown!r}{_near(shown, names)}; see `{program} --list`"


def _near(word: str, known: Iterable[str]) -> str:
    import difflib

    bare = {name.lstrip("-"): name for name in sorted(known)}
    found = difflib.get_close_matches(word.lstrip("-"), bare, n=1)
    return f"; did you mean {bare[found[0]]}?" if found else ""
