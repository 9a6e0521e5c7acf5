"""The deploy user never becomes root by what it puts into its own directories before a `setup`."""

import msgspec
import pytest

from pipeline.release import layout, provision
from pipeline.remote import inventory
from tests.system.hosts import Host
from tests.system.site import BASE, Site

BACKUPS = "/var/www/qusto/backups/staging"
HOME = "/home/deploy"
KEYS = f"{HOME}/.ssh/authorized_keys"
INCOMING = f"{BASE}/.deploy/incoming"
PRIZE = "/root/prize"
ROOTS = "find /root /etc /home -xdev -printf '%p %U %G %m %s %l\\n' | grep -v '^/home/deploy'"
"""Everything of root's that a setup could hand over or write to; a second setup changes nothing."""

TRICKS = {
    "ssh-is-a-link": f"mv {HOME}/.ssh {HOME}/was; ln -s {PRIZE} {HOME}/.ssh",
    "ssh-is-a-dangling-link": f"mv {HOME}/.ssh {HOME}/was; ln -s {PRIZE}/new {HOME}/.ssh",
    "keys-are-a-link": f"ln -sf {PRIZE}/file {KEYS}",
    "keys-are-a-dangling-link": f"ln -sf {PRIZE}/new {KEYS}",
    "keys-are-roots-keys": f"ln -sf /root/.ssh/authorized_keys {KEYS}",
    "keys-are-a-fifo": f"rm {KEYS}; mkfifo {KEYS}",
    "keys-are-a-directory": f"rm {KEYS}; mkdir {KEYS}",
    "deploy-is-a-link": f"mv {BASE}/.deploy {BASE}/was; ln -s {PRIZE} {BASE}/.deploy",
    "incoming-is-a-link": f"rm -r {INCOMING}; ln -s {PRIZE} {INCOMING}",
    "incoming-is-etc-qusto": f"rm -r {INCOMING}; ln -s /etc/qusto {INCOMING}",
    "incoming-is-an-empty-one": f"rm -r {INCOMING}; ln -s {PRIZE}/empty {INCOMING}",
    "incoming-is-dangling": f"rm -r {INCOMING}; ln -s {PRIZE}/new {INCOMING}",
    "incoming-is-a-file": f"rm -r {INCOMING}; touch {INCOMING}",
    "incoming-is-a-fifo": f"rm -r {INCOMING}; mkfifo {INCOMING}",
    "releases-are-a-link": f"rmdir {BASE}/releases; ln -s {PRIZE} {BASE}/releases",
    "releases-are-dangling": f"rmdir {BASE}/releases; ln -s {PRIZE}/new {BASE}/releases",
    "two-links-deep": (f"rm -r {INCOMING}; ln -s {PRIZE} {BASE}/x; ln -s ../x {INCOMING}"),
    "dumps-are-a-link": f"mv {BACKUPS}/database {BACKUPS}/was; ln -s {PRIZE} {BACKUPS}/database",
    "dumps-are-roots-home": f"mv {BACKUPS}/database {BACKUPS}/was; ln -s /root {BACKUPS}/database",
    "history-is-a-link": f"ln -s {PRIZE}/file {BASE}/.deploy/history.jsonl",
    "activate-is-a-link": f"ln -s {PRIZE}/file {BASE}/.deploy/activate",
    "current-is-etc": f"ln -s /etc {BASE}/current",
    "home-of-fifos": f"for n in .profile .bashrc .pam_environment; do mkfifo {HOME}/$n; done",
}
RACES = {
    "incoming": (f"{BASE}/.deploy", "incoming", PRIZE),
    "releases": (BASE, "releases", "/etc/qusto"),
    "ssh": (HOME, ".ssh", PRIZE),
    "keys": (f"{HOME}/.ssh", "authorized_keys", f"{PRIZE}/file"),
    "dumps": (BACKUPS, "database", PRIZE),
}


def as_deploy(command: str) -> list[str]:
    return ["setpriv", "--reuid=deploy", "--regid=deploy", "--init-groups", "sh", "-c", command]


def setup_script(site: Site) -> str:
    target = inventory.resolve(["staging"], site.directory / "hosts.toml", {})
    environment = msgspec.structs.replace(target.environment, backup_database="echo dump")
    return provision.script(
        layout.of(environment),
        environment,
        deploy_key="ssh-ed25519 AAAAnew deploy@test",
        with_env=False,
        replace_env=False,
        plan=False,
        systemd=252,
    )


