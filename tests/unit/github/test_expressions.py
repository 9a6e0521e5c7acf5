"""Expressions: GitHub's values, or a refusal; never another value."""

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import expressions
from pipeline.github.expressions import Scope

SCOPE = Scope(
    {
        "github": {"ref": "refs/heads/Main", "event_name": "push"},
        "matrix": {"env": "test", "n": 3, "on": True},
        "env": {"EMPTY": ""},
        "inputs": {},
    },
    {"always": lambda: True, "success": lambda: False, "failure": lambda: True},
    whole=frozenset({"env", "inputs"}),
    where="ci.yml: step 1",
)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("true", True),
        ("null", None),
        ("'it''s'", "it's"),
        ("0x10", 16),
        ("-2.5", -2.5),
        ("matrix.n", 3),
        ("matrix['n']", 3),
        ("matrix.env == 'TEST'", True),
        ("matrix.n == '3'", True),
        ("matrix.n != 3", False),
        ("matrix.n < 4 && matrix.n >= 3", True),
        ("null == 0", True),
        ("'x' == 0", False),
        ("!inputs.skip", True),
        ("inputs.skip && 'yes' || ''", ""),
        ("matrix.env == 'test' && '--cover' || ''", "--cover"),
        ("(false || 'a') && 'b'", "b"),
        ("false || false && true", False),
        ("github.event_name == 'push' && github.ref == 'refs/heads/main'", True),
        ("env.MISSING || 'default'", "default"),
        ("format('{0}-{1} {{}}', matrix.env, matrix.n)", "test-3 {}"),
        ("contains('Hello', 'ELL')", True),
        ("contains(fromJSON('[1, 2]'), 2)", True),
        ("startsWith(github.ref, 'refs/heads/')", True),
        ("endsWith(github.ref, '/main')", True),
        ("join(fromJSON('[1, 2]'), '-')", "1-2"),
    ],
)
def test_expression_has_the_value_that_github_gives_it(expression, value):
    assert expressions.evaluate(expression, SCOPE) == value


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("github.token", "github.token is not known here"),
        ("matrix.missing == ''", "matrix.missing is not known here"),
        ("vars.NAME", "vars is not known here (known: github, matrix, env, inputs)"),
        ("hashFiles('**')", "the function hashFiles() is not known here"),
        ("matrix.*", "'*' after `.`"),
        ("1 +", "cannot be read from '+' on"),
        ("(1", "')' is missing"),
        ("", "it ends too early"),
        ("true false", "unexpected 'false'"),
        ("fromJSON('{')", "fromJSON(): "),
        ('"double"', "cannot be read from"),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(expression, complaint):
    with pytest.raises(UsageProblem) as caught:
        expressions.evaluate(expression, SCOPE)
    assert str(caught.value).startswith("ci.yml: step 1: the expression `")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("", False),  # success(), and a step has failed
        ("matrix.env == 'test'", False),
        ("always()", True),
        ("${{ failure() }}", True),
        ("failure() && matrix.env == 'test'", True),
        ("failure() && matrix.env == 'ce_test'", False),
        ("'always' == 'always'", False),
    ],
)
def test_condition_without_a_status_asks_for_success(condition, holds):
    assert expressions.condition(condition, SCOPE) is holds


def test_text_around_expressions_stays():
    text = "a ${{ matrix.n }} b ${{ matrix.on }} ${{ null }}c"
    assert expressions.filled(text, SCOPE) == "a 3 b true c"
