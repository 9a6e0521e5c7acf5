"""Test files go to partitions by the time they took, and the same way in every job."""

import random

from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks import balance

FILES = st.lists(
    st.from_regex(r"test/[a-zé]{1,4}(/[a-z]{1,3})?_test\.exs", fullmatch=True), unique=True
)
SECONDS = st.floats(0, 600, allow_nan=False)
CASES = FILES.flatmap(
    lambda files: st.tuples(
        st.just(files),
        st.dictionaries(st.sampled_from(files), SECONDS) if files else st.just({}),
        st.integers(1, 8),
    )
)


@given(CASES)
def test_shares_of_mix_are_disjoint_and_together_the_inventory(
    case: tuple[list[str], dict[str, float], int],
):
    files, _, count = case
    shares = [balance.share(files, number, count) for number in range(1, count + 1)]
    assert sorted(file for share in shares for file in share) == sorted(files)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_share_is_that_of_mix():
    files = ["test/c_test.exs", "test/a_test.exs", "test/b_test.exs", "test/d_test.exs"]
    assert balance.share(files, 1, 3) == ("test/a_test.exs", "test/d_test.exs")
    assert balance.share(files, 3, 3) == ("test/c_test.exs",)


@given(CASES, st.randoms(use_true_random=False))
def test_balanced_shares_are_the_inventory_in_whatever_order_files_and_times_come(
    case: tuple[list[str], dict[str, float], int], order: random.Random
):
    files, seconds, count = case
    shares = balance.balanced(files, seconds, count)
    assert sorted(file for share in shares for file in share) == sorted(files)
    others, times = list(files), list(seconds.items())
    order.shuffle(others)
    order.shuffle(times)
    assert balance.balanced(others, dict(times), count) == shares


@given(CASES)
def test_heaviest_share_exceeds_the_lightest_by_no_more_than_one_file(
    case: tuple[list[str], dict[str, float], int],
):
    files, _, count = case
    seconds = {file: float(len(file)) for file in files}
    loads = [sum(seconds[file] for file in s) for s in balance.balanced(files, seconds, count)]
    assert max(loads) - min(loads) <= max(seconds.values(), default=0.0)


def test_longest_file_is_alone_and_an_unknown_one_counts_as_the_median():
    seconds = {"long": 9.0, "a": 3.0, "b": 3.0}
    assert balance.balanced(["a", "b", "long", "new"], seconds, 2) == (("long",), ("a", "b", "new"))
