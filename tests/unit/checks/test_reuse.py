"""Which passes may stand for another run: the same question, nothing else."""

import os
import string
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.checks import circumstances, passes, reuse, table, worktree
from pipeline.checks.check import Check
from pipeline.checks.passes import Pass, Record
from pipeline.checks.plan import Planned
from pipeline.checks.reuse import Memory
from pipeline.checks.verdicts import Judgement, Outcome, Verdict, skipped
from pipeline.checks.worktree import NoTree, Tree

from ..repositories import git, isolated, repository, write

BUILD = Check("build", "", ("mix", "build"), ("mix.exs", "lib/**"), writes=("made",))
LOOK = Check("look", "", ("mix", "look"), ("lib/**", "test/**"), mix_env="test")
DEEP = Check("deep", "", ("mix", "deep"), ("deep/**",), needs=("build",))
ROWS = (BUILD, LOOK, DEEP)
FILES = {"mix.exs": "m", "lib/a.ex": "a", "test/t.exs": "t", "deep/d": "d", "README.md": "r"}


@pytest.fixture
def app(tmp_path: Path) -> Path:
    app = repository(tmp_path / "app", {**FILES, ".gitignore": "made\n_build\nbin\n"})
    write(app, {"bin/mix": "#!/bin/sh\n", "made/one": "made"})
    (app / "bin/mix").chmod(0o755)
    age(app)
    return app


def age(app: Path) -> None:
    """Let the clock go on, so that nothing here was written while a run lasts."""
    time.sleep(2 * reuse.CLOCK)


def environ(app: Path, **more: str) -> dict[str, str]:
    return isolated(app.parent, **{"PATH": f"{app}/bin:{os.environ['PATH']}", **more})


def recall(app: Path, rows: Sequence[Check] = ROWS, **more: str) -> Memory:
    memory = reuse.recall(app, rows, environ(app, **more))
    assert isinstance(memory, Memory), memory
    return memory


def ran(app: Path, rows: Sequence[Check] = ROWS, **verdicts: Verdict) -> str:
    """Run the rows in imagination and put the passes on record."""
    memory = recall(app, rows)
    return finish(memory, rows, **verdicts)


def finish(memory: Memory, rows: Sequence[Check] = ROWS, **verdicts: Verdict) -> str:
    outcomes = [Outcome(row.name, verdicts.get(row.name, Verdict.PASSED), "well") for row in rows]
    return reuse.remember(memory, outcomes, rows, environ(memory.app))


def reused(
    app: Path, rows: Sequence[Check] = ROWS, now: float | None = None, **more: str
) -> set[str]:
    memory = recall(app, rows, **more)
    settled = reuse.settle([Planned(row) for row in rows], memory, now=now)
    return {row.check.name for row in settled if row.settled}


def why(app: Path, row: Check, rows: Sequence[Check] = ROWS, **more: str) -> str:
    return reuse.explain(Planned(row), recall(app, rows, **more))


def test_pass_is_reused_while_nothing_changes(app: Path):
    assert reused(app) == set()
    assert ran(app) == ""
    assert reused(app) == {"build", "look", "deep"}


def test_reused_says_from_when_and_what_it_said(app: Path):
    ran(app)
    memory = recall(app)
    (row,) = reuse.settle([Planned(LOOK)], memory)
    when = memory.records["look"].passes[0].when
    assert row.settled is not None
    assert row.settled.verdict is Verdict.REUSED
    assert row.settled.reason == f"from {time.strftime('%H:%M:%S', time.localtime(when))}, well"
    (row,) = reuse.settle([Planned(LOOK)], memory, now=when + 3 * 86400)
    assert row.settled is not None
    assert row.settled.reason.startswith(time.strftime("from %Y-%m-%d ", time.localtime(when)))


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("lib/a.ex", set()),
        ("lib/new.ex", set()),
        ("test/t.exs", {"build", "deep"}),
        ("mix.exs", {"look"}),  # deep too: it needs build, whose question is another now
        ("README.md", {"build", "look", "deep"}),
        ("_build/ignored", {"build", "look", "deep"}),
    ],
)
def test_change_of_an_input_asks_anew_in_every_state_of_it(app: Path, path: str, left: set[str]):
    ran(app)
    write(app, {path: "changed"})
    assert reused(app) == left
    git(app, "add", "--all")
    assert reused(app) == left
    git(app, "commit", "--quiet", "--allow-empty", "--message=second")
    assert reused(app) == left


