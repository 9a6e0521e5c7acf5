"""SSH key pairs for tests."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.programs import need


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 key without a passphrase: its private file and its public line."""

    private: Path
    public: str

    @property
    def text(self) -> str:
        """The private key's text, as STAGING_DEPLOY_SSH_KEY holds it."""
        return self.private.read_text()


def make_keys(path: Path, comment: str = "qusto-test") -> KeyPair:
    """Return a new key pair; the private half goes to `path` (mode 600)."""
    need("ssh-keygen")
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
    subprocess.run(argv, check=True)
    return KeyPair(path, path.with_name(f"{path.name}.pub").read_text().strip())
