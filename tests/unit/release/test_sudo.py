"""What `sudo -l` says of a line: the last rule that covers it counts."""

import pytest

from pipeline.release import sudo

LINE = "/usr/bin/systemctl start qusto-staging.service"
OURS = f"(root) NOPASSWD: {LINE}"


@pytest.mark.parametrize(
    ("listing", "verdict"),
    [
        ([OURS], "allowed"),
        ([], "refused"),
        (["(root) NOPASSWD: /usr/bin/systemctl start other.service"], "refused"),
        ([f"(root) {LINE}"], "asks"),
        ([OURS, "(ALL) ALL"], "asks"),
        ([OURS, "(ALL : ALL) ALL"], "asks"),
        (["(ALL) ALL", OURS], "allowed"),
        ([OURS, "(ALL) PASSWD: ALL"], "asks"),
        ([OURS, "(ALL) NOPASSWD: ALL"], "allowed"),
        ([OURS, "(ALL) ALL", "!authenticate"], "allowed"),
        ([OURS, "(www-data) ALL"], "allowed"),
        ([OURS, "(root) !/usr/bin/systemctl start *"], "refused"),
        ([OURS, "(root) NOPASSWD: /bin/true, PASSWD: /usr/bin/systemctl"], "asks"),
        ([OURS, "(root) NOPASSWD: /bin/true, PASSWD: /usr/bin/"], "asks"),
        ([OURS, "(root) NOPASSWD: SETENV: /usr/bin/systemctl start *"], "allowed"),
    ],
)
def test_the_last_rule_counts(listing: list[str], verdict: str):
    assert sudo.verdict(sudo.rules(listing), LINE) == verdict


def test_escapes_are_undone():
    rules = sudo.rules([r"(root) NOPASSWD: /usr/bin/systemd-run --uid\=deploy a\, b"])
    assert sudo.verdict(rules, "/usr/bin/systemd-run --uid=deploy a, b") == "allowed"
