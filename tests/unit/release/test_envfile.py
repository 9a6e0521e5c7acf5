"""Environment files as systemd reads them: what is written is read back, and nothing else moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.release import envfile

VALUES = st.text(
    st.one_of(
        st.sampled_from("\"'\\`$ \t\n#;=%éx"),
        st.characters(codec="utf-8", exclude_categories=["Cc"]),
    )
)
NAMES = st.from_regex(envfile.NAME, fullmatch=True)
FILE = """\
# the port; "not a quote
PORT=8000
  ; another comment
SPREAD = one \\
two
QUOTED="a "'b' c  \t
LINES='first
PORT=not this one
last'
not an assignment
1BAD=x
EMPTY=
PORT=4000
"""


def values(text: str) -> dict[str, str]:
    return {found.name: found.value for found in envfile.parse(text, "here")}


def changed(text: str, wanted: dict[str, str], *gone: str) -> str:
    return envfile.edit(text, envfile.parse(text, "here"), wanted, frozenset(gone))


@given(wanted=st.dictionaries(NAMES, VALUES))
def test_every_value_that_may_be_written_is_read_back(wanted: dict[str, str]):
    for name, value in wanted.items():
        envfile.require_value(name, value)
    assert values(changed("", wanted)) == wanted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("A=b", "b"),
        ("A= b c  ", "b c"),
        ("A=b\\ \n", "b "),
        ("A=b\\\nc", "bc"),
        ("A=b\\nc", "bnc"),
        ('A="b\\nc"', "b\\nc"),
        ('A="\\$b\\`\\"\\\\"', '$b`"\\'),
        ('A="b\\\nc"', "bc"),
        ("A='b\\'", "b\\"),
        ("A='b' \"c\"", "bc"),
        ("A=b'c'", "b'c'"),
        ("A=b # c", "b # c"),
        ("A=$B", "$B"),
        ("A=b\r\nB=c", "b"),
        ("A", None),
        ("=A=b", None),
        ('="\nA=b', "b"),
        ("export A=b", None),
    ],
)
def test_text_means_what_it_means_to_systemd(text: str, value: str | None):
    assert values(text).get("A") == value


def test_all_lines_but_the_named_ones_stay_as_they_are():
    before = values(FILE)
    assert before == {
        "PORT": "4000",
        "SPREAD": "one two",
        "QUOTED": "a bc",
        "LINES": "first\nPORT=not this one\nlast",
        "EMPTY": "",
    }
    after = changed(FILE, {"PORT": "80", "NEW": 'a"b'}, "SPREAD")
    assert values(after) == {
        "PORT": "80",
        "QUOTED": "a bc",
        "LINES": before["LINES"],
        "EMPTY": "",
        "NEW": 'a"b',
    }
    kept = [
        line
        for line in FILE.splitlines()
        if not line.startswith(("PORT=8", "PORT=4", "SPR", "two"))
    ]
    assert [line for line in after.splitlines() if line in kept] == kept
    assert after.splitlines()[1] == 'PORT="80"'


@given(
    held=st.dictionaries(NAMES, VALUES, max_size=4),
    wanted=st.dictionaries(NAMES, VALUES, max_size=3),
    gone=st.frozensets(NAMES, max_size=2),
)
def test_an_edit_changes_what_was_asked_for_and_nothing_else(
    held: dict[str, str], wanted: dict[str, str], gone: frozenset[str]
):
    gone = frozenset(gone | set(list(held)[:1])) - wanted.keys()
    after = changed(changed("", held), wanted, *gone)
    expected = {**held, **wanted}
    assert values(after) == {name: v for name, v in expected.items() if name not in gone}


@pytest.mark.parametrize("text", ['A="b\n', "A='b\n", "A=b\\", "# a comment \\\nA=b\n", 'A="b\\'])
def test_a_file_that_cannot_be_edited_safely_is_refused_by_line(text: str):
    with pytest.raises(UsageProblem, match=r"the file, line 2: .*nothing was changed"):
        envfile.parse("B=1\n" + text, "the file")


MISREAD = {
    "export A=b": "systemd knows no `export` and drops the line",
    "\ufeffA=b": "no name",
    "A": "no NAME=",
    "A: b": "no NAME=",
    "set -a": "no NAME=",
    "1A=b": "no name",
    "A-B=c": "no name",
    "ÄA=b": "no name",
    "=b": "no NAME=",
    "A=a\x00b": "a NUL",
    "A=a\x1bb": "U+001B",
    "A='a\r\nb'": "U+000D",
    'A="b\n': "a value does not end",
    "A='b": "a value does not end",
    'A="b"c': "goes on behind its closing quote",
    'A="b\nC="d"': "goes on behind its closing quote",
    "A=b\\\nC=d": "makes the next line part of the value of A",
    "A=b\\\n# c": "makes the next line part of the value of A",
    "A=b\\\r\nc": "makes the next line part of the value of A",
    "# c \\\nA=b": "a comment ends with a backslash",
    "A=b # c": "systemd takes ` #` for part of the value of A",
}


@pytest.mark.parametrize("text", MISREAD)
def test_what_systemd_drops_or_misreads_is_refused_by_its_line(text: str):
    with pytest.raises(UsageProblem) as raised:
        envfile.parse(f"FIRST=1\n{text}\n", "the file", strict=True)
    assert str(raised.value).startswith("the file, line 2: ")
    assert MISREAD[text] in str(raised.value)


def test_a_byte_order_mark_and_bytes_that_are_not_utf8_are_refused_by_their_line():
    with pytest.raises(UsageProblem, match="line 1: a byte order mark"):
        envfile.parse(envfile.decoded(b"\xef\xbb\xbf# c\nA=b\n", "it"), "it", strict=True)
    with pytest.raises(UsageProblem, match="line 3: not UTF-8"):
        envfile.decoded(b"A=b\n\n# \xff\n", "it")


MEANT = [
    *("A=b\r\nB=c\r\n", "  A = b\n\n; c\n", "A=b\\\n c", "A=#b", 'A="b # c"', "A='b' \"c\""),
    *("A=$B;c", "A='-----BEGIN\nab+c==\n-----END'", 'A="a\\"b"', "A=", "A=b\nA=c"),
]


@pytest.mark.parametrize("text", MEANT)
def test_what_systemd_reads_as_it_is_meant_is_taken(text: str):
    assert envfile.parse(text, "here", strict=True) == envfile.parse(text, "here") != []


@given(wanted=st.dictionaries(NAMES, VALUES))
def test_what_we_write_ourselves_is_always_taken(wanted: dict[str, str]):
    text = changed("", wanted)
    assert envfile.parse(text, "here", strict=True) == envfile.parse(text, "here")


@pytest.mark.parametrize("value", ["a\x00b", "a\rb", "\x1b[31m", "a\x7f", "\udcff", "x" * 140_000])
def test_a_value_that_systemd_would_drop_is_refused_without_being_shown(value: str):
    with pytest.raises(UsageProblem, match="the value of TOKEN") as raised:
        envfile.require_value("TOKEN", value)
    assert value not in str(raised.value)
