"""The commit hook in real repositories: installed, chained, removed, and asked by git commit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import hooks
from pipeline.checks import doctor
from pipeline.errors import UsageProblem
from pipeline.settings import PROJECT
from tests.unit.checks.stages import needs_mix

from .checks.stages import tiny
from .repositories import git, isolated, repository, stand_in, write

# Stands in for mix: notes its calls and what of git it sees, fails to format what says BAD, and
# does with git what `mix credo diff` does: writes into whatever index it is pointed at.
FAKE_MIX = """#!/bin/sh
echo "$*" >> "$HOME/calls"
env | grep -E '^GIT_(DIR|INDEX_FILE|WORK_TREE|PREFIX)=' >> "$HOME/seen"
case "$1" in
  format)
    (export GIT_INDEX_FILE="${GIT_INDEX_FILE:-$HOME/own-index}"; git read-tree HEAD)
    if grep -rq BAD lib; then
      echo "** (Mix) mix format failed due to --check-formatted."
      echo "The following files are not formatted:"
      echo
      echo "  * lib/a.ex"
      exit 1
    fi ;;
  test) echo "1 test, 0 failures" ;;
esac
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write(tmp_path / "home", {"calls": "", "seen": ""})
    stand_in(tmp_path / "home", FAKE_MIX)
    return tmp_path / "home"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    files = {"mix.exs": "", "lib/a.ex": "one", "lib/b.ex": "one", "README.md": "r"}
    return repository(tmp_path / "app", {**files, "test/a_test.exs": "", ".gitignore": "_build\n"})


def environ(home: Path) -> dict[str, str]:
    return isolated(home, PATH=f"{home}/bin:{os.environ['PATH']}", MIX_HOME=str(home / "mix"))


def installed(app: Path, home: Path) -> hooks.Place:
    place = hooks.find(app, environ(home))
    hooks.install(place, Path(sys.executable), PROJECT)
    return place


def commit(where: Path, home: Path, *words: str) -> tuple[int, str]:
    ended = git(where, "commit", "--message=next", *words, env=environ(home), ok=False)
    return ended.returncode, ended.stdout + ended.stderr


def calls(home: Path) -> list[str]:
    return [line.split()[0] for line in (home / "calls").read_text().splitlines()]


def committed(where: Path, path: str) -> str:
    return git(where, "show", f"HEAD:{path}").stdout


