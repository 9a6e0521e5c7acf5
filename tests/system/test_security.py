"""Who may do what on a real host, and where a secret can be found after a deploy: nowhere."""

import json
import shlex
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

from pipeline.release import layout, units
from pipeline.remote import inventory
from tests.system.artifacts import Builder
from tests.system.fixtures import Sites
from tests.system.hosts import Host
from tests.system.keys import KeyPair, make_keys
from tests.system.site import BASE, SECRET, Site, current

SERVICE = "qusto-staging.service"
ACTIVATE = f"{BASE}/.deploy/activate"
RUN = (
    "/usr/bin/systemd-run --collect --quiet --uid=deploy --service-type=exec "
    "--property=OnFailure=qusto-staging-rescue.service {}"
)
REFUSED = [
    "/usr/bin/systemctl start qusto-staging",
    "/usr/bin/systemctl start ssh.service",
    "/usr/bin/systemctl stop ssh.service",
    f"/usr/bin/systemctl start {SERVICE} ssh.service",
    f"/usr/bin/systemctl start ssh.service {SERVICE}",
    f"/usr/bin/systemctl --no-block start {SERVICE}",
    f"/usr/bin/systemctl start --no-block {SERVICE}",
    f"/usr/bin/systemctl start {SERVICE} --no-block",
    "/usr/bin/systemctl start 'qusto-*.service'",
    "/usr/bin/systemctl start ../qusto-staging.service",
    f"/usr/bin/systemctl start '{SERVICE}\n'",
    f"/usr/bin/systemctl edit {SERVICE}",
    f"/usr/bin/systemctl enable {SERVICE}",
    f"/usr/bin/systemctl cat {SERVICE}",
    f"/usr/bin/systemctl kill {SERVICE}",
    f"/usr/bin/systemctl kill --signal=KILL {SERVICE}",
    f"/usr/bin/systemctl kill --signal=TERM {SERVICE} ssh.service",
    f"/usr/bin/systemctl -H root@localhost start {SERVICE}",
    "/usr/bin/systemctl daemon-reload",
    "/usr/bin/systemctl",
    RUN.format(f"--unit=qusto-deploy-staging {ACTIVATE} boot"),
    RUN.format(f"--unit=qusto-deploy-staging {ACTIVATE}.new"),
    RUN.format("--unit=qusto-deploy-staging /bin/sh"),
    RUN.format(f"--unit=other {ACTIVATE}"),
    RUN.format(f"--unit=qusto-deploy-staging --uid=root {ACTIVATE}"),
    RUN.format(f"-p User=root --unit=qusto-deploy-staging {ACTIVATE}"),
    RUN.replace("--uid=deploy", "--uid=root").format(f"--unit=qusto-deploy-staging {ACTIVATE}"),
    "/bin/sh",
    "/usr/bin/cat /etc/qusto/staging.env",
    "/usr/bin/env",
    f"/usr/bin/env LD_PRELOAD=/tmp/x.so /usr/bin/systemctl start {SERVICE}",
    "/usr/sbin/visudo",
]
AS_OTHERS = [
    f"sudo -n -u qusto-staging /usr/bin/systemctl start {SERVICE}",
    f"sudo -n LD_PRELOAD=/tmp/x.so /usr/bin/systemctl start {SERVICE}",
    f"sudo -n SYSTEMD_EDITOR=/bin/sh /usr/bin/systemctl start {SERVICE}",
    f"sudo -n -g root /usr/bin/systemctl start {SERVICE}",
    f"sudo -n -D /tmp /usr/bin/systemctl start {SERVICE}",
    "sudo -n -e /etc/qusto/staging.env",
    "sudo -n -s",
    "sudo -n -i",
]


def told(host: Host, user: str, commands: list[str]) -> dict[str, int]:
    """Run each as `user`, in one go; return their exit codes."""
    lines = (f"( {command} ) </dev/null >/dev/null 2>&1; echo $?" for command in commands)
    script = shlex.quote("\n".join(lines))
    said = host.run(f"setpriv --reuid={user} --regid={user} --init-groups sh -c {script}").stdout
    return dict(zip(commands, map(int, said.split()), strict=True))


def own_lines(site: Site) -> list[str]:
    path = site.directory / "hosts.toml"
    environment = inventory.resolve(["staging"], path, {}).environment
    return units.sudo_lines(layout.of(environment), environment)


def test_the_deploy_user_may_run_its_own_lines_and_no_variation(site: Site):
    host = site.hosts[0]
    allowed = told(host, "deploy", [f"sudo -n -l {line}" for line in own_lines(site)])
    assert set(allowed.values()) == {0}
    asked = told(host, "deploy", [f"sudo -n -l {line}" for line in REFUSED])
    assert [command for command, code in asked.items() if code == 0] == []
    done = told(host, "deploy", AS_OTHERS)
    assert [command for command, code in done.items() if code == 0] == []


