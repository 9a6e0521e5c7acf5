"""Cache keys: MIX_ENV, version, branch, mix.lock; restored by branch, then from the base."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.github import cache

PUSH = {"CACHE_VERSION": "v18", "GITHUB_REF": "refs/heads/develop"}


def app(tmp_path: Path, lock: str = "lock") -> Path:
    (tmp_path / "mix.lock").write_text(lock)
    return tmp_path


def test_key_of_a_pull_request_is_that_of_its_branch(tmp_path):
    environ = {**PUSH, "GITHUB_HEAD_REF": "faster", "GITHUB_REF": "refs/pull/7/merge"}
    found = cache.key("static", "test", app(tmp_path), environ, "origin/main")
    assert found.key == f"static-test-v18-faster-{cache.lock_hash(tmp_path)}"
    assert found.restore_keys == ("static-test-v18-faster-", "static-test-v18-refs/heads/main-")
    assert found.paths == ("deps", "_build", "priv/plts")


def test_restore_keys_of_the_base_branch_are_one(tmp_path):
    environ = {**PUSH, "GITHUB_REF": "refs/heads/main"}
    found = cache.key("build", "ce_test", app(tmp_path), environ, "origin/main")
    assert found.restore_keys == ("ce_test-v18-refs/heads/main-",)


def test_another_lock_file_is_another_key_with_the_same_restore_keys(tmp_path):
    one = cache.key("build", "test", app(tmp_path, "a"), PUSH, "origin/main")
    two = cache.key("build", "test", app(tmp_path, "b"), PUSH, "origin/main")
    assert one.key != two.key
    assert one.restore_keys == two.restore_keys


@given(branch=st.text(min_size=1, max_size=400))
def test_key_is_one_that_the_cache_takes_whatever_the_branch(branch, tmp_path_factory):
    root = app(tmp_path_factory.getbasetemp())
    found = cache.key("security", "test", root, {**PUSH, "GITHUB_HEAD_REF": branch}, "origin/main")
    for key in (found.key, *found.restore_keys):
        assert "," not in key
        assert len(key) <= 512
        assert len(key.splitlines()) == 1
    assert found.key.startswith(found.restore_keys[0])


@pytest.mark.parametrize(
    ("job", "environ", "complaint"),
    [
        ("biuld", PUSH, "no job 'biuld' keeps a cache; those that do: build, static, security"),
        ("build", {}, "CACHE_VERSION is not set"),
    ],
)
def test_key_without_what_it_is_made_of_is_refused(tmp_path, job, environ, complaint):
    with pytest.raises(UsageProblem, match=complaint):
        cache.key(job, "test", app(tmp_path), environ, "origin/main")
