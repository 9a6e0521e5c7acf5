"""Dealing test files out to partitions: by the seconds each took before, or as mix does it."""

from collections.abc import Mapping, Sequence
from statistics import median


def share(files: Sequence[str], number: int, count: int) -> tuple[str, ...]:
    """Return the files of partition `number` (from 1) of `count`, as mix deals them out.

    Files by path, file number i to partition i mod N (Mix.Tasks.Test, filter_by_partition).
    """
    return tuple(sorted(files)[number - 1 :: count])


def balanced(
    files: Sequence[str], seconds: Mapping[str, float], count: int
) -> tuple[tuple[str, ...], ...]:
    """Return the files of each partition: the longest first, each to the one with least to do.

    Ties go by name, so whoever has the same files and seconds gets the same answer. A file without
    a time counts as the median of those with one; without any, all count the same.
    """
    known = [seconds[file] for file in files if file in seconds]
    usual = median(known) if known else 1.0
    loads = [0.0] * count
    shares: list[list[str]] = [[] for _ in range(count)]
    for file in sorted(files, key=lambda file: (-seconds.get(file, usual), file)):
        # As many as the others where nothing takes measurable time.
        lightest = min(range(count), key=lambda i: (loads[i], len(shares[i]), i))
        loads[lightest] += seconds.get(file, usual)
        shares[lightest].append(file)
    return tuple(tuple(sorted(files)) for files in shares)