def test_what_was_checked_before_staging_and_committing_is_reused_after(app: Path):
    write(app, {"lib/a.ex": "changed", "lib/new.ex": "new"})
    age(app)
    ran(app)
    git(app, "add", "--all")
    assert reused(app) == {"build", "look", "deep"}
    git(app, "commit", "--quiet", "--message=second")
    assert reused(app) == {"build", "look", "deep"}


def test_going_back_to_what_has_passed_finds_its_pass_again(app: Path):
    ran(app)
    write(app, {"lib/a.ex": "changed"})
    age(app)
    ran(app)
    write(app, {"lib/a.ex": "a"})
    assert reused(app) == {"build", "look", "deep"}


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN, Verdict.SKIPPED])
def test_only_a_pass_is_put_on_record(app: Path, verdict: Verdict):
    ran(app, look=verdict)
    assert reused(app) == {"build", "deep"}


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.UNKNOWN])
def test_later_failure_takes_the_pass_of_the_same_question_back(app: Path, verdict: Verdict):
    ran(app)
    ran(app, look=verdict)
    assert reused(app) == {"build", "deep"}


def test_input_that_changes_during_the_run_spoils_the_pass(app: Path):
    memory = recall(app)
    write(app, {"test/t.exs": "changed"})
    finish(memory)
    assert reused(app) == {"build", "deep"}


def test_input_that_appears_during_the_run_spoils_the_pass(app: Path):
    memory = recall(app)
    write(app, {"test/new.exs": "new"})
    finish(memory)
    (app / "test/new.exs").unlink()
    assert reused(app) == {"build", "deep"}


def test_input_that_is_changed_and_put_back_during_the_run_spoils_the_pass(app: Path):
    memory = recall(app)
    write(app, {"test/t.exs": "changed"})
    write(app, {"test/t.exs": "t"})
    finish(memory)
    assert reused(app) == {"build", "deep"}


def test_pass_of_a_writer_needs_what_it_wrote(app: Path):
    ran(app)
    (app / "made/one").unlink()
    assert reused(app) == {"look", "deep"}
    assert why(app, BUILD) == "run: made has changed since it passed"


def test_what_others_did_to_the_product_of_a_reused_row_in_a_run_is_no_change(app: Path):
    ran(app)
    memory = recall(app)
    write(app, {"made/one": "by look, in the same run"})
    finish(memory, build=Verdict.REUSED)
    assert reused(app) == {"build", "look", "deep"}


def test_change_of_command_tools_variables_and_packages_asks_anew(app: Path):
    ran(app)
    assert reused(app, (replace(LOOK, argv=("mix", "look", "closer")),)) == set()
    assert reused(app, (replace(LOOK, mix_env="ce_test"),)) == set()
    assert reused(app, (replace(LOOK, rules="quiet_tests = True"),)) == set()
    assert reused(app, (LOOK,), MIX_TARGET="rpi") == set()
    assert reused(app, (LOOK,), WINDOWID="7", GIT_EDITOR="vi") == {"look"}
    assert reused(app, (LOOK,), FEATURE_X="on") == set()
    assert reused(app, (LOOK,), PATH=os.environ["PATH"]) == set()
    write(app, {"bin/mix": "#!/bin/sh\n# a new version\n"})
    assert reused(app, (LOOK,)) == set()


def test_file_in_the_directory_of_secrets_matters(app: Path, tmp_path: Path):
    write(tmp_path, {"secrets/LIMIT": "1"})
    where: dict[str, Any] = {"CONFIG_DIR": str(tmp_path / "secrets")}
    memory = recall(app, (LOOK,), **where)
    reuse.remember(memory, [Outcome("look", Verdict.PASSED)], [LOOK], environ(app, **where))
    assert reused(app, (LOOK,), **where) == {"look"}
    write(tmp_path, {"secrets/LIMIT": "10"})
    assert reused(app, (LOOK,), **where) == set()


def test_source_that_git_ignores_matters_where_it_is_compiled(app: Path):
    write(app, {".gitignore": "made\n_build\nbin\n/lib/generated\n*.gen.ex\n"})
    write(app, {"lib/generated/a.ex": "1", "test/b.gen.ex": "1", "_build/x.ex": "1"})
    age(app)
    ran(app)
    write(app, {"_build/x.ex": "2"})
    assert reused(app) == {"build", "look", "deep"}
    write(app, {"test/b.gen.ex": "2"})
    assert reused(app) == {"build", "deep"}
    write(app, {"test/b.gen.ex": "1", "lib/generated/new.ex": "1"})
    assert reused(app) == set()
    assert why(app, LOOK) == "run: changed: lib/generated/new.ex"


