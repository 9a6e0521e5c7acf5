"""Which paths are the inputs of a row."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.checks.globs import matcher, may_lie_below
from pipeline.checks.table import CHECKS

NAMES = st.text(alphabet="ab.é-", min_size=1, max_size=4)
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("patterns", "inside", "outside"),
    [
        ("mix.exs", ["mix.exs"], ["a/mix.exs", "mix_exs", "mix.exs/a"]),
        ("lib/**", ["lib/a", "lib/a/b.ex", "lib/.hidden"], ["lib", "libs/a", "a/lib/b"]),
        ("**/*.ex", ["a.ex", "lib/a.ex", "a/b/c.ex"], ["a.exs", "aex", "a.ex/b"]),
        ("*.md", ["README.md"], ["docs/a.md"]),
        (".prettierrc*", [".prettierrc", ".prettierrc.json"], ["assets/.prettierrc"]),
        ("a?c", ["abc"], ["a/c", "ac"]),
        ("** !test/** test/support/**", ["a", "test/support/b.ex"], ["test/b.exs"]),
    ],
)
def test_patterns_mean_what_gitignore_means(patterns: str, inside: list[str], outside: list[str]):
    matches = matcher(tuple(patterns.split()))
    assert [path for path in inside if not matches(path)] == []
    assert [path for path in outside if matches(path)] == []


@given(PATHS)
def test_two_stars_are_everything_on_their_side_of_the_top(path: str):
    assert matcher(("**",))(path) != path.startswith("../")
    assert matcher(("../**",))(path) == path.startswith("../")
    assert not matcher(("**", "!**"))(path)


@given(PATHS, PATHS, st.sampled_from([check.inputs for check in CHECKS]))
def test_directory_without_inputs_is_recognised_as_such(
    directory: str, below: str, patterns: tuple[str, ...]
):
    if matcher(patterns)(f"{directory}/{below}"):
        assert may_lie_below(patterns, directory)


def test_foreign_directory_is_no_input():
    assert not may_lie_below(("lib/**", "mix.exs"), "vendor")
    assert may_lie_below(("lib/**",), "lib/inner")
    assert may_lie_below(("lib/inner/**",), "lib")


def test_rows_see_what_their_tools_read():
    rows = {check.name: matcher(check.inputs) for check in CHECKS}
    # These run the application's code, which may read any file.
    everything = "compile dialyzer test types npm-test tracker"
    seen = {
        "lib/a.ex": "format credo sobelow",
        "test/a_test.exs": "format credo",
        "mix.lock": "format unused-deps credo deps-audit sobelow",
        "assets/js/a.ts": "typecheck lint npm-format",
        "tracker/a.js": "tracker-lint tracker-format",
        "README.md": "",
        ".github/workflows/elixir.yml": "",
        "../proto/x.proto": "",
        "../other/lib/a.ex": "",
    }
    for path, names in seen.items():
        found = {name for name, matches in rows.items() if matches(path)} - {"compile-ce"}
        assert found == set(f"{names} {everything}".split()), path
