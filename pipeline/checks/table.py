"""The check table: one row per check, from which everything else is derived.

Rows are in the order in which reports name them. All mix rows share MIX_ENV=test, as in the real
CI: one build serves them all, and credo, dialyxir, mix_audit and sobelow exist only in dev and
test (research/qusto-detail.md section 2).
"""

from dataclasses import replace

from pipeline.checks import findings, services
from pipeline.checks.check import EVERYWHERE, LOCAL_AND_CI, Check, Group
from pipeline.checks.findings import Finder
from pipeline.checks.tools import credo, dialyzer, exunit, js_tests, mix, mix_audit, npm, sobelow

MIX_ENV = "test"

_DEPS = ("mix.exs", "mix.lock")
# Rows that run the application's code (a macro, a test, a script) may read any file, also outside
# of the application. The reuse of a pass and the choice of rows for a commit rely on this.
_EVERYTHING = ("**", "../**")
_DAY = 86400.0
_SOURCES = ("**/*.ex", "**/*.exs", "!assets/**", "!tracker/**", "mix.lock")
# Where prettier, eslint and npm look for settings, up from the package.
_NODE_SETTINGS = (
    *(".editorconfig", ".prettierrc*", ".prettierignore", "prettier.config.*", ".eslintrc*"),
    *("eslint.config.*", "tsconfig*.json", ".browserslistrc", ".npmrc", "package.json"),
)

_ESLINT_FIX = ("eslint", "--", "--fix")
_LINT_FIX = ("lint", "--", "--fix")


def compilation(mix_env: str, name: str, groups: frozenset[Group] = LOCAL_AND_CI) -> Check:
    """Return the row that compiles for one MIX_ENV; the only writer of that build.

    Never with --force: warnings persist in the build, a second run still fails on them.
    """
    return Check(
        name=name,
        title=f"compiles without warnings ({mix_env})",
        argv=("mix", "compile", "--warnings-as-errors", "--all-warnings"),
        mix_env=mix_env,
        inputs=_EVERYTHING,
        writes=(f"_build/{mix_env}",),
        shares_beam=True,
        groups=groups,
        read=mix.compilation,
        find=mix.find_compilation,
        timeout=1800.0,
        estimate=10.0,
    )


def testing(mix_env: str, compiled_by: str) -> Check:
    """Return the row that runs the tests of one MIX_ENV; partitions.py runs it."""
    return Check(
        name="test",
        title=f"ExUnit ({mix_env})",
        argv=("mix", "test"),
        mix_env=mix_env,
        inputs=_EVERYTHING,
        reuse_for=_DAY,  # a test may hang on the date
        needs=(compiled_by,),
        after=("tracker",),
        shares_beam=True,
        groups=EVERYWHERE,
        preflight=services.all_answer,
        read=exunit.read,
        find=exunit.find,
        timeout=1800.0,
        estimate=60.0,
    )


def _npm(
    name: str,
    title: str,
    package: str,
    script: str,
    find: Finder = findings.nothing,
    fix: tuple[str, ...] = (),
) -> Check:
    """Return the row of one npm script; `fix` is the script, with its options, that repairs."""
    return Check(
        name=name,
        title=title,
        argv=("npm", "run", script, "--prefix", f"./{package}"),
        package=package,
        inputs=(f"{package}/**", *_NODE_SETTINGS),
        # Who commits Elixir alone need not have Node.
        chosen_by=(f"{package}/**", *_NODE_SETTINGS),
        groups=EVERYWHERE,
        read=npm.read,
        find=find,
        fix=("npm", "run", fix[0], "--prefix", f"./{package}", *fix[1:]) if fix else (),
    )