def test_package_without_a_record_is_known_by_its_packages(tmp_path: Path):
    package = tmp_path / "assets/node_modules"
    write(package, {"a/package.json": "1", "@b/c/package.json": "1"})
    before = circumstances.installed(str(tmp_path), "assets")
    write(package, {"@b/c/package.json": "22"})
    assert circumstances.installed(str(tmp_path), "assets") != before
    write(package, {".modules.yaml": "1"})
    before = circumstances.installed(str(tmp_path), "assets")
    write(package, {"@b/c/package.json": "333"})
    assert circumstances.installed(str(tmp_path), "assets") == before


def test_value_of_a_variable_is_not_written_down(app: Path):
    memory = recall(app, DATABASE_URL="postgres://u:sesame@h/db")
    reuse.remember(memory, [Outcome("look", Verdict.PASSED)], [LOOK], environ(app))
    place = worktree.records(app)
    assert place is not None
    assert not [p for p in place.rglob("*") if p.is_file() and b"sesame" in p.read_bytes()]


def test_answer_of_the_network_is_reused_up_to_its_age_only(app: Path):
    never, hour = replace(LOOK, reuse_for=0.0), replace(LOOK, reuse_for=3600.0)
    ran(app)
    now = time.time()
    assert reused(app, (never,), now=now) == set()
    assert reused(app, (hour,), now=now + 3500) == {"look"}
    assert reused(app, (hour,), now=now + 3700) == set()
    # A clock that was set back.
    assert reused(app, (hour,), now=now - 100) == set()
    assert "never reused" in why(app, never, (never,))
    assert why(app, hour, (hour,)).endswith(", asked again after an hour")


def test_unknowable_input_is_never_reused(app: Path):
    repository(app / "lib/inner", {"x": "x"})
    age(app)
    ran(app)
    assert reused(app) == set()
    assert why(app, LOOK) == "run: git does not know the content of lib/inner"


def test_package_from_outside_the_application_cannot_be_vouched_for(app: Path):
    write(app, {"mix.exs": '[{:shared, path: "../shared"}]'})
    age(app)
    ran(app)
    assert reused(app) == set()
    assert why(app, LOOK).endswith("from outside of the repository: ../shared")
    write(app, {"mix.exs": '[{:shared, path: "lib/../lib"}]'})
    age(app)
    ran(app)
    assert reused(app) == {"build", "look", "deep"}


@pytest.mark.parametrize("path", ["README.md", "../proto/x.proto", "assets/js/f.json", "docs/a.md"])
def test_any_file_of_the_repository_matters_to_the_tests(tmp_path: Path, path: str):
    top = repository(tmp_path / "top", {"web/mix.exs": "", "proto/x.proto": "1"})
    app, row = top / "web", table.testing("test", "compile")
    write(app, {"README.md": "1", "assets/js/f.json": "1", "docs/a.md": "1"})
    age(app)
    ran(app, (row,))
    assert reused(app, (row,)) == {"test"}
    write(app, {path: "2"})
    assert reused(app, (row,)) == set()
    assert why(app, row, (row,)) == f"run: changed: {path}"


def test_pass_of_the_tests_is_reused_for_a_day_and_says_so(app: Path):
    row = table.testing("test", "compile")
    ran(app, (row,))
    assert why(app, row, (row,)).endswith(", well, asked again after 24 hours")
    assert reused(app, (row,), now=time.time() + 86500) == set()


def test_why_names_what_has_changed(app: Path):
    assert why(app, LOOK) == "run: has not passed here yet"
    ran(app)
    assert why(app, LOOK).startswith("reused: from ")
    assert why(app, LOOK, MIX_TARGET="rpi") == "run: changed: the variable MIX_TARGET"
    write(app, {"lib/b.ex": "b"})
    assert why(app, LOOK) == "run: changed: lib/b.ex"
    assert why(app, DEEP) == "run: changed: the check build"
    write(app, {f"test/{name}": name for name in "abcd"})
    assert why(app, LOOK) == "run: changed: lib/b.ex, test/a, test/b and 2 more"
    settled = Planned(LOOK, skipped("left out by --skip"))
    assert reuse.explain(settled, recall(app)) == "skipped: left out by --skip"


