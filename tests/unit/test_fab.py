"""`fab` as its user runs it: mistakes end in exit 2 and one line, before anything is touched."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fabfile
from pipeline import settings
from pipeline.release import artifact as artifacts
from pipeline.release.manifest import Facts

FAB = Path(sys.executable).with_name("fab")
NEEDING_NOTHING = (
    "deploy",
    "rollback",
    "attach",
    "status",
    "health",
    "logs",
    "restart",
    "releases",
    "history",
    "unlock",
    "doctor",
    "setup",
    "cleanup",
    "env.list",
    "trust",
)


def fab(*words: str, hosts: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "QUSTO_HOSTS": str(hosts)}
    return subprocess.run(
        [str(FAB), *words],
        cwd=settings.PROJECT,
        env={**environ, **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture
def hosts(tmp_path: Path) -> Path:
    path = tmp_path / "hosts.toml"
    path.write_text('[staging]\nhosts = ["${STAGING_DEPLOY_HOST}"]\n')
    return path


# In a Python of its own: Invoke takes the help out of a task with the first look at its arguments.
LACKING = """
import json
import fabfile
tasks = {name: fabfile.ns[name] for name in fabfile.ns.task_names}
print(json.dumps({
    name: [not task.__doc__, [a.name for a in task.get_arguments() if not a.help]]
    for name, task in tasks.items()
}))
"""


def test_every_task_has_help_and_so_has_each_of_its_options(hosts: Path):
    words = [sys.executable, "-c", LACKING]
    said = subprocess.run(words, cwd=settings.PROJECT, capture_output=True, text=True, check=True)
    lacking = json.loads(said.stdout)
    listed = fab("--list", "--list-format=flat", hosts=hosts).stdout
    for name in fabfile.ns.task_names:
        assert name in listed
        assert lacking[name] == [False, []], name
    assert "Usage: fab" in fab("--help", "deploy", hosts=hosts).stdout


def test_listing_imports_no_more_than_fabric_does():
    script = (
        "import sys, fabric.main; before = set(sys.modules); import fabfile; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))"
    )
    words = [sys.executable, "-c", script]
    said = subprocess.run(words, cwd=settings.PROJECT, capture_output=True, text=True, check=True)
    ours = {"fabfile", "pipeline"}
    outside = set(ast.literal_eval(said.stdout)) - ours - sys.stdlib_module_names
    assert outside == set()


@pytest.mark.parametrize("name", NEEDING_NOTHING)
def test_no_task_runs_without_a_host_not_even_locally(hosts: Path, name: str):
    ended = fab(name, hosts=hosts)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no target; use -H NAME with one of: staging")
    assert ended.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-H", "nowhere", "deploy"), "-H nowhere: no such environment"),
        (("-H", "staging", "deploy"), "`hosts` needs ${STAGING_DEPLOY_HOST}, which is not set"),
        (("-H", "staging,production", "status"), "one environment"),
    ],
)
def test_a_wrong_name_is_one_line(hosts: Path, words: tuple[str, ...], said: str):
    ended = fab(*words, hosts=hosts)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_malformed_file_is_one_line(hosts: Path):
    hosts.write_text("[staging\n")
    ended = fab("-H", "staging", "status", hosts=hosts)
    assert ended.returncode == 2
    assert "is not valid TOML" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_missing_artifact_is_refused_before_connecting(hosts: Path):
    words = ("-H", "staging", "deploy", "--artifact", "/nonexistent.tar.gz")
    # A host that nothing answers for: a connection attempt would end in exit 13.
    ended = fab(*words, hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert "/nonexistent.tar.gz does not exist" in ended.stderr


def test_no_mix_exs_is_refused_before_connecting(hosts: Path):
    ended = fab("-H", "staging", "deploy", hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert "no mix.exs" in ended.stderr


def test_a_name_that_is_no_release_is_refused_before_connecting(hosts: Path):
    words = ("-H", "staging", "rollback", "--to=../../etc")
    ended = fab(*words, hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert "--to=../../etc is not the name of a release" in ended.stderr


def test_a_host_that_does_not_answer_is_exit_13(hosts: Path):
    ended = fab("-H", "staging", "status", hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 13
    assert "staging host 127.0.0.1:1: no connection" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_failed_deploy_is_an_object_too(hosts: Path, tmp_path: Path):
    words = ("deploy", "--format=json", f"--artifact={packed(tmp_path)}")
    for command, more in (("deploy", words), ("rollback", ("rollback", "--format=json"))):
        ended = fab("-H", "staging", *more, hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
        assert ended.returncode == 13, ended.stderr
        said = json.loads(ended.stdout)
        assert (said["kind"], said["exit_code"]) == (command, 13)
        assert f"error: {said['error']}" in ended.stderr


def test_production_is_not_touched_without_a_confirmation(hosts: Path):
    hosts.write_text('[production]\nhosts = ["127.0.0.1:1"]\n')
    ended = fab("-H", "production", "rollback", hosts=hosts)
    assert ended.returncode == 2
    assert "asks for confirmation" in ended.stderr


def packed(directory: Path) -> Path:
    """An artifact of a dirty tree on another branch, of a commit that nobody knows."""
    tree = directory / "tree"
    tree.mkdir()
    (tree / "file").write_text("x")
    texts = dict.fromkeys(("mix_env", "built_at", "elixir", "erts", "os", "arch", "libc"), "")
    built = Facts(
        app="plausible", version="1.0.0", commit="f" * 40, dirty=True, branch="topic", **texts
    )
    return artifacts.pack(tree, built, directory).path


def test_production_refuses_what_is_not_known_to_be_good(hosts: Path, tmp_path: Path):
    hosts.write_text('[production]\nhosts = ["127.0.0.1:1"]\n')
    words = ("-H", "production", "deploy", "--yes", f"--artifact={packed(tmp_path)}")
    ended = fab(*words, hosts=hosts)
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    overrides = ("--allow-dirty", "--allow-branch", "--allow-unpushed", "--allow-ci")
    for option in overrides:
        assert option in ended.stderr
    # One override short it is still refused; with all of them the host is asked, and is not there.
    assert fab(*words, *overrides[1:], hosts=hosts).returncode == 2
    assert fab(*words, *overrides, hosts=hosts).returncode == 13


def test_an_artifact_of_another_release_is_refused(hosts: Path, tmp_path: Path):
    hosts.write_text('[staging]\nhosts = ["127.0.0.1:1"]\nrelease = "other"\n')
    ended = fab("-H", "staging", "deploy", f"--artifact={packed(tmp_path)}", hosts=hosts)
    assert ended.returncode == 2
    assert "holds the release plausible, and staging runs other" in ended.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("env.set", "SECRET=hunter2-hunter2"), "SECRET=… on the command line"),
        (("env.set", "A B"), "'A B' is not the name of a variable"),
        (("env.set", ","), "no variable is named"),
        (("env.set", "PORT,LD_PRELOAD"), "LD_PRELOAD can change which code the service runs"),
        (("env.set", "RELEASE_TMP"), "RELEASE_TMP can change which code the service runs"),
        (("env.set", "RELEASE_TMP", "--yes"), "standard input holds no value of RELEASE_TMP"),
        (("env.set", "RELEASE_COOKIE"), "standard input holds no value of RELEASE_COOKIE"),
        (("env.set", "A"), "standard input holds no value of A"),
        (("env.set", "A", "--from=/nonexistent.env"), "--from=/nonexistent.env cannot be read"),
        (("env.unset", "1A"), "'1A' is not the name of a variable"),
    ],
)
def test_a_variable_without_name_or_value_is_refused_before_connecting(
    hosts: Path, words: tuple[str, ...], said: str
):
    ended = fab("-H", "staging", *words, hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "hunter2" not in ended.stderr + ended.stdout
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--yes",), "--yes alone would trust whoever answers"),
        (("--yes", "--fingerprint=MD5:aa"), "--fingerprint=MD5:aa is not one"),
    ],
)
def test_trust_without_a_fingerprint_is_refused_before_connecting(
    hosts: Path, words: tuple[str, ...], said: str
):
    ended = fab("-H", "staging", "trust", *words, hosts=hosts, STAGING_DEPLOY_HOST="127.0.0.1:1")
    assert ended.returncode == 2
    assert said in ended.stderr


def test_an_error_never_shows_a_secret_of_the_environment(hosts: Path):
    secret = "hunter2-hunter2-hunter2"
    ended = fab("-H", secret, "status", hosts=hosts, DEPLOY_TOKEN=secret)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: -H [***]: no such environment")
    assert secret not in ended.stderr
