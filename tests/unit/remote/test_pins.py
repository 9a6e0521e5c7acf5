"""Pinning in the text of hosts.toml: one key changes, comments stay, doubt is refused."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageProblem
from pipeline.remote import inventory, pins
from pipeline.remote.inventory import Host

OLD, NEW, OTHER = (f"ssh-ed25519 AAAA{word}" for word in ("old", "new", "other"))
FILE = f"""\
default = "staging"   # the one meant

# where we try things
[staging]
hosts = ["web1"]
  host_key = "{OLD}"   # since May
branch = "develop" # host_key = "no"

[staging.health]
deadline = 8

# the real one
[production]
hosts = ["web9"]
host_key = "{OTHER}"
"""


def test_only_the_value_changes():
    expected = FILE.replace(f'"{OLD}"   # since', f'"{NEW}"   # since')
    assert pins.rewritten(FILE, "staging", [NEW]) == expected


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n# the next\n[production]\nhosts = ['a']\n"])
def test_a_missing_key_is_added_at_the_end_of_its_table(end: str):
    head = '[staging]\nhosts = ["web1"] # one'
    assert pins.rewritten(head + end, "staging", [NEW]) == (
        f'{head}\nhost_key = "{NEW}"\n{end.removeprefix(chr(10))}'
    )


def test_a_list_of_several_lines_becomes_one_line():
    text = FILE.replace(f'"{OLD}"   # since May', f'[\n  "web1 {OLD}",\n  "web2 {OTHER}",\n]')
    after = pins.rewritten(text, "staging", [f"web1 {NEW}", f"web2 {OTHER}"])
    assert f'  host_key = ["web1 {NEW}", "web2 {OTHER}"]\nbranch' in after


@pytest.mark.parametrize(
    "text",
    [
        f'[staging]\nhosts = ["web1"]\nhost_key = [\n  "{OLD}", # ours\n]\n',
        f'staging = {{ hosts = ["web1"], host_key = "{OLD}" }}\n',
        f'[staging]\nhosts = ["web1"]\n"host_key" = "{OLD}"\n',
        f'staging.host_key = "{OLD}"\nstaging.hosts = ["web1"]\n',
    ],
)
def test_what_cannot_be_edited_safely_is_refused_with_the_line(text: str):
    with pytest.raises(UsageProblem) as raised:
        pins.rewritten(text, "staging", [NEW])
    assert "cannot be edited safely; not changed" in str(raised.value)
    assert f'host_key = "{NEW}"' in str(raised.value)


def test_a_key_that_comes_from_a_variable_stays_there():
    text = FILE.replace(OLD, "${STAGING_DEPLOY_HOST_KEY:-}")
    with pytest.raises(UsageProblem) as raised:
        pins.rewritten(text, "staging", [NEW])
    assert "set STAGING_DEPLOY_HOST_KEY" in str(raised.value)
    assert NEW in str(raised.value)


LINES = st.sampled_from(
    [
        "# comment\n",
        "\n",
        f'host_key = "{OLD}"\n',
        'url = "a#b"\n',
        "[staging.health]\ndeadline = 8\n",
        "[production]\nhosts = ['a']\n",
        'hosts = """\n[staging]\nhost_key = "x"\n"""\n',
        f'host_key = ["a {OLD}",\n "b {OTHER}"]\n',
        'branch = """\n[x]\n"""\n',
    ]
)


@given(
    body=st.lists(LINES, max_size=6).map("".join), name=st.sampled_from(["staging", "production"])
)
def test_nothing_but_the_pins_of_the_table_ever_changes(body: str, name: str):
    text = f"[staging]\n{body}"
    try:
        before = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    if name not in before:
        return
    try:
        after = tomllib.loads(pins.rewritten(text, name, [NEW]))
    except UsageProblem:
        return
    before[name]["host_key"] = NEW
    assert after == before


@pytest.mark.parametrize(
    ("hosts", "held", "seen", "wanted"),
    [
        (["web1"], [], ["web1"], [NEW]),
        (["web1"], [OLD], ["web1"], [NEW]),
        (["web1", "web2"], [], ["web1"], [f"web1 {NEW}"]),
        (
            ["web1", "web2"],
            [f"web1 {OLD}", f"web2 {OTHER}"],
            ["web1"],
            [f"web2 {OTHER}", f"web1 {NEW}"],
        ),
        (["web1", "web2"], [OLD], ["web1"], [f"web2 {OLD}", f"web1 {NEW}"]),
        (["web1", "web2"], [f"web1,web2 {OLD}"], ["web2"], [f"web1 {OLD}", f"web2 {NEW}"]),
        (["web1:2222", "web2"], [f"[web1]:2222 {OLD}"], ["web1:2222"], [f"web1:2222 {NEW}"]),
    ],
)
def test_the_pins_of_other_hosts_stay(
    tmp_path: Path, hosts: list[str], held: list[str], seen: list[str], wanted: list[str]
):
    path = tmp_path / "hosts.toml"
    path.write_text(f"[staging]\nhosts = {hosts}\nhost_key = {held}\n")
    target = inventory.resolve(["staging"], path, {})
    answered: dict[Host, str] = {host: NEW for host in target.hosts if str(host) in seen}
    assert pins.merged(target.environment, target.hosts, answered) == wanted
