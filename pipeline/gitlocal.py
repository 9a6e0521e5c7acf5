"""The variables by which git tells its children which repository and index they are in."""

from __future__ import annotations

TYPE_CHECKING = False  # see checks/repository.py
if TYPE_CHECKING:
    from collections.abc import Mapping

# `git rev-parse --local-env-vars` of git 2.39 and later. Inside a hook they name the commit's own
# index, and a tool that runs git (mix credo diff) would write into it.
LOCAL_VARIABLES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_CONFIG_COUNT",
        "GIT_OBJECT_DIRECTORY",
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_GRAFT_FILE",
        "GIT_INDEX_FILE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_REPLACE_REF_BASE",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_COMMON_DIR",
        "GIT_INTERNAL_SUPER_PREFIX",
    }
)


def without(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without git's local variables."""
    return {key: value for key, value in environ.items() if key not in LOCAL_VARIABLES}


def complaint(said: str) -> str:
    """Return in one line what git says on stderr, with the command that it advises, if any."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    first = next((line for line in lines if line.startswith(("fatal: ", "error: "))), "")
    first = first or (lines[0] if lines else "git failed")
    advised = [line for line in lines if line.startswith("git ") and line != first]
    text = first.removeprefix("fatal: ").removeprefix("error: ")
    return f"{text}; {advised[0]}" if advised else text