def test_row_that_is_settled_stays_as_it_is(app: Path):
    ran(app)
    row = Planned(LOOK, Judgement(Verdict.UNKNOWN, "no tool"))
    assert reuse.settle([row], recall(app)) == [row]


def test_records_are_out_of_sight_and_bounded(app: Path):
    for number in range(passes.KEPT + 3):
        write(app, {"test/t.exs": f"{number}"})
        age(app)
        ran(app, (LOOK,))
    place = worktree.records(app)
    assert place is not None
    assert len(passes.load(place, "look").passes) == passes.KEPT
    assert [path.name for path in place.iterdir()] == ["look.json"]
    git(app, "add", "--all")
    git(app, "commit", "--quiet", "--message=second")
    assert git(app, "status", "--porcelain", "--ignored").stdout.split() == [
        *("!!", "bin/", "!!", "made/")
    ]


def test_spoiled_record_counts_as_none(app: Path):
    ran(app)
    place = worktree.records(app)
    assert place is not None
    (place / "look.json").write_text('{"passes": [{')
    assert reused(app) == {"build", "deep"}
    ran(app)
    assert reused(app) == {"build", "look", "deep"}


def test_record_that_cannot_be_written_is_said(app: Path):
    (app / ".git/qusto").write_text("in the way")
    assert ran(app).startswith("the passes cannot be put on record in ")


def test_linked_work_tree_has_passes_of_its_own(app: Path, tmp_path: Path):
    ran(app)
    git(app, "worktree", "add", "--quiet", str(tmp_path / "linked"))
    place = worktree.records(tmp_path / "linked")
    assert place == app / ".git/worktrees/linked/qusto/passes/_top"


def test_two_applications_of_one_repository_have_passes_of_their_own(tmp_path: Path):
    top = repository(tmp_path / "top", {"a/mix.exs": "m", "b/c/mix.exs": "m"})
    assert {worktree.records(top / "a"), worktree.records(top / "b/c")} == {
        top / ".git/qusto/passes/a",
        top / ".git/qusto/passes/b_c",
    }


def test_nothing_is_reused_without_git(tmp_path: Path):
    found = reuse.recall(tmp_path, ROWS, isolated(tmp_path))
    assert found == NoTree("the application is in no git work tree")


def test_application_that_its_repository_ignores_is_not_vouched_for(tmp_path: Path):
    top = repository(tmp_path / "top", {".gitignore": "/app\n"})
    write(top, {f"app/{name}": text for name, text in FILES.items()})
    found = reuse.recall(top / "app", ROWS, isolated(tmp_path))
    assert found == NoTree("git ignores the application")


NAME = st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=3)
TREE = st.dictionaries(
    st.tuples(st.sampled_from(["lib", "test", "docs"]), NAME).map("/".join),
    st.binary(min_size=1, max_size=4).map(bytes.hex),
    max_size=6,
)


def keys(ids: Mapping[str, str]) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as name:
        app = Path(name)
        write(app, {"mix.exs": ""})
        found = reuse.ask(app, ROWS, Tree(ids, (), (), ()), {"PATH": ""})
    return {name: question.key for name, question in found.items()}


@settings(deadline=None)
@given(TREE, TREE)
def test_key_of_a_row_is_the_same_exactly_when_its_inputs_are(
    one: dict[str, str], two: dict[str, str]
):
    first, second = keys(one), keys(two)
    for row, places in (("build", ("lib/",)), ("look", ("lib/", "test/")), ("deep", ("lib/",))):
        a, b = ({k: v for k, v in ids.items() if k.startswith(places)} for ids in (one, two))
        assert (first[row] == second[row]) == (a == b), row


@settings(deadline=None)
@given(st.permutations(sorted(FILES)))
def test_key_does_not_hang_on_the_order_of_files(names: list[str]):
    assert keys({name: FILES[name] for name in names}) == keys(FILES)


@given(st.lists(st.tuples(NAME, st.floats(0, 1e10)), max_size=40))
def test_record_holds_each_key_once_and_the_newest_first(given_passes: list[tuple[str, float]]):
    record = Record()
    for key, when in given_passes:
        record = passes.with_pass(record, Pass(key, when), {}, {})
    known = [one.key for one in record.passes]
    assert len(known) == len(set(known)) <= passes.KEPT
    assert known[:1] == [key for key, _ in given_passes[-1:]]
