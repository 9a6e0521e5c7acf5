"""What git says of the work tree: ids that follow the content, and nothing is written."""

from pathlib import Path

import pytest

from pipeline.checks import repository as repositories
from pipeline.checks import worktree
from pipeline.checks.worktree import UNKNOWABLE, NoTree, Tree

from ..repositories import git, isolated, repository, write


def read(app: Path, **environ: str) -> Tree:
    tree = worktree.read(app, isolated(app, **environ))
    assert isinstance(tree, Tree), tree
    return tree


@pytest.fixture
def app(tmp_path: Path) -> Path:
    return repository(tmp_path / "app", {"mix.exs": "m", "lib/a.ex": "a", ".gitignore": "_build\n"})


def test_every_file_that_is_not_ignored_has_the_id_git_would_give_it(app: Path):
    write(app, {"lib/a.ex": "changed", "lib/ü b.ex": "new", "_build/x": "ignored", "lib/c": "c"})
    git(app, "add", "lib/c")
    tree = read(app)
    assert set(tree.ids) == {"mix.exs", "lib/a.ex", "lib/ü b.ex", ".gitignore", "lib/c"}
    for path, value in tree.ids.items():
        assert value == f"100644 {git(app, 'hash-object', path).stdout.strip()}"


def test_staging_and_committing_change_no_id(app: Path):
    write(app, {"lib/a.ex": "changed", "lib/new.ex": "new"})
    (app / "link").symlink_to("lib/a.ex")
    (app / "run").write_text("#!/bin/sh\n")
    (app / "run").chmod(0o755)
    loose = read(app).ids
    git(app, "add", "--all")
    staged = read(app).ids
    git(app, "commit", "--quiet", "--message=second")
    assert loose == staged == read(app).ids
    assert loose["link"].startswith("120000 ")
    assert loose["run"].startswith("100755 ")


def test_touch_changes_nothing_and_a_mode_does(app: Path):
    before = read(app).ids
    (app / "lib/a.ex").touch()
    assert read(app).ids == before
    (app / "lib/a.ex").chmod(0o755)
    assert read(app).ids != before


def test_deleted_file_is_gone_staged_or_not(app: Path):
    (app / "lib/a.ex").unlink()
    assert "lib/a.ex" not in read(app).ids
    git(app, "rm", "--quiet", "--cached", "lib/a.ex")
    assert "lib/a.ex" not in read(app).ids


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_change_that_git_was_told_to_overlook_is_seen(app: Path, flag: str):
    git(app, "update-index", flag, "lib/a.ex")
    before = read(app).ids
    write(app, {"lib/a.ex": "changed behind git's back"})
    assert git(app, "status", "--porcelain").stdout == ""
    assert read(app).ids["lib/a.ex"] != before["lib/a.ex"]


def test_content_of_a_repository_within_is_not_known(app: Path):
    repository(app / "vendor/inner", {"a": "a"})
    assert read(app).ids["vendor/inner"] == UNKNOWABLE


def test_changed_submodule_is_not_known_and_a_clean_one_is(app: Path, tmp_path: Path):
    inner = repository(tmp_path / "inner", {"a": "a"})
    git(app, "-c", "protocol.file.allow=always", "submodule", "add", "--quiet", str(inner), "sub")
    git(app, "commit", "--quiet", "--message=submodule")
    assert read(app).ids["sub"].startswith("160000 ")
    write(app, {"sub/a": "changed"})
    assert read(app).ids["sub"] == UNKNOWABLE


def test_application_below_the_top_has_paths_of_its_own(tmp_path: Path):
    top = repository(tmp_path / "top", {"web/mix.exs": "m", "web/lib/a.ex": "a", "other/b": "b"})
    write(top, {"web/lib/a.ex": "changed", "other/b": "changed", "web/new": "n"})
    tree = read(top / "web")
    assert set(tree.ids) == {"mix.exs", "lib/a.ex", "new", "../other/b"}
    assert tree.loose == ("../other/b", "lib/a.ex", "new")


def test_partly_staged_is_told_from_staged_and_from_loose(app: Path):
    write(app, {"lib/a.ex": "one", "lib/b.ex": "staged", "lib/c.ex": "untracked"})
    git(app, "add", "lib/a.ex", "lib/b.ex")
    write(app, {"lib/a.ex": "two", "mix.exs": "loose"})
    tree = read(app)
    assert tree.staged == ("lib/a.ex", "lib/b.ex")
    assert tree.partly == ("lib/a.ex",)
    assert tree.loose == ("lib/a.ex", "lib/c.ex", "mix.exs")


def test_linked_work_tree_has_files_and_a_git_directory_of_its_own(app: Path, tmp_path: Path):
    git(app, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    write(linked, {"lib/a.ex": "other"})
    assert read(linked).ids != read(app).ids
    assert repositories.git_dir(str(linked)) == str(app / ".git/worktrees/linked")
    assert repositories.git_dir(str(app)) == str(app / ".git")


def test_hook_variables_do_not_lead_astray(app: Path, tmp_path: Path):
    other = repository(tmp_path / "other", {"x": "x"})
    plain = read(app)
    assert read(app, GIT_DIR=str(other / ".git"), GIT_WORK_TREE=str(other)) == plain
    git(app, "rm", "--quiet", "--cached", "lib/a.ex")
    assert read(app, GIT_INDEX_FILE=str(app / ".git/index")).staged == ("lib/a.ex",)


def test_reading_leaves_the_index_as_it_was(app: Path):
    (app / "lib/a.ex").touch()  # git status alone would refresh the index now
    before = (app / ".git/index").read_bytes()
    read(app)
    assert (app / ".git/index").read_bytes() == before


def test_no_repository_is_an_answer(tmp_path: Path):
    found = worktree.read(tmp_path, isolated(tmp_path))
    assert isinstance(found, NoTree)
    assert "not a git repository" in found.reason
    found = worktree.read(tmp_path, {"PATH": "/nowhere"})
    assert found == NoTree("git is not installed")