def test_the_service_user_writes_no_release_and_reads_no_environment_file(
    serving: Site, tmp_path: Path
):
    host = serving.hosts[0]
    host.write("/etc/qusto/production.env", "TOKEN=of-another-environment\n", mode=0o600)
    tries = told(
        host,
        "qusto-staging",
        [
            f"touch {BASE}/current/x",
            f"touch {BASE}/releases/x",
            f"ln -sfn x {BASE}/current",
            f"touch {BASE}/.deploy/verdict.x",
            "touch /var/www/qusto/backups/staging/x",
            "cat /etc/qusto/staging.env",
            "cat /etc/qusto/production.env",
            "touch /etc/qusto/x",
            f"sudo -n /usr/bin/systemctl start {SERVICE}",
            "cat /home/deploy/.ssh/authorized_keys",
        ],
    )
    assert [command for command, code in tries.items() if code == 0] == []
    read = told(host, "deploy", ["cat /etc/qusto/staging.env", "ls /var/lib/qusto-staging/tmp"])
    assert read["cat /etc/qusto/staging.env"] != 0


class ProcessList:
    """Samples the command lines of all processes here; the hosts share our kernel."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "ProcessList":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.02):
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.seen.add(place.read_bytes())
                except OSError:
                    continue  # it has ended


def holding(directory: Path, secrets: list[str]) -> list[str]:
    """Return the files below `directory` that hold one of the secrets."""
    found = []
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            found += [str(path) for secret in secrets if secret.encode() in text]
    return found


def test_a_secret_is_found_nowhere_after_a_deploy(
    sites: Sites, build: Builder, tmp_path: Path, session_keys: KeyPair
):
    passphrase = "the-marked-passphrase-of-the-key"
    private = tmp_path / "locked"
    private.write_text(session_keys.text)
    private.chmod(0o600)
    words = ["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", str(private)]
    subprocess.run(words, check=True)
    text = private.read_text()
    private.unlink()
    secrets = [SECRET, passphrase, text.splitlines()[2], session_keys.text.splitlines()[2]]
    site = sites(1)
    host = site.hosts[0]
    site.write(
        key_file="",
        key='"${STAGING_DEPLOY_SSH_KEY}"',
        key_passphrase='"${STAGING_DEPLOY_SSH_PASSPHRASE}"',
    )
    home = tmp_path / "home"
    home.mkdir()
    # The address of a socket below it has room for 108 characters.
    temporary = Path(tempfile.mkdtemp(prefix="t", dir="/tmp"))
    variables = {
        "STAGING_DEPLOY_SSH_KEY": text.replace("\n", "\r\n").strip(),
        "STAGING_DEPLOY_SSH_PASSPHRASE": passphrase,
        "HOME": str(home),
        "TMPDIR": str(temporary),
    }
    env_file = f"--env-file={site.directory / 'staging.env'}"
    artifact = f"--artifact={build('1.0.0')}"
    with ProcessList() as processes:
        ended = [
            site.done("setup", env_file, **variables),
            site.done("deploy", artifact, "--format=json", **variables),
            site.fab("deploy", f"--artifact={build('2.0.0', 'crash')}", **variables),
            site.done("history", **variables),
        ]
    said = "".join(one.text for one in ended)
    lists = b"\n".join(processes.seen).decode(errors="replace")
    journal = host.run("journalctl --no-pager -o cat").stdout
    for secret in secrets:
        assert secret not in said
        assert secret not in lists
        assert secret not in journal
    assert "systemd-run" in lists  # it did look at the host's processes
    quoted = " ".join(f"-e {shlex.quote(secret)}" for secret in secrets)
    places = "/var /home /root /tmp /run /etc /opt /srv"
    found = host.run(f"grep -rlaF {quoted} {places} 2>/dev/null", check=False).stdout.split()
    assert found == ["/etc/qusto/staging.env"]
    assert holding(home, secrets) + holding(temporary, secrets) == []
    shutil.rmtree(temporary)


def test_rotation_replaces_the_key_everywhere_or_nowhere(
    sites: Sites, build: Builder, tmp_path: Path
):
    site = sites(2)
    site.setup()
    one, two = site.hosts
    colleague = make_keys(tmp_path / "colleague").public
    for host in site.hosts:
        host.run(f"echo {shlex.quote(colleague)} >>/home/deploy/.ssh/authorized_keys")
    before = [host.run("cat /home/deploy/.ssh/authorized_keys").stdout for host in site.hosts]
    new = make_keys(tmp_path / "new")
    # On the second host the file cannot be replaced: the first one must be as it was.
    two.run("mkdir /home/deploy/.ssh/authorized_keys.new")
    ended = site.fab("keys.rotate", f"--to={new.private}")
    assert ended.code == 1, ended.text
    assert "the new key could not be added" in ended.err
    two.run("rm -r /home/deploy/.ssh/authorized_keys.new")
    # The second host lets this user in with the old key alone.
    match = "Match User deploy\n  AuthorizedKeysFile /etc/ssh/only\n"
    two.run("cp /home/deploy/.ssh/authorized_keys /etc/ssh/only; chmod 644 /etc/ssh/only")
    two.write("/etc/ssh/sshd_config.d/only.conf", match)
    two.run("systemctl reload ssh")
    ended = site.fab("keys.rotate", f"--to={new.private}")
    assert ended.code == 13, ended.text
    after = [host.run("cat /home/deploy/.ssh/authorized_keys").stdout for host in site.hosts]
    assert after == before
    two.run("rm /etc/ssh/sshd_config.d/only.conf; systemctl reload ssh")
    done = json.loads(site.done("keys.rotate", f"--to={new.private}", "--format=json").out)
    assert done["hosts"] == [host.ip for host in site.hosts]
    blob = new.public.split()[1]
    for host in site.hosts:
        lines = host.run("cat /home/deploy/.ssh/authorized_keys").stdout.splitlines()
        assert [line for line in lines if blob in line] == [lines[-1]]
        assert colleague in lines
        assert len(lines) == 2
        mode = host.run("stat -c '%a %U' /home/deploy/.ssh/authorized_keys").stdout
        assert mode == "600 deploy\n"
    assert site.fab("status").code == 13
    site.write(key_file=f'"{new.private}"')
    site.done("status")
    assert one.run("ls -A /home/deploy/.ssh").stdout.split() == ["authorized_keys"]


def test_a_key_is_refused_that_is_the_same_or_none(site: Site, tmp_path: Path):
    same = site.fab("keys.rotate", f"--to={site.key}")
    assert same.code == 2
    assert "uses already" in same.err
    nothing = tmp_path / "nothing"
    nothing.write_text("no key\n")
    ended = site.fab("keys.rotate", f"--to={nothing}")
    assert ended.code == 2, ended.text
    assert "does not hold a private key" in ended.err


def logged_in(host: Host) -> int:
    """Return how often the deploy user has logged in so far."""
    text = host.run("journalctl -u ssh -o cat").stdout
    return text.count("Accepted publickey for deploy")


def test_a_deploy_goes_through_the_jump_host_of_ssh_config(
    sites: Sites, build: Builder, tmp_path: Path
):
    both = sites(2)
    jump, host = both.hosts
    both.setup()
    site = Site((host,), both.directory, both.key)
    site.write(host_key="")
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    lines = [f"{one.ip} {one.host_key}\n" for one in (jump, host)]
    (home / ".ssh/known_hosts").write_text("".join(lines))
    (home / ".ssh/config").write_text(
        f"Host {host.ip}\n  ProxyJump deploy@{jump.ip}\nHost {jump.ip}\n  IdentityFile {site.key}\n"
    )
    before = logged_in(jump)
    ended = site.done("deploy", f"--artifact={build('1.0.0')}", HOME=str(home))
    assert current(host) in ended.out
    assert current(jump) == ""
    after = logged_in(jump)
    assert after > before
    # The host behind it is known by its own key, and only so.
    (home / ".ssh/known_hosts").write_text(lines[0])
    refused = site.fab("status", HOME=str(home))
    assert refused.code == 13
    assert "host key" in refused.err


def test_setup_is_done_by_a_user_with_sudo_as_well_as_by_root(sites: Sites):
    site = sites(1)
    host = site.hosts[0]
    host.run("useradd -m -s /bin/sh admin")
    host.run("mkdir /home/admin/.ssh && cp /root/.ssh/authorized_keys /home/admin/.ssh/")
    host.run("chown -R admin: /home/admin/.ssh && chmod 700 /home/admin/.ssh")
    host.write("/etc/sudoers.d/admin", "admin ALL=(ALL) NOPASSWD: ALL\n", mode=0o440)
    site.write(setup_user='"admin"')
    site.setup()
    assert host.run("stat -c '%U %a' /etc/qusto/staging.env").stdout == "root 600\n"
    assert f"{host.ip}: changed 0," in site.setup().out
    assert SECRET in host.run("cat /etc/qusto/staging.env").stdout
