"""The variables of the environment by which this run's children are known, wherever they move to.

Nothing is imported that the commit hook has not loaded anyway (repository.py).
"""

import os
from itertools import count

PREFIX = f"QUSTO_CHILD_{os.getpid()}_{os.urandom(4).hex()}_"
"""Begins the name of every marker of this run; an inner run keeps the outer run's markers."""

_numbers = count(1)


def new_marker() -> str:
    """Return the name of an environment variable that no other child carries."""
    return f"{PREFIX}{next(_numbers)}"
