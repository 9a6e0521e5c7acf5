"""How many hosts of a fleet are activated at a time."""

import math
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def size(batch: int | str, hosts: int) -> int:
    """Return the hosts of one group: that number, or that share of all ("50%"), rounded up."""
    if isinstance(batch, int):
        return min(batch, hosts)
    return math.ceil(hosts * int(batch.removesuffix("%")) / 100)


def groups(members: Sequence[T], batch: int | str) -> list[Sequence[T]]:
    """Return the members in groups, in their order; the first one, which migrates, comes first."""
    step = size(batch, len(members))
    return [members[start : start + step] for start in range(0, len(members), step)]
