"""Unit files are read as systemd reads them, as far as `fab setup` writes them."""

import pytest

from pipeline.sandbox.standins import unitfile


def test_keys_keep_all_their_values_and_an_empty_one_forgets_them():
    unit = unitfile.parse("# no\n[Service]\nA=1\nA=2\n;B=no\nB=x=y\nC=1\nC=\n")
    assert unit == {"A": ["1", "2"], "B": ["x=y"], "C": []}
    assert unitfile.last(unit, "A") == "2"
    assert unitfile.last(unit, "C", "default") == "default"


def test_a_backslash_joins_lines():
    assert unitfile.parse("A=one \\\ntwo\n")["A"] == ["one  two"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5", 5), ("0.2", 0.2), ("200ms", 0.2), ("1min 30s", 90), ("2h", 7200), ("0", 0)],
)
def test_time_spans(text: str, seconds: float):
    assert unitfile.seconds(text) == pytest.approx(seconds)


def test_words_are_split_at_quotes_and_dollars_are_halved():
    line = """/bin/sh -c 'run "a  b"; code=$$?; exit $$code' 100%%"""
    assert unitfile.words(line) == [
        "/bin/sh",
        "-c",
        'run "a  b"; code=$?; exit $code',
        "100%",
    ]


def test_environment_lines_and_files():
    line = 'A=1 "B=two words" C="three"'
    assert unitfile.pairs(line) == {"A": "1", "B": "two words", "C": "three"}
    text = '# no\nA=plain = text\n\nB="quoted"\nC=\'x"y\'\nD=\n'
    found = unitfile.environment_file(text)
    assert found == {"A": "plain = text", "B": "quoted", "C": 'x"y', "D": ""}