@needs_mix
def test_commit_is_blocked_by_a_real_failing_format_and_allowed_by_a_passing_one(tmp_path: Path):
    (home := tmp_path / "home").mkdir()
    app = tiny(tmp_path / "app", {"a": "assert Tiny.one() == 1"})
    write(app, {".formatter.exs": '[inputs: ["lib/**/*.ex"]]\n', ".gitignore": "/_build/\n"})
    repository(app, {})
    env = isolated(home)
    hooks.install(hooks.find(app, env), Path(sys.executable), PROJECT)
    good = "defmodule Tiny do\n  def one, do: 1\nend\n"
    bad = good.replace(", do", ",   do")

    write(app, {"lib/tiny.ex": f"# again\n{bad}"})
    git(app, "add", "--all")
    ended = git(app, "commit", "--message=bad", env=env, ok=False)
    assert ended.returncode == 1
    assert "1 failed (format)" in ended.stdout + ended.stderr
    assert git(app, "log", "--oneline").stdout.count("\n") == 1

    write(app, {"lib/tiny.ex": f"# again\n{good}"})
    git(app, "add", "--all")
    ended = git(app, "commit", "--message=good", env=env, ok=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert committed(app, "lib/tiny.ex") == f"# again\n{good}"
    assert git(app, "status", "--porcelain").stdout == ""


def test_commit_holds_exactly_what_was_staged_though_a_check_writes_an_index(app: Path, home: Path):
    installed(app, home)
    write(app, {"lib/a.ex": "staged", "lib/b.ex": "not staged", "new": "not staged"})
    git(app, "add", "lib/a.ex")
    tree = git(app, "write-tree").stdout
    code, said = commit(app, home)
    assert code == 0, said
    assert "format" in calls(home)
    assert git(app, "rev-parse", "HEAD^{tree}").stdout == tree
    assert git(app, "status", "--porcelain").stdout == " M lib/b.ex\n?? new\n"
    assert (home / "seen").read_text() == ""


@pytest.mark.parametrize("words", [["--all"], ["--only", "lib/a.ex"]])
def test_commit_with_an_index_of_its_own_is_checked_by_what_it_commits(
    app: Path, home: Path, words: list[str]
):
    installed(app, home)
    write(app, {"lib/a.ex": "BAD"})
    code, _ = commit(app, home, *words)
    assert code == 1
    write(app, {"lib/a.ex": "better"})
    code, said = commit(app, home, *words)
    assert code == 0, said
    assert committed(app, "lib/a.ex") == "better"


def test_partially_staged_file_is_checked_as_it_is_committed(app: Path, home: Path):
    installed(app, home)
    write(app, {"lib/a.ex": "BAD"})
    git(app, "add", "lib/a.ex")
    write(app, {"lib/a.ex": "better"})
    code, said = commit(app, home)
    assert code == 1
    assert "note: not as in the commit: lib/a.ex; a copy of the commit is checked" in said
    git(app, "add", "lib/a.ex")
    write(app, {"lib/a.ex": "BAD"})
    code, said = commit(app, home)
    assert code == 0, said
    assert committed(app, "lib/a.ex") == "better"
    assert (app / "lib/a.ex").read_text() == "BAD"


def test_untracked_input_is_no_part_of_what_is_checked(app: Path, home: Path):
    installed(app, home)
    write(app, {"lib/a.ex": "two", "lib/new.ex": "BAD", "notes.md": "no input"})
    git(app, "add", "lib/a.ex")
    git(app, "add", "--intent-to-add", "lib/new.ex")
    code, said = commit(app, home)
    assert code == 0, said
    assert "note: not as in the commit: lib/new.ex, notes.md; a copy" in said
    assert "list them in .git/info/exclude" in said
    (home / "calls").write_text("")
    git(app, "reset", "--quiet", "--soft", "HEAD^")
    assert commit(app, home)[0] == 0
    assert "format" not in calls(home)


def test_rows_are_unknown_where_no_copy_of_the_commit_can_be_made(app: Path, home: Path):
    installed(app, home)
    write(app, {"lib/a.ex": "two", "lib/new.ex": "new"})
    git(app, "add", "lib/a.ex")
    (home / ".cache").write_text("in the way")
    code, said = commit(app, home)
    assert code == 1
    assert "the work tree is not what is committed, and no copy can be made: " in said
    assert calls(home) == []


MODULES = {
    "lib/one.ex": "defmodule One do\n  def one, do: Two.two()\nend\n",
    "lib/two.ex": "defmodule Two do\n  def two, do: 2\nend\n",
}


@needs_mix
def test_real_commit_is_compiled_as_it_is_committed(tmp_path: Path):
    (home := tmp_path / "home").mkdir()
    app = tiny(tmp_path / "app", {"a": "assert Tiny.one() == 1"})
    write(app, {".formatter.exs": '[inputs: ["lib/**/*.ex"]]\n', ".gitignore": "/_build/\n/deps\n"})
    repository(app, {})
    env = isolated(home)
    hooks.install(hooks.find(app, env), Path(sys.executable), PROJECT)

    write(app, MODULES)
    git(app, "add", "lib/one.ex")
    ended = git(app, "commit", "--message=bad", env=env, ok=False)
    assert ended.returncode != 0
    assert "Two.two/0 is undefined" in ended.stdout + ended.stderr
    git(app, "add", "lib/two.ex")
    write(app, {"lib/three.ex": "this is broken ((", "test/three_test.exs": "broken (("})
    ended = git(app, "commit", "--message=good", env=env, ok=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert git(app, "status", "--porcelain").stdout == "?? lib/three.ex\n?? test/three_test.exs\n"


def test_row_without_its_program_is_unknown_beside_rows_that_pass(app: Path, home: Path):
    write(app, {"assets/package.json": '{"scripts": {"lint": "true"}}', "assets/a.ts": ""})
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--no-verify", "--message=assets")
    installed(app, home)
    (home / "bin/mix").rename(home / "bin/npm")
    bare = home / "bare"
    bare.mkdir()
    for name in ("git", "sh", "env", "grep", "cat"):
        (bare / name).symlink_to(shutil.which(name) or name)
    write(app, {"lib/a.ex": "BAD", "assets/a.ts": "two"})
    git(app, "add", "--all")
    env = isolated(home, PATH=f"{home}/bin:{bare}", MIX_HOME=str(home / "mix"))
    ended = git(app, "commit", "--message=next", env=env, ok=False)
    said = ended.stdout + ended.stderr
    assert ended.returncode != 0, said
    assert "1 passed, " in said
    assert "mix is not on this PATH (" in said
    assert f":{home}/bin:{bare}). Editors and git clients" in said


def test_rows_follow_the_staged_paths(app: Path, home: Path):
    installed(app, home)
    write(app, {"README.md": "a test may read it, a formatter does not"})
    git(app, "add", "--all")
    assert commit(app, home)[0] == 0
    assert set(calls(home)) == {"compile", "test"}
    (home / "calls").write_text("")
    write(app, {"lib/a.ex": "two"})
    git(app, "add", "--all")
    assert commit(app, home)[0] == 0
    assert set(calls(home)) == {"compile", "format", "test"}


def test_removal_of_a_file_is_a_change_of_an_input(app: Path, home: Path):
    installed(app, home)
    git(app, "rm", "--quiet", "lib/b.ex")
    assert commit(app, home)[0] == 0
    assert "format" in calls(home)


def test_second_commit_of_the_same_content_runs_nothing(app: Path, home: Path):
    installed(app, home)
    write(app, {"lib/a.ex": "two"})
    git(app, "add", "--all")
    assert commit(app, home)[0] == 0
    (home / "calls").write_text("")
    git(app, "reset", "--quiet", "--soft", "HEAD^")
    code, said = commit(app, home)
    assert (code, calls(home)) == (0, [])
    assert "reused format" in said


def test_linked_work_tree_is_checked_as_itself(app: Path, home: Path, tmp_path: Path):
    installed(app, home)
    linked = tmp_path / "linked"
    git(app, "worktree", "add", "--quiet", str(linked))
    write(linked, {"lib/a.ex": "BAD"})
    git(linked, "add", "--all")
    assert commit(linked, home)[0] == 1
    write(linked, {"lib/a.ex": "better"})
    git(linked, "add", "--all")
    tree = git(linked, "write-tree").stdout
    code, said = commit(linked, home)
    assert code == 0, said
    assert git(linked, "rev-parse", "HEAD^{tree}").stdout == tree
    assert (home / "seen").read_text() == ""
    assert git(app, "status", "--porcelain").stdout == ""


def test_application_below_the_top_of_the_repository(tmp_path: Path, home: Path):
    files = {"web/mix.exs": "", "web/lib/a.ex": "", "web/test/a_test.exs": "", "b.ex": ""}
    top = repository(tmp_path / "top", files)
    installed(top / "web", home)
    write(top, {"b.ex": "of another part, which a test may read"})
    git(top, "add", "--all")
    assert commit(top, home)[0] == 0
    assert set(calls(home)) == {"compile", "test"}
    write(top, {"web/lib/a.ex": "BAD"})
    git(top, "add", "--all")
    assert commit(top, home)[0] == 1


@pytest.mark.parametrize("value", ["relative", "absolute"])
def test_hooks_path_of_the_repository_is_honoured(
    app: Path, home: Path, tmp_path: Path, value: str
):
    directory = app / "hooks" if value == "relative" else tmp_path / "elsewhere"
    git(app, "config", "core.hooksPath", "hooks" if value == "relative" else str(directory))
    place = installed(app, home)
    assert place.directory == directory
    assert not (app / ".git/hooks/pre-commit").exists()
    write(app, {"lib/a.ex": "BAD"})
    git(app, "add", "lib")
    assert commit(app, home)[0] == 1


def test_hooks_path_of_all_repositories_is_refused(app: Path, home: Path):
    git(app, "config", "--global", "core.hooksPath", "/somewhere", env=environ(home))
    with pytest.raises(UsageProblem, match="in your global git configuration"):
        hooks.find(app, environ(home))


def test_hook_that_was_there_runs_first_and_decides(app: Path, home: Path):
    old = app / ".git/hooks/pre-commit"
    old.parent.mkdir(exist_ok=True)
    old.write_text('#!/bin/sh\necho "old: $*"\n[ ! -e "$HOME/no" ] || exit 7\n')
    old.chmod(0o755)
    installed(app, home)
    write(app, {"lib/a.ex": "two"})
    git(app, "add", "--all")
    (home / "no").touch()
    code, said = commit(app, home)
    assert code != 0
    assert "old:" in said
    assert calls(home) == []
    (home / "no").unlink()
    assert commit(app, home)[0] == 0
    assert "format" in calls(home)


@pytest.mark.parametrize("mode", [0o755, 0o644, 0o700])
def test_uninstall_restores_exactly_what_was_there(app: Path, home: Path, mode: int):
    directory = app / ".git/hooks"
    directory.mkdir(exist_ok=True)
    (directory / "pre-commit").write_text("#!/bin/sh\nexit 0\n")
    (directory / "pre-commit").chmod(mode)

    def state() -> dict[str, tuple[int, bytes]]:
        return {p.name: (p.lstat().st_mode, p.read_bytes()) for p in directory.iterdir()}

    before = state()
    place = installed(app, home)
    once = state()
    assert once != before
    assert hooks.install(place, Path(sys.executable), PROJECT).startswith("renewed ")
    assert state() == once
    hooks.uninstall(place)
    assert state() == before
    assert "nothing to do" in hooks.uninstall(place)
    assert state() == before


def test_uninstall_leaves_nothing_where_nothing_was_and_a_link_a_link(app: Path, home: Path):
    place = installed(app, home)
    hooks.uninstall(place)
    assert not place.hook.exists()
    place.hook.symlink_to("../gone")
    installed(app, home)
    hooks.uninstall(place)
    assert place.hook.readlink() == Path("../gone")


def test_hook_somebody_put_over_ours_is_not_lost(app: Path, home: Path):
    place = hooks.find(app, environ(home))
    place.directory.mkdir(exist_ok=True)
    place.hook.write_text("first")
    installed(app, home)
    place.hook.write_text("second")
    with pytest.raises(UsageProblem, match="is not ours"):
        installed(app, home)
    with pytest.raises(UsageProblem, match="waits to be put back"):
        hooks.uninstall(place)
    assert (place.hook.read_text(), place.before.read_text()) == ("second", "first")


def test_hook_without_its_python_says_so_in_one_line(app: Path, home: Path):
    place = hooks.find(app, environ(home))
    hooks.install(place, Path("/gone/bin/python"), PROJECT)
    write(app, {"lib/a.ex": "two"})
    git(app, "add", "--all")
    code, said = commit(app, home)
    assert code == 1
    assert said.startswith("qusto hook: /gone/bin/python is gone: ")
    assert said.count("\n") == 1


def test_names_with_spaces_and_quotes_are_no_trouble(tmp_path: Path, home: Path):
    top = repository(tmp_path / "it's a repo", {"my app/mix.exs": "", "my app/lib/a.ex": ""})
    installed(top / "my app", home)
    write(top, {"my app/lib/a.ex": "BAD"})
    git(top, "add", "--all")
    assert commit(top, home)[0] == 1


def test_branch_without_the_application_can_be_committed_to(app: Path, home: Path):
    installed(app, home)
    git(app, "rm", "--quiet", "mix.exs")
    assert commit(app, home)[0] == 0
    assert calls(home) == []


def test_no_repository_is_a_usage_problem(tmp_path: Path):
    with pytest.raises(UsageProblem, match="not a git repository"):
        hooks.find(tmp_path, isolated(tmp_path))


def test_two_applications_of_one_repository_are_both_served(tmp_path: Path, home: Path):
    names = ("mix.exs", "lib/a.ex", "test/a_test.exs")
    files = {f"{app}/{name}": "" for app in ("web", "my api") for name in names}
    top = repository(tmp_path / "top", files)
    place = installed(top / "web", home)
    once = place.hook.read_bytes()
    assert "also serves web" in hooks.install(
        hooks.find(top / "my api", environ(home)), Path(sys.executable), PROJECT
    )
    installed(top / "web", home)  # again
    for app in ("web", "my api"):
        write(top, {f"{app}/lib/a.ex": "BAD"})
        git(top, "add", "--all")
        assert commit(top, home)[0] != 0, app
        write(top, {f"{app}/lib/a.ex": "good"})
        git(top, "add", "--all")
        code, said = commit(top, home)
        assert code == 0, said
    said = hooks.uninstall(hooks.find(top / "my api", environ(home)))
    assert said.endswith("no longer serves my api; it stays for web")
    assert place.hook.read_bytes() == once
    assert "nothing to do" in hooks.uninstall(hooks.find(top / "my api", environ(home)))
    hooks.uninstall(place)
    assert not place.hook.exists()


OLD_HOOK = """#!/bin/sh
# qusto: written by `inv hooks.install`, taken away by `inv hooks.uninstall`
# Runs what `inv check --hook` runs. docs/hooks.md in /it's/there explains it.
python='/it'"'"'s/python'
app='my api'
exec "$python" -S '/it'"'"'s/there/pipeline/quick.py' "$app"
"""


def test_hook_of_an_earlier_version_goes_on_serving_its_application(app: Path, home: Path):
    place = hooks.find(app, environ(home))
    place.directory.mkdir(exist_ok=True)
    place.hook.write_text(OLD_HOOK)
    assert "also serves my api" in hooks.install(place, Path(sys.executable), PROJECT)
    assert "check '/it'\"'\"'s/python' '/it'\"'\"'s/there' 'my api' ||" in place.hook.read_text()


@pytest.mark.parametrize("directory", [".githooks", ".husky"])
def test_hooks_that_everybody_shares_are_left_alone_and_a_line_is_offered(
    app: Path, home: Path, directory: str
):
    team = "#!/bin/sh\necho team\n"
    write(app, {f"{directory}/pre-commit": team, f"{directory}/_/.gitignore": "*"})
    (app / directory / "pre-commit").chmod(0o755)
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--no-verify", "--message=hooks")
    husky = directory == ".husky"
    git(app, "config", "core.hooksPath", f"{directory}/_" if husky else directory)
    if husky:  # what `husky` writes there
        write(app, {".husky/_/pre-commit": '#!/bin/sh\nsh -e "${0%/_/*}/pre-commit"\n'})
        (app / ".husky/_/pre-commit").chmod(0o755)
    with pytest.raises(UsageProblem, match="belongs to the repository") as caught:
        installed(app, home)
    assert str(PROJECT) not in str(caught.value.remedy).partition(", and run once")[0]
    assert git(app, "status", "--porcelain").stdout == ""
    # The line does what it is for, on a machine that has the tool and on one that has not.
    line = caught.value.remedy.partition("pre-commit: ")[2].partition(", and run once")[0]
    write(app, {f"{directory}/pre-commit": f"{team}{line}\n", "lib/a.ex": "BAD"})
    git(app, "add", "--all")
    git(app, "config", "qusto.project", str(PROJECT))
    code, said = commit(app, home)
    assert (code != 0, "team" in said) == (True, True), said
    git(app, "config", "--unset", "qusto.project")
    assert commit(app, home)[0] == 0


def test_relative_hooks_path_for_all_repositories_is_a_directory_of_this_one(app: Path, home: Path):
    git(app, "config", "--global", "core.hooksPath", "hooks", env=environ(home))
    assert installed(app, home).directory == app / "hooks"


def test_git_directory_that_only_the_environment_names(tmp_path: Path, home: Path):
    app = repository(tmp_path / "app", {"mix.exs": "", "lib/a.ex": "", "test/a_test.exs": ""})
    (app / ".git").rename(tmp_path / "elsewhere")
    env = {**environ(home), "GIT_DIR": str(tmp_path / "elsewhere"), "GIT_WORK_TREE": str(app)}
    hooks.install(hooks.find(app, env), Path(sys.executable), PROJECT)
    for text, code in (("BAD", 1), ("good", 0)):
        write(app, {"lib/a.ex": text})
        git(app, "add", "--all", env=env)
        ended = git(app, "commit", "--message=next", env=env, ok=False)
        assert ended.returncode == code, ended.stdout + ended.stderr


def test_application_in_a_submodule(tmp_path: Path, home: Path):
    inner = repository(tmp_path / "inner", {"mix.exs": "", "lib/a.ex": "", "test/a_test.exs": ""})
    top = repository(tmp_path / "top", {"a": ""})
    allowed = ("-c", "protocol.file.allow=always")
    git(top, *allowed, "submodule", "--quiet", "add", str(inner), "web")
    git(top, "commit", "--quiet", "--message=submodule")
    place = installed(top / "web", home)
    assert place.directory == top / ".git/modules/web/hooks"
    write(top / "web", {"lib/a.ex": "BAD"})
    git(top / "web", "add", "--all")
    assert commit(top / "web", home)[0] == 1
    write(top / "web", {"lib/b.ex": "BAD, and not staged", "lib/a.ex": "good"})
    git(top / "web", "add", "lib/a.ex")
    code, said = commit(top / "web", home)
    assert code == 0, said


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_remedy_of_git_for_a_directory_of_somebody_else_is_passed_on(app: Path, home: Path):
    os.chown(app, 12345, 12345)
    os.chown(app / ".git", 12345, 12345)
    with pytest.raises(UsageProblem, match="dubious ownership") as caught:
        hooks.find(app, environ(home))
    advice = f"git config --global --add safe.directory {app}"
    assert advice in str(caught.value)
    (finding,) = (f for f in doctor.examine(app, environ(home)) if f.subject == "git")
    assert finding.state is doctor.State.PROBLEM
    assert advice in finding.text


def test_application_without_any_test_file_is_not_held_up_by_its_tests(tmp_path: Path, home: Path):
    app = repository(tmp_path / "app", {"mix.exs": "", "lib/a.ex": "one", ".gitignore": "_build\n"})
    installed(app, home)
    write(app, {"lib/a.ex": "two", "test/first_test.exs": ""})
    git(app, "add", "lib")
    code, said = commit(app, home)
    assert (code, "the application has no test files" in said) == (0, True), said
    assert "test" not in calls(home)
    git(app, "add", "test")
    assert commit(app, home)[0] == 0
    # Who removes the last one is asked whether that is meant.
    git(app, "rm", "--quiet", "test/first_test.exs")
    code, said = commit(app, home)
    assert (code, "no test file: nothing would be tested" in said) == (1, True), said


def test_commit_in_an_umbrella_names_the_way_out(tmp_path: Path, home: Path):
    files = {"mix.exs": 'apps_path: "apps"', "apps/a/mix.exs": "", "apps/a/test/a_test.exs": ""}
    app = repository(tmp_path / "app", {**files, ".gitignore": "_build\n"})
    installed(app, home)
    write(app, {"apps/a/test/a_test.exs": "# two"})
    code, said = commit(app, home, "--all")
    assert code == 1
    said = " ".join(said.split())
    assert "an umbrella" in said
    assert "inv hooks.install --app apps/a" in said


def by_runner(app: Path, home: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Start what pre-commit and prek start, outside of `git commit`."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "pipeline.commit"],
        cwd=app,
        env={**environ(home), "PRE_COMMIT": "1", **more},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_runner_outside_of_a_commit_checks_every_row(app: Path, home: Path):
    write(app, {"lib/a.ex": "BAD"})
    git(app, "commit", "--quiet", "--all", "--message=bad")
    ended = by_runner(app, home)
    assert ended.returncode == 1, ended.stdout
    assert {"format", "test"} <= set(calls(home))
    # In `git commit` the index is what is asked about.
    ended = by_runner(app, home, GIT_INDEX_FILE=str(app / ".git/index"))
    assert (ended.returncode, "nothing to do" in ended.stdout) == (0, True)


def test_runner_with_a_range_checks_the_rows_of_the_range_on_its_end(app: Path, home: Path):
    write(app, {"priv/data": "two"})
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--message=data")
    write(app, {"lib/a.ex": "BAD"})
    git(app, "commit", "--quiet", "--all", "--message=bad")
    bad = git(app, "rev-parse", "HEAD").stdout.strip()
    write(app, {"lib/a.ex": "good"})
    git(app, "commit", "--quiet", "--all", "--message=good")

    def ranged(old: str, new: str) -> "subprocess.CompletedProcess[str]":
        (home / "calls").write_text("")
        return by_runner(app, home, PRE_COMMIT_FROM_REF=old, PRE_COMMIT_TO_REF=new)

    ended = ranged("HEAD~3", "HEAD~2")
    assert (ended.returncode, set(calls(home))) == (0, {"compile", "test"})
    ended = ranged("HEAD~2", bad)
    assert ended.returncode == 1
    assert "not as in the commit: lib/a.ex; a copy of the commit is checked" in ended.stderr
    assert ranged("HEAD~2", "HEAD").returncode == 0
    ended = ranged("gone", "HEAD")  # a shallow clone
    assert ended.returncode == 0
    assert "format" in calls(home) or "reused" in ended.stdout
