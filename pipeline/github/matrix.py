"""A job's matrix: from `strategy.matrix` to the combinations for which GitHub runs the job.

The rules are those of GitHub's page "Running variations of jobs in a workflow"; which values stand
in a job's name follows the runner's own MatrixBuilder (actions/runner, src/Sdk/DTPipelines).
"""

import itertools
from collections.abc import Mapping
from typing import Any

import msgspec

from pipeline.errors import UsageProblem


class Combination(msgspec.Struct, frozen=True):
    """Values for one job of a matrix; `named` are those that a job without a name is called by."""

    values: Mapping[str, Any]
    named: tuple[Any, ...]


def expand(matrix: object, where: str) -> tuple[Combination, ...]:
    """Return the combinations in GitHub's order; none for no matrix.

    Raises UsageProblem for a matrix that is computed by an expression: it is known only to GitHub.
    """
    if matrix is None:
        return ()
    if not isinstance(matrix, Mapping):
        raise UsageProblem(f"{where}: the matrix is computed while the workflow runs: {matrix!r}")
    vectors = {str(k): v for k, v in matrix.items() if k not in ("include", "exclude")}
    for key, values in vectors.items():
        if not isinstance(values, list):
            raise UsageProblem(f"{where}: matrix.{key} is no list: {values!r}")
    excluded, included = (
        _entries(matrix.get(key), f"{where}: matrix.{key}") for key in ("exclude", "include")
    )
    products = [
        dict(zip(vectors, values, strict=True)) for values in itertools.product(*vectors.values())
    ]
    rows = [
        (row, dict(row))
        for row in products
        if vectors and not any(_matches(entry, row) for entry in excluded)
    ]
    alone: list[dict[str, Any]] = []
    for entry in included:
        mine = {key: value for key, value in entry.items() if key in vectors}
        # Also one without a value of the vectors: it then goes with every combination.
        fitting = [full for original, full in rows if _matches(mine, original)]
        for full in fitting:
            full.update(entry)
        if not fitting:
            alone.append(entry)
    return (
        *(Combination(full, tuple(original.values())) for original, full in rows),
        *(Combination(entry, tuple(entry.values())) for entry in alone),
    )


def _matches(entry: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    return all(key in row and row[key] == value for key, value in entry.items())


def _entries(value: object, where: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise UsageProblem(f"{where} is no list of mappings: {value!r}")
    return [dict(entry) for entry in value]
