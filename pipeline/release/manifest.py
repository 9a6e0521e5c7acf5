"""What a release says of itself: MANIFEST.json inside the artifact and on the server."""

import msgspec

from pipeline.errors import UsageProblem

MANIFEST = "MANIFEST.json"
SUMS = "SHA256SUMS"


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What was built, from what, by what; times are UTC, ISO 8601."""

    app: str
    version: str
    commit: str
    dirty: bool
    branch: str
    mix_env: str
    built_at: str
    elixir: str
    erts: str
    os: str
    arch: str
    libc: str


class Manifest(Facts, frozen=True, kw_only=True):
    """The facts, and the digest that the whole tree must have."""

    digest: str
    """sha256 of SHA256SUMS, which in turn names every file but the manifest itself."""
    files: int
    bytes: int

    @property
    def label(self) -> str:
        """The release for people: version and short commit."""
        return f"{self.version} ({self.commit[:9] or 'no commit'}{'+dirty' if self.dirty else ''})"


def encode(manifest: Manifest) -> bytes:
    """Return the JSON text of the manifest, one key a line."""
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(text: bytes | str, where: str) -> Manifest:
    """Return the manifest; UsageProblem names `where` if the text is not one."""
    try:
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageProblem(f"{where} is not a release manifest: {error}") from None
