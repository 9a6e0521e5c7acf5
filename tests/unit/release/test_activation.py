"""The scripts that run on servers: golden texts, quoting, and the shells that must run them."""

import json
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.release import activation, layout, provision, shell, units
from pipeline.release.activation import Activation
from pipeline.remote.inventory import Environment, Health
from tests.programs import SHELLS

GOLDEN = Path(__file__).parent / "golden"
ENVIRONMENT = Environment(
    name="staging",
    hosts=["web1"],
    service="qusto-staging",
    path="/var/www/qusto/staging",
    backups="/var/www/qusto/backups/staging",
    branch="develop",
)
LAYOUT = layout.of(ENVIRONMENT)
ACTIVATION = Activation(
    id="20261123_120000-0123abcd",
    kind="deploy",
    to="20261123_120000",
    before="20261122_120000",
    migrate="after-stop",
    by="dev@laptop",
    version="1.2.0",
    commit="0123456789",
    started="2026-11-23T12:00:00Z",
)
SCRIPTS = {
    "activate": activation.script(LAYOUT, ENVIRONMENT, ACTIVATION, hosts=1),
    "launch": activation.launch(LAYOUT, ENVIRONMENT, ACTIVATION, hosts=1, token="t0ken"),
    "watch": activation.watch(LAYOUT, ENVIRONMENT, ACTIVATION.id),
    "verdict": activation.verdict(
        LAYOUT, ACTIVATION.id, keep=False, reason='it\'s "ill"\n', downtime=0
    ),
    "setup": provision.script(
        LAYOUT,
        ENVIRONMENT,
        deploy_key="ssh-ed25519 AAAA dev",
        with_env=True,
        replace_env=False,
        plan=False,
    ),
}


def golden(name: str, text: str) -> None:
    """Compare with the golden file; `UPDATE_GOLDEN=1` is not offered: change it by hand."""
    assert text == (GOLDEN / name).read_text("utf-8")


def test_the_activation_script_is_the_golden_one():
    golden("activate.sh", SCRIPTS["activate"])


def test_the_units_are_the_golden_ones():
    files = units.host_files(LAYOUT, ENVIRONMENT, 252)
    text = "".join(f"=== {file.path} {file.mode}\n{file.text}" for file in files)
    golden("host-files.txt", text)


def test_units_start_the_release_and_module_that_hosts_toml_names():
    other = msgspec.structs.replace(ENVIRONMENT, release="other", release_module="My.Tasks")
    text = "".join(file.text for file in units.host_files(LAYOUT, other, 252))
    assert "plausible" not in text.lower()
    assert f"ExecStart={LAYOUT.current}/bin/other start" in text
    for function in ("migrate", "pending_streaks", "createdb"):
        assert f'bin/other eval "My.Tasks.{function}()"' in text


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("interpreter", SHELLS)
def test_every_script_parses(name: str, interpreter: tuple[str, ...]):
    ended = subprocess.run(
        [*interpreter, "-n"], input=SCRIPTS[name], text=True, capture_output=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.needs("shellcheck")
@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_is_clean_for_shellcheck(name: str):
    # SC2016: texts that are carried, not run. SC2034: not every script uses every variable.
    # SC2154/SC2317: said in the files themselves, whose directive is not the first line here.
    options = ["-s", "sh", "-e", "SC2016,SC2034,SC2154,SC2317", "-"]
    ended = subprocess.run(
        ["shellcheck", *options], input=SCRIPTS[name], text=True, capture_output=True
    )
    assert ended.stdout == ""


def test_the_intent_and_the_servers_end_make_one_json_record():
    text = ACTIVATION.intent() + ',"outcome":"kept","reason":"healthy","downtime":1.5}'
    record = json.loads(text)
    assert record["from"] == "20261122_120000"
    assert record["outcome"] == "kept"


@settings(max_examples=40, deadline=None)
@given(by=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_hostile_names_are_carried_as_data(by: str):
    plan = msgspec.structs.replace(ENVIRONMENT, health=Health(url=f"http://x/{by!r}"))
    hostile = Activation(**{**ACTIVATION.__dict__, "by": by, "version": f"$(touch /tmp/pwned){by}"})
    text = activation.script(LAYOUT, plan, hostile, hosts=1)
    header = text.split("# shellcheck", 1)[0]
    shown = subprocess.run(
        ["sh", "-c", header + 'printf %s "$INTENT"'], capture_output=True, check=True
    )
    assert json.loads(shown.stdout.decode() + "}")["by"] == by


def test_a_verdict_is_three_lines_the_reason_as_json(tmp_path: Path):
    base = msgspec.structs.replace(ENVIRONMENT, path=str(tmp_path))
    (tmp_path / ".deploy").mkdir()
    text = activation.verdict(layout.of(base), "x", keep=False, reason='a "b"\n$(c)', downtime=1.5)
    subprocess.run(["sh", "-c", text], check=True)
    verdict, reason, downtime = (tmp_path / ".deploy/verdict.x").read_text().splitlines()
    assert (verdict, json.loads(reason), downtime) == ("roll-back", 'a "b"\n$(c)', "1.50")


@pytest.mark.parametrize("words", [*SHELLS, pytest.param(("bash",), id="bash")])
def test_a_verdict_is_taken_from_standard_input_once_it_is_whole(
    tmp_path: Path, words: tuple[str, ...]
):
    base = msgspec.structs.replace(ENVIRONMENT, path=str(tmp_path))
    (tmp_path / ".deploy").mkdir()
    text = activation.verdict(layout.of(base), "x", keep=True, reason="healthy", downtime=1.5)
    script = shell.render("listen", ID="x") + "wait\n"
    taken = tmp_path / ".deploy/verdict.x"
    for sent in (text, f"{text}\n#y\n", f"{text}\n#x"):  # cut off, another's, half a line
        subprocess.run([*words, "-c", script], input=sent.encode(), check=True)
        assert not taken.exists()
    subprocess.run([*words, "-c", script], input=f"{text}\n#x\n".encode(), check=True)
    assert taken.read_text().splitlines()[0] == "keep"


def test_the_server_outwaits_the_client():
    for hosts in (1, 2, 10):
        assert activation.verdict_seconds(ENVIRONMENT, hosts) > ENVIRONMENT.health.deadline


def test_the_release_before_gets_time_to_answer_again():
    hasty = msgspec.structs.replace(ENVIRONMENT, health=Health(deadline=0.5))
    assert "\nHEALTH_DEADLINE=20\n" in activation.script(LAYOUT, hasty, ACTIVATION, hosts=1)
    assert "\nHEALTH_DEADLINE=120\n" in SCRIPTS["activate"]


def test_values_are_quoted_in_one_place():
    assert shell.assignments({"A": "it's; $x", "B": 3, "C": 2.0}) == (
        "A='it'\"'\"'s; $x'\nB=3\nC=2\n"
    )


def test_what_was_overruled_is_in_the_intent():
    overruled = Activation(**{**ACTIVATION.__dict__, "overruled": ("--allow-ci",)})
    assert json.loads(overruled.intent() + "}")["overruled"] == ["--allow-ci"]