@pytest.fixture
def prepared(site: Site) -> tuple[Host, str]:
    """A host that was set up, with dumps, and the script that sets it up again."""
    host = site.hosts[0]
    script = setup_script(site)
    host.run(script)
    host.run(f"mkdir -m 700 {PRIZE} {PRIZE}/empty; umask 077; echo root >{PRIZE}/file")
    host.run("cp -a /home/deploy /home/deploy.kept; cp -a /var/www/qusto /var/www/kept")
    return host, script


def restore(host: Host) -> None:
    host.run(
        "rm -rf /home/deploy /var/www/qusto; cp -a /home/deploy.kept /home/deploy; "
        "cp -a /var/www/kept /var/www/qusto"
    )


def test_no_link_of_the_deploy_user_leads_root_anywhere(prepared: tuple[Host, str]):
    host, script = prepared
    before = host.run(ROOTS).stdout
    answers = {}
    for name, trick in TRICKS.items():
        host.run(as_deploy(f"sed -i /AAAAnew/d {KEYS}; {trick}"))
        ended = host.run(script, check=False)
        assert host.run(ROOTS).stdout == before, (name, ended.stderr)
        assert ended.returncode in (0, 1, 6), (name, ended.stderr)
        assert ended.returncode == 0 or ended.stderr, name
        answers[name] = ended.stderr
        restore(host)
    assert "refused: /home/deploy/.ssh is a link" in answers["ssh-is-a-link"]
    assert "authorized_keys is not a file" in answers["keys-are-a-fifo"]
    assert (
        "refused: /var/www/qusto/staging/.deploy/incoming is a link"
        in answers["incoming-is-a-link"]
    )
    # What root has put there itself: a hard link to its file, and a directory that deploy moves.
    host.run(f"rm {KEYS}; ln {PRIZE}/file {KEYS}")
    held = host.run(ROOTS).stdout
    assert host.run(script, check=False).returncode != 0
    assert host.run(ROOTS).stdout == held
    restore(host)
    host.run(f"mkdir -m 700 {BASE}/private; echo secret >{BASE}/private/file")
    host.run(as_deploy(f"rmdir {BASE}/releases; mv {BASE}/private {BASE}/releases"))
    ended = host.run(script, check=False)
    assert "refused: /var/www/qusto/staging/releases belongs to root, not to deploy" in ended.stderr
    assert host.run(f"stat -c '%U %a' {BASE}/releases").stdout == "root 700\n"
    restore(host)
    # What an administrator means is done: a disk of its own, and an empty directory of root's.
    host.run(f"rmdir {BASE}/releases; mkdir {BASE}/releases; mount -t tmpfs x {BASE}/releases")
    host.run(f"rm -r {INCOMING}; mkdir {INCOMING}")
    host.run(script)
    owners = host.run(f"stat -c %U {BASE}/releases {BASE}/.deploy/incoming {KEYS}").stdout
    assert owners.split() == ["deploy"] * 3
    assert host.run(f"grep -c AAAAnew {KEYS}").stdout == "1\n"


@pytest.mark.world
@pytest.mark.parametrize("race", RACES)
def test_no_race_with_root_is_won(prepared: tuple[Host, str], race: str):
    host, script = prepared
    before = host.run(ROOTS).stdout
    directory, name, prize = RACES[race]
    swap = (
        f'chdir "{directory}"; while (1) {{ rename "{name}", "other"; symlink "{prize}", "{name}"; '
        f'unlink "{name}"; rename "other", "{name}"; }}'
    )
    host.run(["systemd-run", "-q", "--uid=deploy", "--unit=swapper", "perl", "-e", swap])
    for _ in range(40):
        # Each time there is something to put right: a mode, and a key that is missing.
        host.run(as_deploy(f"chmod 700 {directory}/{name}; sed -i /AAAAnew/d {KEYS}"), check=False)
        host.run(script, check=False)
        assert host.run(ROOTS).stdout == before
    host.run("systemctl stop swapper")


def test_the_environment_file_is_written_only_where_root_alone_can(site: Site):
    host = site.hosts[0]
    host.run(f"mv /etc/qusto {BASE}/etc; ln -s {BASE}/etc /etc/qusto; chown deploy: {BASE}/etc")
    host.run(as_deploy(f"ln -s /root/stolen {BASE}/etc/staging.env.new"))
    ended = site.fab("setup", f"--env-file={site.directory / 'staging.env'}", "--replace-env")
    assert ended.code == 1, ended.text
    assert "can be changed by others than root" in ended.err
    assert site.fed("A=b\n", "env.set", "A").returncode == 1
    assert not host.exists("/root/stolen")