CHECKS: tuple[Check, ...] = (
    compilation(MIX_ENV, "compile"),
    compilation("ce_test", "compile-ce", frozenset({Group.CI})),
    Check(
        name="format",
        title="Elixir formatting",
        argv=("mix", "format", "--check-formatted"),
        mix_env=MIX_ENV,
        inputs=(*_SOURCES, "**/*.heex", "**/*.eex", "**/*.leex", "**/*.neex"),
        groups=EVERYWHERE,
        # Plugins and import_deps make it load, and if need be compile, the dependencies.
        after=("compile",),
        shares_beam=True,
        read=mix.formatting,
        find=mix.find_formatting,
        facts=mix.format_inputs,
        fix=("mix", "format"),
    ),
    Check(
        name="unused-deps",
        title="no unused dependency in mix.lock",
        argv=("mix", "deps.unlock", "--check-unused"),
        mix_env=MIX_ENV,
        inputs=_DEPS,
        shares_beam=True,
        read=mix.unused_deps,
        find=mix.find_unused_deps,
        fix=("mix", "deps.unlock", "--unused"),
    ),
    Check(
        name="credo",
        title="credo",
        argv=("mix", "credo", "--strict"),
        mix_env=MIX_ENV,
        inputs=_SOURCES,
        groups=EVERYWHERE,
        after=("compile",),
        hex_package="credo",
        machine=credo.MACHINE,
        read=credo.read,
        find=credo.find,
        show=credo.show,
        facts=credo.files,
    ),
    Check(
        name="dialyzer",
        title="dialyzer",
        argv=("mix", "dialyzer"),
        mix_env=MIX_ENV,
        inputs=_EVERYTHING,
        needs=("compile",),
        writes=("priv/plts",),
        hex_package="dialyxir",
        read=dialyzer.read,
        find=dialyzer.find,
        timeout=5400.0,  # the first run builds the PLT of every dependency
        estimate=60.0,
    ),
    Check(
        name="deps-audit",
        title="no dependency with a known vulnerability",
        argv=("mix", "deps.audit"),
        mix_env=MIX_ENV,
        inputs=_DEPS,
        after=("compile",),
        hex_package="mix_audit",
        machine=mix_audit.MACHINE,
        read=mix_audit.read,
        find=mix_audit.find,
        show=mix_audit.show,
        facts=mix_audit.advisories,
        reuse_for=3600.0,  # it asks the network for advisories
    ),
    Check(
        name="sobelow",
        title="sobelow",
        argv=("mix", "sobelow", "--config"),
        mix_env=MIX_ENV,
        inputs=(".sobelow-conf", ".sobelow-skips", *_DEPS, "lib/**", "extra/lib/**", "config/**"),
        after=("compile",),
        hex_package="sobelow",
        machine=sobelow.MACHINE,
        read=sobelow.read,
        find=sobelow.find,
        show=sobelow.show,
        facts=sobelow.sources,
    ),
    replace(
        _npm("types", "generated types are up to date", "assets", "generate-types"),
        inputs=_EVERYTHING,
        chosen_by=("assets/**", "priv/json-schemas/**"),
        fix=("npm", "run", "generate-types", "--prefix", "./assets"),
    ),
    _npm("typecheck", "TypeScript types", "assets", "typecheck", npm.tsc),
    # The script `lint` of assets calls others, which would not hear of --fix.
    _npm("lint", "lint of assets", "assets", "lint", npm.eslint, _ESLINT_FIX),
    _npm(
        "npm-format",
        "formatting of assets",
        "assets",
        "check-format",
        npm.prettier,
        ("format",),
    ),
    replace(
        _npm("npm-test", "tests of assets", "assets", "test", js_tests.find),
        inputs=_EVERYTHING,
        reuse_for=_DAY,
    ),
    _npm("tracker-lint", "lint of tracker", "tracker", "lint", npm.eslint, _LINT_FIX),
    _npm(
        "tracker-format",
        "formatting of tracker",
        "tracker",
        "check-format",
        npm.prettier,
        ("format",),
    ),
    replace(
        _npm("tracker", "tracker scripts build", "tracker", "deploy"),
        inputs=_EVERYTHING,
        mix_env=MIX_ENV,  # compile.js leaves variants out for the ce environments
        writes=("priv/tracker",),
    ),
    testing(MIX_ENV, compiled_by="compile"),
)
