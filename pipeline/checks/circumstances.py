"""What beside its inputs can change the answer of a check: tools, packages, environment, runner.

Found without starting a program: a tool is known by the file it is, with size and time of change.
Each thing has a name for people, so that `inv check.list --why` can say what has changed.
"""

from __future__ import annotations

import os

from pipeline.checks import repository
from pipeline.checks.repository import which

TYPE_CHECKING = False  # the commit hook starts here: see repository.py
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.checks.check import Check

_HARMLESS = frozenset(
    """
    PATH PWD OLDPWD SHLVL _ SHELL TERM COLORTERM COLUMNS LINES USER LOGNAME MAIL HOSTNAME HOSTTYPE
    OSTYPE MACHTYPE EDITOR VISUAL PAGER MANPAGER LS_COLORS LSCOLORS PS1 PS2 PS4 PROMPT
    PROMPT_COMMAND RPROMPT WINDOWID WINDOWPATH DISPLAY XAUTHORITY STY TMUX TMUX_PANE GPG_TTY TTY
    GPG_AGENT_INFO DESKTOP_SESSION SESSION_MANAGER INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID
    MANAGERPID MANAGERPIDFDID NO_COLOR FORCE_COLOR CLICOLOR CLICOLOR_FORCE VIRTUAL_ENV
    VIRTUAL_ENV_PROMPT PRE_COMMIT MAKEFLAGS MFLAGS MAKELEVEL MAKE_TERMOUT MAKE_TERMERR MOTD_SHOWN
    CHROME_DESKTOP ELECTRON_RUN_AS_NODE APPLICATION_INSIGHTS_NO_DIAGNOSTIC_CHANNEL
    DEBUGINFOD_URLS HUSHLOGIN ZDOTDIR MIX_ENV
    """.split()  # noqa: SIM905
)
_HARMLESS_PREFIXES = (
    *(
        "GIT_",
        "SSH_",
        "XDG_SESSION_",
        "XDG_CURRENT_",
        "XDG_VTNR",
        "XDG_SEAT",
        "XDG_MENU_",
        "XDG_DATA_",
    ),
    *("XDG_CONFIG_DIRS", "XDG_RUNTIME_", "ORIGINAL_XDG_", "DBUS_", "WAYLAND_", "GNOME_", "GTK_"),
    *(
        "GDK_",
        "GIO_",
        "GJS_",
        "QT_",
        "KDE_",
        "KONSOLE_",
        "VTE_",
        "VSCODE_",
        "TERM_",
        "ITERM_",
        "LESS",
    ),
    *("KITTY_", "ALACRITTY_", "WEZTERM_", "HIST", "BASH_", "ZSH_", "FISH_", "STARSHIP_", "DIRENV_"),
    *(
        "P9K_",
        "MEMORY_PRESSURE_",
        "PRE_COMMIT_",
        "LC_TERMINAL",
        "QUSTO_CHILD_",
        "__CF",
        "COLORFGBG",
    ),
)
"""Variables that nothing which is checked hangs on: of the terminal, the session, the editor, git.

A hook's environment differs from a shell's in dozens of these. Every other one counts. MIX_ENV is
the row's own, and PATH counts by the programs that are found on it.
"""

_VERSION_FILES = (".tool-versions", ".mise.toml", "mise.toml", ".nvmrc", ".node-version")


