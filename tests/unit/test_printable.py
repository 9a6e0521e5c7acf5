"""What other programs print cannot act: not on a terminal, not on GitHub's runner."""

import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import errors, printable
from pipeline.settings import PROJECT

NASTY = (
    st.text(
        st.sampled_from(
            "ab \t\n\r\x00\x07\x08\x1b\x7f\x85\x9b\u061c\u200e\u202e\u2028\u2066\ud800[]0;mJ:#"
        )
    )
    | st.text()
)
WORDS = st.lists(
    st.sampled_from(
        ["::error::", "::add-mask::a", "##[error]", "::", ":::", "x", " ", "\n", "\r\n"]
    )
).map("".join)


def hidden(text: str) -> list[str]:
    """The characters that act instead of being shown."""
    bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return [
        one
        for one in text
        if (unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp") and one not in "\n\t")
        or one in bidi
    ]


def obeyed(text: str) -> list[str]:
    """The commands that GitHub's runner would obey (actions/runner, ActionCommandManager)."""
    found, stopped = [], ""
    for line in text.split("\n"):
        start = line.lstrip()
        if stopped:
            stopped = "" if start == f"::{stopped}::" else stopped
        elif token := re.match(r"::stop-commands::(\w+)$", start):
            stopped = token[1]
        elif re.match(r"::[^:]+.*::", start) or "##[" in line:
            found.append(line)
    assert not stopped
    return found


@given(NASTY)
def test_no_control_character_reaches_a_terminal(text: str):
    assert hidden(printable.visible(text)) == []
    assert hidden(printable.visible(text, colours=True).replace("\x1b", "")) == []
    assert printable.visible(printable.visible(text)) == printable.visible(text)


@given(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"])))
def test_ordinary_text_stays_as_it_is(text: str):
    assert printable.visible(f"{text}\n\t{text}") == f"{text}\n\t{text}"


def test_each_control_character_can_be_recognized():
    said = "\x1b]0;title\x07\x1b[2J\x1b[31mred\x1b[0m\x9b2J \u202egnp.exe\r\n"
    assert printable.visible(said) == (
        "\\x1b]0;title\\x07\\x1b[2J\\x1b[31mred\\x1b[0m\\x9b2J \\u202egnp.exe\n"
    )
    assert "\x1b[31mred\x1b[0m" in printable.visible(said, colours=True)
    assert "\\x1b[2J" in printable.visible(said, colours=True)


@pytest.fixture
def in_actions(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")


@given(text=WORDS)
def test_the_runner_obeys_no_word_of_another_program(text: str):
    os.environ["GITHUB_ACTIONS"] = "true"
    try:
        assert obeyed(printable.line(text)) == []
        assert obeyed(printable.block(text)) == []
        problem = errors.Problem(f"web1: {text}", remedy=text, detail=text)
        assert obeyed(errors.told(problem)) == []
    finally:
        del os.environ["GITHUB_ACTIONS"]


@given(st.lists(WORDS | NASTY.filter(lambda text: "\ud800" not in text)))
def test_json_means_the_same_and_holds_neither(texts: list[str]):
    text = json.dumps(texts, ensure_ascii=False)
    harmless = printable.json(text)
    assert json.loads(harmless) == texts
    assert hidden(harmless) == []
    assert "##[" not in harmless


def test_outside_of_a_job_a_block_has_no_tokens(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    assert printable.block("::error::x\n") == "::error::x\n"
    assert printable.block("") == ""


def test_what_a_build_prints_by_itself_is_between_tokens(in_actions: None):
    script = (
        "import subprocess, sys; from pipeline import printable\n"
        "with printable.of_others(sys.stdout): subprocess.run(['printf', '::error::%s', 'x'])"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout
    assert "\n::error::x\n" in said
    assert obeyed(said) == []
