"""Into how many pieces `inv check` cuts the suite on a developer's machine."""

import pytest

from pipeline.checks.partitions import worthwhile


@pytest.mark.parametrize(
    ("most", "seconds", "jobs", "pieces"),
    [
        (6, 5.0, 8, 1),
        (6, 60.0, 2, 2),
        (6, 60.0, 16, 6),
        (1, 600.0, 8, 1),
    ],
    ids=["short: one", "no more than at once", "no more than set", "one database: one"],
)
def test_pieces(most: int, seconds: float, jobs: int, pieces: int):
    assert worthwhile(most, seconds, jobs) == pieces
