"""pipeline.output: both ends of what a program prints, in bounded memory."""

import asyncio
import os
import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import capture, output
from pipeline.capture import Capture
from pipeline.checks.verdicts import Outcome, Verdict
from pipeline.output import Compact
from pipeline.process import Exited, Result

HEAD, TAIL = 7, 12


def captured(*writes: bytes) -> str:
    """Return what is kept of these writes, each read by itself."""

    async def scenario() -> str:
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        reader = Capture(reading)
        for data in writes:
            os.write(writing, data)
            reader._read()
        os.close(writing)
        await reader.finish()
        text = reader.close()
        os.close(reading)
        return text

    return asyncio.run(scenario())


@given(st.lists(st.integers(1, 40), max_size=12))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_both_ends_are_kept_however_the_output_comes(monkeypatch: pytest.MonkeyPatch, sizes):
    monkeypatch.setattr(capture, "HEAD", HEAD)
    monkeypatch.setattr(capture, "TAIL", TAIL)
    whole = "".join(chr(ord("a") + number % 26) for number in range(sum(sizes)))
    ends = [sum(sizes[: index + 1]) for index in range(len(sizes))]
    text = captured(
        *(whole[end - size : end].encode() for end, size in zip(ends, sizes, strict=True))
    )
    if len(whole) <= HEAD + TAIL:
        assert text == whole
        assert not output.is_cut(text)
    else:
        left = len(whole) - HEAD - TAIL
        gap = f"\n[… {left:,} bytes of output left out …]\n"
        assert text == whole[:HEAD] + gap + whole[-TAIL:]
        assert output.is_cut(text)


def test_output_in_bytes_that_are_no_text_is_kept_as_far_as_it_is():
    assert captured(b"a\xff\xc3", b"\xa9b") == "a\ufffdéb"


@dataclass(frozen=True)
class Holder:
    name: str
    text: Compact = Compact()  # noqa: RUF009


@given(st.text(st.characters()))
def test_compact_text_is_what_was_given(text: str):
    assert Holder("x", text).text == text
    assert replace(Holder("x", text), name="y") == Holder("y", text)


def test_compact_text_is_empty_if_none_is_given():
    assert Holder("x").text == ""


@pytest.mark.parametrize(
    "one",
    [Outcome("lint", Verdict.FAILED, output="x" * 999), Result(Exited(1), "x" * 999)],
    ids=["outcome", "result"],
)
def test_repr_of_what_asyncio_prints_in_passing_holds_no_output(one):
    assert not re.search("xxx", repr(one))
