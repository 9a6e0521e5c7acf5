"""A script in a frame: how it goes to a host, and how its answer is told from the login's words.

sshd hands our command line to the user's login shell, which may be any program and run start-up
files first. So the line is plain enough for every shell (sh, csh, fish: one line, words in single
quotes without `!`, a backslash or a quote, none longer than csh takes), and does no more than start
/bin/sh with an environment of its own. The script follows on standard input, between two lines with
a nonce, and is run only if both are there. Two lines with that nonce enclose its answer: what is
before the first comes from the login and is dropped, and without the last it is not whole.
"""

import re
import secrets
from dataclasses import dataclass, field

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLEAN = f'/usr/bin/env -i HOME="$HOME" PATH={PATH} LC_ALL=C'
"""What a script runs in, whatever the login has set."""

_KEPT = 8192
"""Bytes that are kept of what a login prints."""

_MARK = 64
"""More bytes than the first line with the nonce has."""

# dd alone reads so many bytes and no more: head of busybox reads ahead, and what follows the script
# is the script's own standard input.
_RUNNER = (
    'umask 022; cd "$HOME" 2>/dev/null || cd /; '
    'script=$(dd bs="$2" count=1 iflag=fullblock 2>/dev/null; echo x); '
    'case $script in "#$1"*"#${1}x") ;; *) echo "$1:torn"; exit 1 ;; esac; '
    'echo "$1:err" >&2; echo "$1:begin"; '
    '(set --; eval "$script"); code=$?; '
    'echo "$1:err" >&2; echo "$1:end:$code"'
)


@dataclass(frozen=True)
class Frame:
    """One script, ready to be sent: the command line, and the bytes of its standard input."""

    nonce: str
    command: str
    payload: bytes


def frame(script: str) -> Frame:
    """Return `script` in a frame with a nonce of its own."""
    nonce = secrets.token_hex(8)
    payload = f"#{nonce}\n{script}\n#{nonce}".encode()
    clean = f'exec {CLEAN} /bin/sh -c "$1" sh "$2" "$3"'
    command = f"/bin/sh -c '{clean}' sh '{_RUNNER}' {nonce} {len(payload)}"
    return Frame(nonce, command, payload)


@dataclass
class Answer:
    """What a host answers to one frame, as it comes in."""

    nonce: str
    begun: bool = False
    torn: bool = False
    """The script did not arrive whole, so it was not run."""
    code: int | None = None
    """The script's exit status, once the answer is whole."""
    _out: list[bytes] = field(default_factory=list)
    _err: bytearray = field(default_factory=bytearray)
    _rest: bytearray = field(default_factory=bytearray)
    _noise: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> list[str]:
        """Take more of the standard output; return the script's lines that it completes."""
        *ends, rest = data.split(b"\n")
        lines = []
        for end in ends:
            self._rest += end
            line, self._rest = bytes(self._rest), bytearray()
            if (text := self._line(line)) is not None:
                self._out.append(text)
                lines.append(text.decode("utf-8", "replace").rstrip("\n"))
        self._rest += rest
        if not self.begun and len(self._rest) > _KEPT:
            # An endless line of the login; our first line may still follow.
            self._noise += self._rest[:-_MARK][: max(0, _KEPT - len(self._noise))]
            del self._rest[:-_MARK]
        return lines

    def take_err(self, data: bytes) -> None:
        """Take more of the standard error."""
        self._err += data

    @property
    def out(self) -> str:
        """The script's standard output, so far."""
        unfinished = bytes(self._rest) if self.begun and self.code is None else b""
        return (b"".join(self._out) + unfinished).decode("utf-8", "replace")

    @property
    def err(self) -> str:
        """The script's standard error, so far, without the login's."""
        text = self._err.decode("utf-8", "replace")
        parts = text.split(f"{self.nonce}:err\n")
        return parts[1] if len(parts) > 1 else text

    @property
    def noise(self) -> str:
        """What the login printed in the script's place, shortened, fit for a terminal."""
        rest = b"" if self.begun else bytes(self._rest)
        text = (bytes(self._noise) + rest + b"\n" + bytes(self._err[:_KEPT])).decode(
            "utf-8", "replace"
        )
        lines = [re.sub(r"[^ -~\xa0-\U0010ffff]+", " ", line).strip() for line in text.splitlines()]
        return "\n".join(filter(None, lines))[:_KEPT]

    def _line(self, line: bytes) -> bytes | None:
        """Return what of one whole line is the script's, with its line end; None if nothing is."""
        before, mark, after = line.rpartition(self.nonce.encode())
        if not self.begun:
            self.begun = bool(mark) and after == b":begin"
            self.torn = self.torn or (bool(mark) and after == b":torn")
            if not self.begun and not self.torn and len(self._noise) < _KEPT:
                self._noise += line[:_KEPT] + b"\n"
            return None
        if self.code is not None:
            return None  # of the login again, at its end
        if mark and after == b":err":
            return before or None  # a login that has made both outputs one
        if mark and (ended := re.fullmatch(rb":end:(\d+)", after)):
            self.code = int(ended[1])
            return before or None
        return line + b"\n"
