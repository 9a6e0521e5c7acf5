"""GitHub's expressions, as far as workflows of ours use them. Anything else is refused by name.

Grammar and conversions: https://docs.github.com/actions/reference/evaluate-expressions-in-workflows-and-actions.
A wrong value would be worse than none, so there is no guess: an unknown name, function or form
raises UsageProblem.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pipeline.errors import UsageProblem

Value: TypeAlias = Any
Function: TypeAlias = Callable[..., Value]

_HOLE = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>'(?:[^']|'')*')|(?P<number>[+-]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<sign>&&|\|\||==|!=|<=|>=|[!<>()\[\].,*]))"
)
_LITERALS = {"true": True, "false": False, "null": None}


@dataclass(frozen=True)
class Scope:
    """What an expression may name. `whole` contexts know all their keys, so another is null.

    In the others a missing key is refused: here it is not known what GitHub would have there.
    """

    contexts: Mapping[str, Any]
    functions: Mapping[str, Function] = field(default_factory=dict)
    whole: frozenset[str] = frozenset()
    where: str = ""


def holds_any(text: str) -> bool:
    """Return whether the text holds an expression."""
    return _HOLE.search(text) is not None


def fill(text: str, contexts: Mapping[str, Any], *, where: str) -> str:
    """Return the text with its expressions evaluated in `contexts`, in which nothing is null."""
    return filled(text, Scope(contexts, where=where))


def filled(text: str, scope: Scope) -> str:
    """Return the text with its expressions evaluated. Raises UsageProblem."""
    return _HOLE.sub(lambda hole: as_text(evaluate(hole[1], scope)), text)


def value(text: str, scope: Scope) -> Value:
    """Return what the text stands for: of one that is a single expression, its value as it is."""
    single = _HOLE.fullmatch(text.strip())
    return evaluate(single[1], scope) if single else filled(text, scope)


def condition(text: str, scope: Scope) -> bool:
    """Return whether an `if:` holds; it may do without ${{ }}, and "" means success()."""
    inner = text.strip()
    single = _HOLE.fullmatch(inner)
    expression = single[1] if single else inner
    names = {token[1] for token in _tokens(expression, scope) if token[0] == "name"}
    if not names & {"always", "success", "failure", "cancelled"}:
        # GitHub puts success() before a condition that asks for no status itself.
        expression = f"success() && ({expression})" if expression else "success()"
    return truth(evaluate(expression, scope))


def evaluate(expression: str, scope: Scope) -> Value:
    """Return the value of an expression, without its ${{ }}. Raises UsageProblem."""
    parser = _Parser(expression, _tokens(expression, scope), scope)
    found = parser.disjunction()
    parser.end()
    return found


def truth(value: Value) -> bool:
    """Return what a value is as a condition: false, 0, "" and null are false."""
    return not (value is None or value is False or value == "" or value == 0)


def as_text(value: Value) -> str:
    """Return the value as GitHub writes it into a text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping):
        return "Object"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "Array"
    return str(value)


def _tokens(expression: str, scope: Scope) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(expression.rstrip()):
        match = _TOKEN.match(expression, at)
        if match is None:
            raise _unknown(expression, f"cannot be read from {expression[at:].strip()!r} on", scope)
        kind = str(match.lastgroup)
        found.append((kind, match[kind]))
        at = match.end()
    return found


def _unknown(expression: str, why: str, scope: Scope) -> UsageProblem:
    where = f"{scope.where}: " if scope.where else ""
    return UsageProblem(f"{where}the expression `{expression.strip()}`: {why}")