def shared(app: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return name → value of what the verdicts of all checks hang on, beside their inputs."""
    return {
        "this runner": _stamps(_below(os.path.dirname(os.path.abspath(__file__)), ".")),
        **_tools(environ.get("PATH")),
        **_variables(environ),
        **_versions(app),
        # Qusto reads files there as variables (config/runtime.exs).
        "the files of CONFIG_DIR": _stamps(_below(environ.get("CONFIG_DIR") or "/run/secrets")),
        # Phoenix applications have npm packages in deps/ too (file:../deps/phoenix).
        **_mix_packages(app, environ),
    }


def own(check: Check, app: Path) -> dict[str, str]:
    """Return name → value of what only the verdict of `check` hangs on, beside its inputs."""
    found = {"the command": check.command}
    if check.rules:
        found["[tool.qusto]"] = check.rules
    if check.package:
        found[f"{check.package}/node_modules"] = installed(str(app), check.package)
    return found


def installed(app: str, package: str) -> str:
    """Return a fingerprint of what npm, yarn, pnpm or bun has installed for the package."""
    modules = os.path.join(app, package, "node_modules")
    records = (".package-lock.json", ".yarn-integrity", ".yarn-state.yml", ".modules.yaml")
    found = _stamps(path for name in records if stamp(path := os.path.join(modules, name)))
    # Nobody has kept a record: the packages themselves, by what names and versions them.
    return found or _stamps(
        f"{path}/package.json"
        for place in [modules, *_below(modules, "@")]
        for path in _below(place)
    )


def outside(check: Check, app: Path) -> str:
    """Return why the inputs of `check` are not all in the repository, if so, in half a line."""
    if check.package:
        return ""
    import re

    named = re.findall(
        r'path:\s*"((?:\.\.|/)[^"]*)"', (app / "mix.exs").read_text("utf-8", "replace")
    )
    top = repository.top(str(app))
    far = [name for name in named if not f"{os.path.realpath(app / name)}/".startswith(f"{top}/")]
    return f"mix.exs takes a package from outside of the repository: {far[0]}" if far else ""


def left_behind(check: Check, app: Path) -> str:
    """Return a fingerprint of what the check has made; it changes when that is changed or gone.

    Of a mix build only the compilers' manifests are looked at: every compilation renews one.
    """
    stamps: list[str] = []
    for name in check.writes:
        place = app / name
        manifests = "lib/*/.mix/compile.*" if name.startswith("_build/") else "**/*"
        stamps += (f"{p.relative_to(place)} {stamp(str(p))}" for p in place.glob(manifests))
    return "\n".join(sorted(stamps))


def _tools(path: str | None) -> dict[str, str]:
    found = {}
    for name in ("mix", "elixir", "erl", "node", "npm"):
        place = which(name, path)
        real = os.path.realpath(place) if place else ""
        found[f"the program {name}"] = f"{place} {real} {stamp(real)}" if real else "absent"
    return found


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        f"the variable {key}": value
        for key, value in environ.items()
        if key not in _HARMLESS and not key.startswith(_HARMLESS_PREFIXES)
    }


def _versions(app: str) -> dict[str, str]:
    """Return the files by which version managers choose a tool behind an unchanged shim."""
    home = os.path.expanduser("~")
    places = [*_above(app), home, f"{home}/.config/mise"]
    paths = (os.path.join(place, name) for place in places for name in _VERSION_FILES)
    stamps = {path: stamp(path) for path in paths}
    stamps |= {name: _text(os.path.join(app, name)) for name in _VERSION_FILES}
    return {name: stamp for name, stamp in stamps.items() if stamp}


def _above(directory: str) -> list[str]:
    found = []
    while (parent := os.path.dirname(directory)) != directory:
        found.append(parent)
        directory = parent
    return found


def _mix_packages(app: str, environ: Mapping[str, str]) -> dict[str, str]:
    deps = os.path.join(app, environ.get("MIX_DEPS_PATH", "deps"))
    home = environ.get("MIX_HOME") or os.path.expanduser("~/.mix")
    archives = environ.get("MIX_ARCHIVES") or f"{home}/archives"
    fetched = _below(deps)
    elixirs = [path for version in _below(f"{home}/elixir") for path in _below(version)]
    return {
        # Compiling may leave files in a package; .hex is only written when it is fetched.
        "deps/": "\n".join(fetched) + _stamps(f"{path}/.hex" for path in fetched),
        "mix archives": _stamps([*_below(archives), *elixirs]),
    }


def _below(directory: str, part: str = "") -> list[str]:
    """Return the sorted paths in `directory` whose names hold `part`, but no hidden ones."""
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    return sorted(f"{directory}/{n}" for n in names if part in n and not n.startswith("."))


def _stamps(paths: Iterable[str]) -> str:
    return "\n".join(f"{path} {stamp(path)}" for path in paths)


def stamp(path: str) -> str:
    """Return size and time of change; nothing for what is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    size = "" if found.st_mode & 0o170000 == 0o040000 else f"{found.st_size} "
    return f"{size}{found.st_mtime_ns}"


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
