"""The groups in which a fleet is activated."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.release import activation, batches
from tests.unit.release.test_activation import ENVIRONMENT

BATCHES = st.integers(1, 50) | st.integers(1, 100).map("{}%".format)


@given(st.integers(1, 60), BATCHES)
def test_every_host_is_in_one_group_in_its_order_and_none_is_too_large(
    count: int, batch: int | str
):
    hosts = list(range(count))
    groups = batches.groups(hosts, batch)
    assert [host for group in groups for host in group] == hosts
    assert all(groups)
    assert max(map(len, groups)) == batches.size(batch, count)


@pytest.mark.parametrize(
    ("batch", "hosts", "sizes"),
    [
        (1, 3, [1, 1, 1]),
        (2, 5, [2, 2, 1]),
        (9, 3, [3]),
        ("50%", 5, [3, 2]),
        ("100%", 4, [4]),
        ("1%", 3, [1, 1, 1]),
    ],
)
def test_a_share_is_rounded_up(batch: int | str, hosts: int, sizes: list[int]):
    assert [len(group) for group in batches.groups(range(hosts), batch)] == sizes


def test_the_server_waits_longer_for_a_verdict_the_more_groups_there_are():
    one = msgspec.structs.replace(ENVIRONMENT, batch=1)
    assert activation.verdict_seconds(one, 4) > activation.verdict_seconds(ENVIRONMENT, 4)
    assert activation.verdict_seconds(one, 1) == activation.verdict_seconds(ENVIRONMENT, 1)
