"""docs/troubleshooting.md: each command in it exists, with its options."""

import re
import shlex

import pytest

from pipeline.settings import PROJECT
from tests.unit.ci.test_workflow_files import parse_words

TEXT = (PROJECT / "docs/troubleshooting.md").read_text("utf-8")
COMMANDS = sorted(set(re.findall(r"`((?:inv|fab) [^`]*)`", TEXT)))


def test_issues_of_the_document_are_there():
    for issue in (
        "Dependency cache",
        "Test failures",
        "Security scan failures",
        "Deployment failures",
    ):
        assert f"**{issue}**" in TEXT


@pytest.mark.parametrize("command", COMMANDS)
def test_command_exists_with_its_options(command: str):
    parse_words(shlex.split(command))
