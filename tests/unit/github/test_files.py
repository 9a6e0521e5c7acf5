"""What a step writes into GITHUB_OUTPUT and its kin."""

import pytest

from pipeline.errors import UsageProblem
from pipeline.github import cache, files


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=1\nb=x=y\n", {"a": "1", "b": "x=y"}),
        ("a<<END\n1\n\n2\nEND\nb=3\n", {"a": "1\n\n2", "b": "3"}),
        ("a=<<no heredoc\n", {"a": "<<no heredoc"}),
    ],
)
def test_pairs_are_read_as_the_runner_reads_them(text, expected):
    assert files.pairs(text, "here") == expected


@pytest.mark.parametrize("text", ["just words\n", "a<<END\n1\n"])
def test_what_the_runner_would_refuse_is_refused(text):
    with pytest.raises(UsageProblem, match="here: "):
        files.pairs(text, "here")


def test_outputs_of_the_cache_key_are_read_back_as_they_were():
    key = cache.Key("k", ("one", "two"), ("deps", "_build"))
    assert files.pairs(cache.as_outputs(key), "here") == {
        "key": "k",
        "restore-keys": "one\ntwo",
        "path": "deps\n_build",
    }
