"""How each peer deploys, written as its own manual teaches: files for it, and the command.

All do the same work, the document's steps: send, unpack, back up what serves, stop, migrate, link,
start, ask for the health until it is well or half a minute is over. The privileges on the host
(sudo for exact systemctl lines, a unit that migrates as the service's user) are those that `fab
setup` has made for each.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deploy import ground
from benchmarks.deploy.ground import Line
from benchmarks.deploy.releases import ROOT, Release


@dataclass(frozen=True)
class Command:
    """What to run, where, and with what environment beside ours."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]


@dataclass(frozen=True)
class Peer:
    """One side: `version` of the tool, and from a directory, line and release to its command."""

    name: str
    version: Callable[[], str]
    deploy: Callable[[Path, Line, Release], Command]


def _words(side: str) -> dict[str, str]:
    health = f"http://localhost:{ground.PORTS[side]}/api/health"
    unit = f"qusto-{side}"
    return {
        "path": ground.path(side),
        "backup": f"cp -al $(readlink -f {ground.path(side)}/current) "
        f"/var/www/qusto/backups/{side}/release_$(date +%Y%m%d_%H%M%S)",
        "stop": f"sudo -n /usr/bin/systemctl stop {unit}.service",
        "start": f"sudo -n /usr/bin/systemctl start {unit}.service",
        "migrate": f"sudo -n /usr/bin/systemctl start {unit}-migrate.service",
        "candidate": f"{ground.path(side)}/.deploy/candidate",
        "health": "for n in $(seq 120); do "
        f"curl -fsS -m 16 -o /dev/null {health} && exit 0; sleep 0.25; done; exit 1",
    }


def _ssh(line: Line) -> str:
    return (
        f"-o UserKnownHostsFile={line.known_hosts} -o StrictHostKeyChecking=yes -o BatchMode=yes "
        f"-o IdentitiesOnly=yes -i {line.keys.private} -p {line.port}"
    )


def _ours(directory: Path, line: Line, release: Release) -> Command:
    hosts = directory / "hosts.toml"
    hosts.write_text(ground.hosts_toml(line.address, line.port, line.host, line.keys.private))
    fab = str(Path(sys.executable).with_name("fab"))
    argv = (fab, "-H", "ours", "deploy", f"--artifact={release.artifact}", "--yes")
    return Command(argv, ROOT, {"QUSTO_HOSTS": str(hosts)})


_CAPFILE = """\
require "capistrano/setup"
require "capistrano/deploy"
require "capistrano/scm/plugin"

class Tarball < Capistrano::SCM::Plugin
  def define_tasks
    namespace :tarball do
      task :create_release do
        on release_roles(:all) do
          execute :mkdir, "-p", release_path
          upload! ENV.fetch("TARBALL"), "#{release_path}/.tar.gz"
          within(release_path) { execute :tar, "-xzf", ".tar.gz"; execute :rm, ".tar.gz" }
        end
      end
      task(:set_current_revision) { set :current_revision, ENV.fetch("VERSION") }
    end
  end

  def register_hooks
    after "deploy:new_release_path", "tarball:create_release"
    before "deploy:set_current_revision", "tarball:set_current_revision"
  end
end
install_plugin Tarball
import "service.rake"
"""

_CAP_TASKS = """\
namespace :service do
  task :backup do
    on(roles(:app)) { execute "[ ! -e %(path)s/current ] || %(backup)s" }
  end
  task :stop do
    on(roles(:app)) { execute "%(stop)s" }
  end
  task :migrate do
    on primary(:app) do
      execute :ln, "-sfn", release_path, "%(candidate)s"
      execute "%(migrate)s"
    end
  end
  task :start do
    on(roles(:app)) { execute "%(start)s" }
  end
  task :health do
    on(roles(:app)) { execute "%(health)s" }
  end
end
before "deploy:publishing", "service:backup"
before "deploy:publishing", "service:stop"
before "deploy:publishing", "service:migrate"
after "deploy:publishing", "service:start"
after "deploy:publishing", "service:health"
"""