class _Parser:
    """Recursive descent, one method per level of precedence; evaluates as it goes."""

    def __init__(self, text: str, tokens: Sequence[tuple[str, str]], scope: Scope) -> None:
        self.text = text
        self.tokens = tokens
        self.scope = scope
        self.at = 0

    def end(self) -> None:
        if self.at < len(self.tokens):
            raise self.problem(f"unexpected {self.tokens[self.at][1]!r}")

    def problem(self, why: str) -> UsageProblem:
        return _unknown(self.text, why, self.scope)

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def take(self, *signs: str) -> str:
        kind, text = self.peek()
        if kind == "sign" and text in signs:
            self.at += 1
            return text
        return ""

    def demand(self, sign: str) -> None:
        if not self.take(sign):
            raise self.problem(f"{sign!r} is missing")

    def disjunction(self) -> Value:
        found = self.conjunction()
        while self.take("||"):
            other = self.conjunction()
            found = found if truth(found) else other
        return found

    def conjunction(self) -> Value:
        found = self.equality()
        while self.take("&&"):
            other = self.equality()
            found = other if truth(found) else found
        return found

    def equality(self) -> Value:
        found = self.comparison()
        while sign := self.take("==", "!="):
            same = _equal(found, self.comparison())
            found = same if sign == "==" else not same
        return found

    def comparison(self) -> Value:
        found = self.unary()
        while sign := self.take("<=", ">=", "<", ">"):
            left, right = _number(found), _number(self.unary())
            found = {"<": left < right, ">": left > right, "<=": left <= right}.get(
                sign, left >= right
            )
        return found

    def unary(self) -> Value:
        return not truth(self.unary()) if self.take("!") else self.primary()

    def primary(self) -> Value:
        kind, text = self.peek()
        self.at += 1
        if kind == "sign" and text == "(":
            found = self.disjunction()
            self.demand(")")
            return found
        if kind == "string":
            return text[1:-1].replace("''", "'")
        if kind == "number":
            return int(text, 0) if re.fullmatch(r"[+-]?(0x[0-9a-fA-F]+|\d+)", text) else float(text)
        if kind != "name":
            raise self.problem(f"unexpected {text!r}" if text else "it ends too early")
        if text in _LITERALS:
            return _LITERALS[text]
        return self.call(text) if self.take("(") else self.context(text)

    def call(self, name: str) -> Value:
        arguments: list[Value] = []
        while not self.take(")"):
            if arguments:
                self.demand(",")
            arguments.append(self.disjunction())
        function = {**_FUNCTIONS, **self.scope.functions}.get(name)
        if function is None:
            raise self.problem(f"the function {name}() is not known here")
        try:
            return function(*arguments)
        except (TypeError, ValueError, IndexError) as error:
            raise self.problem(f"{name}(): {error}") from None

    def context(self, name: str) -> Value:
        if name not in self.scope.contexts:
            known = ", ".join(self.scope.contexts) or "none"
            raise self.problem(f"{name} is not known here (known: {known})")
        found = self.scope.contexts[name]
        path = name
        while sign := self.take(".", "["):
            if sign == ".":
                kind, text = self.peek()
                if kind != "name":
                    raise self.problem(f"{text or 'the end'!r} after `.`")
                self.at += 1
                key: Value = text
            else:
                key = self.disjunction()
                self.demand("]")
            path = f"{path}.{key}"
            if not isinstance(found, Mapping) or key not in found:
                if name in self.scope.whole:
                    found = None
                    continue
                raise self.problem(f"{path} is not known here")
            found = found[key]
        return found


def _equal(left: Value, right: Value) -> bool:
    """Compare as GitHub does: texts without case, different types as numbers."""
    if isinstance(left, str) and isinstance(right, str):
        return left.casefold() == right.casefold()
    if type(left) is type(right):
        return bool(left == right)
    return _number(left) == _number(right)


def _number(value: Value) -> float:
    if value is None:
        return 0.0
    if isinstance(value, bool | int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return float(value.strip() or 0)
        except ValueError:
            return float("nan")
    return float("nan")


def _format(pattern: str, *values: Value) -> str:
    def put(match: re.Match[str]) -> str:
        if match[0] in ("{{", "}}"):
            return match[0][0]
        return as_text(values[int(match[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", put, pattern)


def _contains(container: Value, item: Value) -> bool:
    if isinstance(container, str):
        return as_text(item).casefold() in container.casefold()
    return any(_equal(one, item) for one in container or ())


_FUNCTIONS: Mapping[str, Function] = {
    "format": _format,
    "contains": _contains,
    "startsWith": lambda a, b: as_text(a).casefold().startswith(as_text(b).casefold()),
    "endsWith": lambda a, b: as_text(a).casefold().endswith(as_text(b).casefold()),
    "join": lambda values, by=",": str(by).join(as_text(v) for v in values),
    "toJSON": lambda value: json.dumps(value, indent=2),
    "fromJSON": json.loads,
}
