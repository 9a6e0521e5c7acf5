"""What is printed for people and programs: without the secrets that the command knows."""

import json
from dataclasses import dataclass

import pytest

from pipeline import formats, redaction
from pipeline.release import present
from pipeline.release.steps import shown
from pipeline.release.survey import Entry

SECRET = "Kx9-a-secret-of-this-test-Kx9"


@dataclass(frozen=True)
class Row:
    text: str
    rows: tuple[dict[str, list[str]], ...]
    number: float


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = redaction.Redaction()
    fresh.learn([SECRET])
    monkeypatch.setattr(redaction, "_known", lambda: fresh)


def test_json_holds_no_secret_at_any_depth(capsys: pytest.CaptureFixture[str]):
    formats.print_json(Row(f"a {SECRET}", ({"x": [f"<{SECRET}>"]},), 1.5))
    said = json.loads(capsys.readouterr().out)
    assert said == {"text": "a [***]", "rows": [{"x": ["<[***]>"]}], "number": 1.5}


def test_a_table_of_the_history_holds_no_secret(capsys: pytest.CaptureFixture[str]):
    reason = f"said {SECRET}"
    present.history([Entry(id="1", kind="deploy", to="20261123_120000", before="", reason=reason)])
    out = capsys.readouterr().out
    assert "said [***]" in out
    assert SECRET[:8] not in out


def test_the_journal_holds_no_secret(capsys: pytest.CaptureFixture[str]):
    present.logs([("web1", f"started with {SECRET}\n")])
    assert capsys.readouterr().out == "started with [***]\n"


def test_a_mark_is_not_taken_for_markup():
    assert shown(f"[bold]{SECRET}") == "\\[bold][***]"
