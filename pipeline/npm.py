"""How the packages of an npm project are fetched."""

from pathlib import Path


def install(app: Path, package: str) -> tuple[str, ...]:
    """Return the command, for `app`, that fetches what the lock file of `package` says.

    Without a lock file it is what package.json allows.
    """
    verb = "ci" if (app / package / "package-lock.json").is_file() else "install"
    return ("npm", verb, "--prefix", f"./{package}", "--no-audit", "--no-fund")
