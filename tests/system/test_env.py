"""`fab env.*` on a real host: the real systemd reads what was set, and no value is ever shown."""

import subprocess
from pathlib import Path

from tests.system.site import SECRET, Site

FILE = "/etc/qusto/staging.env"
HOSTILE = {
    "QUOTES": "a\"b'c`d",
    "DOLLARS": "$HOME ${HOME} $(id) %h %%",
    "BACKSLASHES": "\\a\\\\b\\",
    "BLANKS": "  a  b\t ",
    "COMMENT": "#a ;b = c",
    "UTF8": "ключ-\u00e9-🔑",
    "NOTHING": "",
}
LINES = "two\nlines\n"


def read_by_systemd(site: Site) -> dict[str, str]:
    words = [
        "systemd-run",
        "--quiet",
        "--pipe",
        "--wait",
        "-p",
        f"EnvironmentFile={FILE}",
        "env",
        "-0",
    ]
    said = site.hosts[0].run(words).stdout
    return dict(pair.split("=", 1) for pair in said.split("\0") if pair)


def set_by_stdin(site: Site, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    text = "".join(f"{name}={value}\n" for name, value in values.items())
    return site.fed(text, "env.set", ",".join(values))


def test_the_environment_file_is_changed_by_name_and_read_by_systemd(site: Site, tmp_path: Path):
    host = site.hosts[0]
    before = host.run(f"stat -c '%U %G %a' {FILE}").stdout
    assert before.split() == ["root", "root", "600"]

    ended = set_by_stdin(site, HOSTILE)
    assert ended.returncode == 0, ended.stderr
    assert "in effect after a restart: `fab -H staging restart`" in ended.stdout
    local = tmp_path / "more.env"
    local.write_text(f"LINES='{LINES}'\nIGNORED=1\n")
    site.done("env.set", "LINES", f"--from={local}")
    seen = read_by_systemd(site)
    wanted = {**HOSTILE, "LINES": LINES, "SECRET_KEY_BASE": SECRET, "PORT": "8000"}
    assert {name: seen.get(name) for name in wanted} == wanted
    assert "IGNORED" not in seen
    assert host.run(f"stat -c '%U %G %a' {FILE}").stdout == before
    assert host.run("ls -A /etc/qusto").stdout.split() == ["staging.env"]

    again = set_by_stdin(site, {"UTF8": HOSTILE["UTF8"]})
    assert "nothing changed; as wanted before: UTF8" in again.stdout
    gone = site.done("env.unset", "LINES,UTF8").out
    assert "removed LINES, UTF8" in gone
    assert not {"LINES", "UTF8"} & read_by_systemd(site).keys()
    absent = site.fab("env.unset", "PORT,NO_SUCH")
    assert absent.code == 2
    assert "NO_SUCH is not in /etc/qusto/staging.env; nothing was changed" in absent.err
    assert "PORT" in read_by_systemd(site)

    listed = site.done("env.list").out
    assert "SECRET_KEY_BASE" in listed
    for text in (listed, ended.stdout, ended.stderr, gone, again.stdout):
        assert SECRET[:8] not in text
        assert "$(id)" not in text