_CAP_CONFIG = """\
lock "~> 3.17"
set :application, "qusto"
set :deploy_to, "%(path)s"
set :keep_releases, 5
"""

_CAP_STAGE = """\
server "%(address)s", user: "deploy", roles: %%w{app}, ssh_options: {
  port: %(port)s, keys: ["%(key)s"], keys_only: true, auth_methods: %%w(publickey),
  user_known_hosts_file: "%(known_hosts)s", verify_host_key: :always
}
"""


def _capistrano(directory: Path, line: Line, release: Release) -> Command:
    (directory / "config/deploy").mkdir(parents=True, exist_ok=True)
    words = _words("capistrano")
    stage = {
        "address": line.address,
        "port": str(line.port),
        "key": str(line.keys.private),
        "known_hosts": str(line.known_hosts),
    }
    (directory / "Capfile").write_text(_CAPFILE)
    (directory / "service.rake").write_text(_CAP_TASKS % words)
    (directory / "config/deploy.rb").write_text(_CAP_CONFIG % words)
    (directory / "config/deploy/bench.rb").write_text(_CAP_STAGE % stage)
    env = {"TARBALL": str(release.tarball), "VERSION": release.version}
    return Command(("cap", "bench", "deploy"), directory, env)


_MINA = """\
# Debian's package looks for its template where it is not (mina 0.3.7-1.1).
def Mina.root_path(*parts)
  File.join("/usr/share/doc/mina/examples", File.basename(parts.last))
end
set :domain, "%(address)s"
set :user, "deploy"
set :port, "%(port)s"
set :identity_file, "%(key)s"
set :ssh_options, "-o UserKnownHostsFile=%(known_hosts)s -o BatchMode=yes"
set :deploy_to, "%(path)s"
set :keep_releases, 5
set :term_mode, nil
task(:environment) {}

task :deploy => :environment do
  # As mina-rsync does: into a cache beside the releases, copied from there.
  system("rsync", "-a", "--delete", "-e", "ssh %(ssh)s", "#{ENV.fetch('TREE')}/",
         "deploy@%(address)s:%(path)s/shared/cache/") or abort "rsync failed"
  deploy do
    queue! "cp -a %(path)s/shared/cache/. ."
    queue! "[ ! -e %(path)s/current ] || %(backup)s"
    invoke :"deploy:cleanup"
    to :launch do
      queue! "%(stop)s"
      queue! "ln -sfn $(readlink -f %(path)s/current) %(candidate)s"
      queue! "%(migrate)s"
      queue! "%(start)s"
      queue! "sh -c '%(health)s'"
    end
  end
end
"""


def _mina(directory: Path, line: Line, release: Release) -> Command:
    (directory / "config").mkdir(exist_ok=True)
    words = _words("mina") | {
        "address": line.address,
        "port": str(line.port),
        "key": str(line.keys.private),
        "known_hosts": str(line.known_hosts),
        "ssh": _ssh(line),
    }
    (directory / "config/deploy.rb").write_text(_MINA % words)
    return Command(("mina", "deploy"), directory, {"TREE": str(release.tree)})


_PLAYBOOK = """\
- hosts: all
  gather_facts: false
  vars:
    release: "%(path)s/releases/{{ lookup('env', 'STAMP') }}"
  tasks:
    - file: {path: "{{ release }}", state: directory}
    - unarchive: {src: "{{ lookup('env', 'TARBALL') }}", dest: "{{ release }}"}
    - shell: "[ ! -e %(path)s/current ] || %(backup)s"
    - command: "%(stop)s"
    - file: {src: "{{ release }}", dest: "%(candidate)s", state: link, force: true}
    - command: "%(migrate)s"
    - file: {src: "{{ release }}", dest: "%(path)s/current", state: link, force: true}
    - command: "%(start)s"
    - uri: {url: "%(url)s", timeout: 16}
      register: answer
      until: answer.status == 200
      retries: 30
      delay: 1
    - shell: "cd %(path)s/releases && ls -1 | head -n -5 | xargs -r rm -rf"
"""


