"""The manifest for pre-commit and prek: the keys they know, and a program that is there.

Seen by hand on 2026-11-23: both pre-commit 4.7.0 and prek 0.5.11 set up the script's .venv in
their clone and let a good commit pass; pre-commit was also seen to block a badly formatted one.
"""

import os

from invoke.vendor.yaml import safe_load

from pipeline.settings import PROJECT

# https://pre-commit.com/#creating-new-hooks
KNOWN = """
id name entry language files exclude types types_or exclude_types always_run fail_fast verbose
pass_filenames require_serial description language_version minimum_pre_commit_version args stages
additional_dependencies
"""


def test_manifest_has_the_keys_that_are_required_and_none_that_is_unknown():
    hooks = safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["qusto-check"]
    for hook in hooks:
        assert {"id", "name", "entry", "language"} <= set(hook) <= set(KNOWN.split())


def test_entry_is_a_program_of_this_repository_that_asks_git_itself():
    (hook,) = safe_load((PROJECT / ".pre-commit-hooks.yaml").read_text())
    assert hook["language"] == "script"
    assert os.access(PROJECT / hook["entry"], os.X_OK)
    assert hook["pass_filenames"] is False
    assert hook["always_run"] is True
