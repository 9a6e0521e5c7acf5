"""`fab env.*` on a real host: the real systemd reads what was set, and no value is ever shown."""

import subprocess
from pathlib import Path

from pipeline.release import envfile
from tests.system.hosts import Host
from tests.system.site import SECRET, Site
from tests.unit.release.test_envfile import MEANT, MISREAD

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


def test_the_real_systemd_reads_files_as_our_reader_says(host: Host):
    """One unit a file, all read in one go: what it sees, or that it does not start."""
    texts = [f"FIRST=1\n{text}" for text in (*MISREAD, *MEANT)]
    files = [text.encode("utf-8", "surrogatepass") for text in texts]
    files += [b"FIRST=1\nA=\xff\n", b"\xef\xbb\xbfFIRST=1\nA=b\n"]
    for number, raw in enumerate(files):
        (host.root / f"etc/probe-{number}.env").write_bytes(raw)
    script = (
        f"for n in $(seq 0 {len(files) - 1}); do printf '\\0--- %s\\0' $n; "
        "systemd-run --quiet --pipe --wait -p EnvironmentFile=/etc/probe-$n.env env -0; done 2>&1"
    )
    said = host.run(script).stdout
    seen: dict[int, dict[str, str]] = {}
    for part in said.split("\0--- ")[1:]:
        index, *pairs = part.split("\0")
        values = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        seen[int(index)] = {n: values[n] for n in ("FIRST", "A", "B", "C") if n in values}
    for number, text in enumerate(texts):
        why = MISREAD.get(text.removeprefix("FIRST=1\n"), "")
        if not any(told in why for told in ("a NUL", "does not end", "U+00", "a comment ends")):
            found = {one.name: one.value for one in envfile.parse(text, "here")}
            assert seen[number] == found, text
    # With these systemd starts nothing at all, or gives FIRST another name.
    for number in (texts.index("FIRST=1\nA=a\x00b"), len(files) - 2, len(files) - 1):
        assert "FIRST" not in seen[number], files[number]


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
    assert host.run("ls -A /etc/qusto").stdout.split() == ["staging-boot", "staging.env"]

    again = set_by_stdin(site, {"UTF8": HOSTILE["UTF8"]})
    assert "nothing changed; as wanted before: UTF8" in again.stdout
    gone = site.done("env.unset", "LINES,UTF8").out
    assert "removed LINES, UTF8" in gone
    assert not {"LINES", "UTF8"} & read_by_systemd(site).keys()
    absent = site.fab("env.unset", "PORT,NO_SUCH")
    assert absent.code == 2
    assert "NO_SUCH is not in /etc/qusto/staging.env; nothing was changed" in absent.err
    assert "PORT" in read_by_systemd(site)

    bad = tmp_path / "bad.env"
    bad.write_text("PORT=1\nexport SECRET_KEY_BASE=2\n")
    for words in (("setup", f"--env-file={bad}"), ("env.set", "PORT", f"--from={bad}")):
        refused = site.fab(*words)
        assert refused.code == 2
        assert f"={bad}, line 2: systemd knows no `export`" in refused.err
    host.run(f"printf 'A: b\\n' >>{FILE}")
    spoilt = set_by_stdin(site, {"PORT": "1"})
    assert spoilt.returncode == 2
    assert f"{FILE}, line " in spoilt.stderr
    assert "no NAME=" in spoilt.stderr
    host.run(f"sed -i '$d' {FILE}")

    listed = site.done("env.list").out
    assert "SECRET_KEY_BASE" in listed
    for text in (listed, ended.stdout, ended.stderr, gone, again.stdout):
        assert SECRET[:8] not in text
        assert "$(id)" not in text