def _ansible(directory: Path, line: Line, release: Release) -> Command:
    url = f"http://localhost:{ground.PORTS['ansible']}/api/health"
    words = _words("ansible") | {"url": url}
    (directory / "deploy.yml").write_text(_PLAYBOOK % words)
    (directory / "ansible.cfg").write_text("[ssh_connection]\npipelining = true\n")
    inventory = f"host ansible_host={line.address} ansible_user=deploy ansible_port={line.port} "
    inventory += "ansible_python_interpreter=/usr/bin/python3 "
    inventory += f"ansible_ssh_private_key_file={line.keys.private} "
    inventory += f"ansible_ssh_common_args='-o UserKnownHostsFile={line.known_hosts}'\n"
    (directory / "inventory").write_text(inventory)
    program = str(ansible_home() / "bin/ansible-playbook")
    env = {
        "TARBALL": str(release.tarball),
        "STAMP": _stamp(),
        "ANSIBLE_HOME": str(directory / "home"),
        "PATH": f"{ansible_home()}/bin:{os.environ['PATH']}",
    }
    return Command((program, "-i", "inventory", "deploy.yml"), directory, env)


_DOCUMENT = """\
set -e
TIMESTAMP=%(stamp)s
RELEASE=%(path)s/releases/$TIMESTAMP
SSH="ssh %(ssh)s deploy@%(address)s"
BACKUP=/var/www/qusto/backups/document/release_$TIMESTAMP
$SSH "mkdir -p $RELEASE && cp -rL %(path)s/current $BACKUP 2>/dev/null || true"
tar -czf - -C "$TREE" . | $SSH "tar -xzf - -C $RELEASE"
$SSH "%(stop)s || true"
$SSH "ln -sfn $RELEASE %(candidate)s && %(migrate)s"
$SSH "ln -sfn $RELEASE %(path)s/current"
$SSH "%(start)s"
sleep 10
if ! $SSH "curl -f http://localhost:%(health_port)s/api/health"; then
  $SSH "%(stop)s; ln -sfn $BACKUP %(path)s/current; %(start)s"
  exit 1
fi
"""


def _document(directory: Path, line: Line, release: Release) -> Command:
    words = _words("document") | {
        "address": line.address,
        "ssh": _ssh(line),
        "stamp": _stamp(),
        "health_port": str(ground.PORTS["document"]),
    }
    (directory / "deploy.sh").write_text(_DOCUMENT % words)
    return Command(("bash", "deploy.sh"), directory, {"TREE": str(release.tree)})


def _stamp() -> str:
    return time.strftime("%Y%m%d_%H%M%S")


def ansible_home() -> Path:
    """Return the virtual environment that Ansible is installed into."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "qusto-pipeline/ansible"


def _said(*argv: str) -> str:
    ended = subprocess.run(argv, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[0].strip()


PEERS = (
    Peer("ours", lambda: _said("git", "-C", str(ROOT), "describe", "--always"), _ours),
    Peer("capistrano", lambda: _said("cap", "--version"), _capistrano),
    Peer("mina", lambda: _said("mina", "--version"), _mina),
    Peer("ansible", lambda: _said(str(ansible_home() / "bin/ansible"), "--version"), _ansible),
    Peer("document", lambda: "CI_CD_SETUP.md", _document),
)


def install() -> None:
    """Install the peers: Capistrano and Mina from Debian, Ansible from PyPI."""
    if not (shutil.which("cap") and shutil.which("mina")):
        subprocess.run(["apt-get", "install", "-y", "-q", "capistrano", "mina"], check=True)
    if not (ansible_home() / "bin/ansible-playbook").exists():
        subprocess.run([sys.executable, "-m", "venv", ansible_home()], check=True)
        pip = ansible_home() / "bin/pip"
        subprocess.run([pip, "install", "-q", "ansible-core"], check=True)
