"""The check table: one row per check, from which everything else is derived.

Rows are in the order in which reports name them. All mix rows share MIX_ENV=test, as in the real
CI: one build serves them all, and credo, dialyxir, mix_audit and sobelow exist only in dev and
test (research/qusto-detail.md section 2).
"""

from dataclasses import replace

from pipeline.checks import evidence, findings, npm_findings, readers, services
from pipeline.checks.check import EVERYWHERE, LOCAL_AND_CI, Check, Group
from pipeline.checks.findings import Finder

MIX_ENV = "test"

_DEPS = ("mix.exs", "mix.lock")
# A compiler or a test may read any file. What these leave out is what the reuse of a pass and the
# choice of rows for a commit rely on.
_TEXTS = ("!*.md", "!LICENSE*", "!docs/**", "!.github/**", "!.gitignore")
_ELIXIR = ("**", "!assets/**", "!tracker/**", "!test/**", "test/support/**", *_TEXTS)
_TESTED = ("**", "!assets/**", *_TEXTS)
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
        inputs=_ELIXIR,
        writes=(f"_build/{mix_env}",),
        shares_beam=True,
        groups=groups,
        read=readers.compilation,
        find=findings.compilation,
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
        inputs=_TESTED,
        needs=(compiled_by,),
        after=("tracker",),
        shares_beam=True,
        groups=EVERYWHERE,
        preflight=services.all_answer,
        read=readers.exunit,
        find=findings.exunit,
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
        groups=EVERYWHERE,
        read=readers.npm,
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
        read=readers.formatting,
        find=findings.formatting,
        fix=("mix", "format"),
    ),
    Check(
        name="unused-deps",
        title="no unused dependency in mix.lock",
        argv=("mix", "deps.unlock", "--check-unused"),
        mix_env=MIX_ENV,
        inputs=_DEPS,
        shares_beam=True,
        read=readers.mix,
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
        read=readers.credo,
        find=findings.credo,
    ),
    Check(
        name="dialyzer",
        title="dialyzer",
        argv=("mix", "dialyzer"),
        mix_env=MIX_ENV,
        inputs=_ELIXIR,
        needs=("compile",),
        writes=("priv/plts",),
        hex_package="dialyxir",
        read=readers.dialyzer,
        find=findings.dialyzer,
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
        read=readers.deps_audit,
        find=findings.deps_audit,
        reuse_for=0.0,  # asks the network for advisories
        evidence=evidence.advisories,
    ),
    Check(
        name="sobelow",
        title="sobelow",
        argv=("mix", "sobelow", "--config"),
        mix_env=MIX_ENV,
        inputs=(".sobelow-conf", ".sobelow-skips", *_DEPS, "lib/**", "extra/lib/**", "config/**"),
        after=("compile",),
        hex_package="sobelow",
        read=readers.sobelow,
        find=findings.sobelow,
        evidence=evidence.sobelow_conf,
    ),
    replace(
        _npm("types", "generated types are up to date", "assets", "generate-types"),
        # The generator is the package's own script, wherever that lies.
        inputs=("assets/**", "priv/json-schemas/**"),
        fix=("npm", "run", "generate-types", "--prefix", "./assets"),
    ),
    _npm("typecheck", "TypeScript types", "assets", "typecheck", npm_findings.tsc),
    # The script `lint` of assets calls others, which would not hear of --fix.
    _npm("lint", "lint of assets", "assets", "lint", npm_findings.eslint, _ESLINT_FIX),
    _npm(
        "npm-format",
        "formatting of assets",
        "assets",
        "check-format",
        npm_findings.prettier,
        ("format",),
    ),
    _npm("npm-test", "tests of assets", "assets", "test", npm_findings.jest),
    _npm("tracker-lint", "lint of tracker", "tracker", "lint", npm_findings.eslint, _LINT_FIX),
    _npm(
        "tracker-format",
        "formatting of tracker",
        "tracker",
        "check-format",
        npm_findings.prettier,
        ("format",),
    ),
    replace(
        _npm("tracker", "tracker scripts build", "tracker", "deploy"),
        mix_env=MIX_ENV,  # compile.js leaves variants out for the ce environments
        writes=("priv/tracker",),
    ),
    testing(MIX_ENV, compiled_by="compile"),
)
