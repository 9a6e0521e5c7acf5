"""mix_audit: what it says is only worth something with advisories to compare with."""

from pathlib import Path

import pytest

from pipeline.checks.tools import mix_audit
from pipeline.checks.verdicts import Verdict

from .test_recorded import recording


@pytest.mark.parametrize("facts", [{}, {"advisories": "0"}])
@pytest.mark.parametrize("name", ["audit-clean", "audit-clean-json"])
def test_audit_without_any_advisory_is_unknown(name: str, facts: dict[str, str]):
    output, code = recording(name)
    assert mix_audit.read(output, code, facts).verdict is Verdict.UNKNOWN
    assert mix_audit.read(output, code, {"advisories": "119"}).verdict is Verdict.PASSED


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("name", ["audit-vulnerabilities", "audit-vulnerabilities-json"])
def test_vulnerabilities_fail_whatever_the_code_and_without_a_network(name: str, code: int):
    fatal, _, _ = recording("audit-offline-cached")[0].partition("\n")
    output = f"{fatal}\n{recording(name)[0]}"
    assert mix_audit.read(output, code, {}).verdict is Verdict.FAILED


def test_audit_that_says_nothing_is_unknown():
    assert mix_audit.read("", 0, {"advisories": "119"}).verdict is Verdict.UNKNOWN


def test_output_that_was_cut_is_no_pass():
    cut = "a\n[… 1,234 bytes of output left out …]\nb\nNo vulnerabilities found.\n"
    judgement = mix_audit.read(cut, 0, {"advisories": "119"})
    assert judgement.verdict is Verdict.UNKNOWN
    assert "too much" in judgement.reason


def test_advisories_are_counted_where_mix_audit_puts_them(tmp_path: Path):
    clone = tmp_path / ".local/share/elixir-security-advisories-mirego/packages/plug"
    environ = {"HOME": str(tmp_path)}
    assert mix_audit.advisories(tmp_path, environ) == {"advisories": "0"}
    clone.mkdir(parents=True)
    (clone / "GHSA-1.yml").write_text("")
    assert mix_audit.advisories(tmp_path, environ) == {"advisories": "1"}
