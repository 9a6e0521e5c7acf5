"""What all tests share."""

import pytest

from tests import programs


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose programs are missing, before any of its fixtures are made."""
    for mark in item.iter_markers("needs"):
        programs.need(*mark.args)
