"""What a reader needs to know beside a tool's output: gathered here, so that readers stay pure."""

from collections.abc import Mapping
from pathlib import Path

from pipeline.checks.readers import Facts


def nothing(_app: Path, _environ: Mapping[str, str]) -> Facts:
    """Return no facts: output and exit code say it all."""
    return {}


def advisories(_app: Path, environ: Mapping[str, str]) -> Facts:
    """Return how many advisories mix_audit has on this machine.

    It clones them to this one directory on every system (mix_audit 2.1.5, MixAudit.Repo.path/0).
    """
    home = Path(environ.get("HOME") or Path.home())
    clone = home / ".local/share/elixir-security-advisories-mirego/packages"
    return {"advisories": str(sum(1 for _ in clone.rglob("*.yml")) if clone.is_dir() else 0)}


def sobelow_conf(app: Path, _environ: Mapping[str, str]) -> Facts:
    """Return the text of .sobelow-conf, empty if there is none."""
    path = app / ".sobelow-conf"
    return {"conf": path.read_text("utf-8") if path.is_file() else ""}
