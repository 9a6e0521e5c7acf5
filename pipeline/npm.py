"""How the packages of an npm project are fetched."""

from pathlib import Path


def install(app: Path, package: str) -> tuple[str, ...]:
    """Return the command, for `app`, that fetches what the lock file of `package` says.

    Without a lock file it is what package.json allows.
    """
    verb = "ci" if (app / package / "package-lock.json").is_file() else "install"
    return ("npm", verb, "--prefix", f"./{package}", "--no-audit", "--no-fund")


def installing(package: Path) -> str:
    """Return the command for people that installs a package, by the manager of its lock file."""
    found = next((line for lock, line in _MANAGERS.items() if (package / lock).is_file()), "")
    return (found or "npm install --prefix {}").format(package.name)


_MANAGERS = {
    "package-lock.json": "npm install --prefix {}",
    "pnpm-lock.yaml": "pnpm --dir {} install",
    "yarn.lock": "yarn --cwd {} install",
    "bun.lock": "bun install --cwd {}",
    "bun.lockb": "bun install --cwd {}",
}
