"""The check table: complete, and free of references to rows that are not there."""

import math
from graphlib import TopologicalSorter

from pipeline.checks import glance, hook
from pipeline.checks.check import Group
from pipeline.checks.table import CHECKS

NAMES = [check.name for check in CHECKS]


def test_every_check_of_the_contract_is_there_once():
    contract = (
        "format credo dialyzer unused-deps deps-audit sobelow compile typecheck lint npm-format "
        "npm-test types tracker-lint tracker-format tracker test"
    )
    assert set(contract.split()) <= set(NAMES)
    assert len(NAMES) == len(set(NAMES))


def test_needs_and_order_name_rows_and_have_no_circle():
    graph = {check.name: {*check.needs, *check.after} for check in CHECKS}
    assert set().union(*graph.values()) <= set(NAMES)
    list(TopologicalSorter(graph).static_order())


def test_whoever_uses_a_build_waits_for_the_row_that_writes_it():
    writers = {
        check.mix_env: check.name for check in CHECKS if f"_build/{check.mix_env}" in check.writes
    }
    for check in CHECKS:
        # unused-deps reads mix.lock alone.
        if check.argv[0] == "mix" and check.name not in (*writers.values(), "unused-deps"):
            assert writers[check.mix_env] in (*check.needs, *check.after), check.name


def test_hook_rows_are_the_three_of_the_document_and_the_npm_packages():
    hook = [check for check in CHECKS if Group.HOOK in check.groups]
    assert [check.name for check in hook if not check.package] == ["format", "credo", "test"]
    assert [check for check in CHECKS if check.package and check not in hook] == []


def test_answer_that_hangs_on_the_network_or_the_date_has_an_age():
    ages = {check.name: check.reuse_for for check in CHECKS if check.reuse_for != math.inf}
    assert ages == {"deps-audit": 3600, "test": 86400, "npm-test": 86400}


def test_command_can_be_pasted_into_a_shell():
    commands = {check.name: check.command for check in CHECKS}
    assert commands["format"] == "MIX_ENV=test mix format --check-formatted"
    assert commands["lint"] == "npm run lint --prefix ./assets"


def test_commit_of_elixir_alone_chooses_no_row_that_needs_node():
    chosen = glance.select(hook.inputs(CHECKS), ["lib/a.ex", "README.md"])
    assert not [check.name for check in CHECKS if check.package and check.name in chosen]
    assert "npm-test" in glance.select(hook.inputs(CHECKS), ["assets/js/a.ts"])
    assert "types" in glance.select(hook.inputs(CHECKS), ["priv/json-schemas/a.json"])
