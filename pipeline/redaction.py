"""Secret values taken out of what is printed, written and recorded.

A secret is known by where it comes from: variables of the environment and of `.env` whose names
look like secrets, passwords in URLs, the texts of keys, values that `fab env.set` and `fab setup`
carry. A text loses each whole value, in every form that it is usually written in, also where line
ends cut it. Of a key each line is a secret of its own.

Not covered: values of fewer than eight characters, which nobody can tell from other words; parts of
a value; what the servers alone know; and a value that stands as a word in hosts.toml or in our own
messages, such as the password `postgres`.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

MARK = "[***]"
"""Stands for what was taken out; shorter than a secret, so that cleaning comes to an end."""

SHORTEST = 8
"""Characters of the shortest value that is taken out."""

_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|COOKIE|APIKEY|(?:^|_)(?:KEY|PASS|PWD|DSN)(?:_|$)",
    re.IGNORECASE,
)
_PUBLIC_NAME = re.compile(
    r"^PWD$|(?:HOST_KEY|PUBLIC_KEY|KEY_ID|_FILE|_PATH|_DIR|_SOCK|_URL)$", re.IGNORECASE
)
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]+-----(.*?)(?:-----END|\Z)", re.DOTALL)
_BLANK = re.compile(r"(?:\\[nrt]|\s)+")
_LINE_END = re.compile(r"[ \t]*(?:(?:\\r)?\\n|[\r\n])(?:\\[nrt]|\s)*")
_WORD = re.compile(r"[a-z]+")


def secrets_of(variables: Mapping[str, str]) -> frozenset[str]:
    """Return the secret values among `variables`: by name, and the passwords inside URLs."""
    found = {
        value
        for name, value in variables.items()
        if _SECRET_NAME.search(name) and not _PUBLIC_NAME.search(name)
    }
    for value in variables.values():
        if "://" in value and "@" in value:
            found |= _passwords(value)
    return frozenset(value for value in found if len(value.strip()) >= SHORTEST)


@dataclass
class Redaction:
    """What is known to be secret, and the words that are not; both grow while a command runs."""

    forms: set[str] = field(default_factory=set)
    """Every form in which a known secret may be written."""
    public: list[str] = field(default_factory=list)
    joined: set[str] = field(default_factory=set)
    """The forms without line ends, and `squeezed` those with blanks without these."""
    squeezed: set[str] = field(default_factory=set)

    def learn(self, secrets: Iterable[str]) -> None:
        """Add secrets; of a key each line, but not the lines around it."""
        for secret in secrets:
            for value in _values(secret):
                if not _is_our_word(value):
                    self.forms |= _forms(value)
        self.allow(())

    def allow(self, texts: Iterable[str]) -> None:
        """Never take out what stands as a whole word in one of these, even if it is a secret."""
        self.public += texts
        self.forms = {f for f in self.forms if not any(_holds(text, f) for text in self.public)}
        self.joined = _long({_LINE_END.sub("", form) for form in self.forms})
        self.squeezed = _long({_BLANK.sub("", form) for form in self.forms if _BLANK.search(form)})

    def clean(self, text: str) -> str:
        """Return `text` without the secrets, also where line ends and indents cut them."""
        if not self.forms:
            return text
        while (cleaned := self._once(text)) != text:
            text = cleaned
        return text

    def _once(self, text: str) -> str:
        marked = bytearray(len(text))
        _mark(text, self.forms, range(len(text)), marked)
        _mark_past(_LINE_END, text, self.joined, marked)
        # Where a secret holds blanks, line ends cannot be told from them.
        _mark_past(_BLANK, text, self.squeezed, marked)
        pieces, at = [], 0
        for run in re.finditer(b"\x01+", marked):
            pieces += [text[at : run.start()], MARK]
            at = run.end()
        return "".join([*pieces, text[at:]])


def learn(secrets: Iterable[str]) -> None:
    """Let this command know more secrets."""
    _known().learn(secrets)


def allow(texts: Iterable[str]) -> None:
    """Let this command know texts whose words are no secrets: what hosts.toml says."""
    _known().allow(texts)


def clean(text: str) -> str:
    """Return `text` without the secrets that this command knows."""
    return _known().clean(text)


def cleaned(value: Any) -> Any:
    """Return `value`, made of JSON's types, with every text in it cleaned."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {key: cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value


@cache
def _known() -> Redaction:
    """Return what this process knows, at first the secrets of its environment and of .env."""
    from pipeline import settings

    known = Redaction()
    known.learn(secrets_of(settings.environment()))
    return known


def _values(secret: str) -> set[str]:
    """Return what is secret in `secret`: itself, and each line of the keys in it."""
    lines = {line for key in _KEY.findall(secret) for line in _BLANK.split(key)}
    return _long(lines | {secret.strip()})


def _forms(secret: str) -> set[str]:
    """Return the secret as it is, and as URLs, shells, base64 and JSON write it."""
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = {quote(raw), quote(raw, safe=""), quote_plus(raw)}
    quoted |= {re.sub("%..", lambda found: found[0].lower(), form) for form in quoted}
    inner = secret.replace("'", "'\"'\"'"), secret.replace("'", "'\\''")
    doubled = re.sub(r'(["\\`$])', r"\\\1", secret)
    plain = {secret, secret.replace("\n", "\r\n"), *quoted, *inner, doubled}
    plain |= {json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False)}
    return plain | _in_base64(raw)


def _long(values: set[str]) -> set[str]:
    return {value for value in values if len(value) >= SHORTEST}


def _in_base64(secret: bytes) -> set[str]:
    """Return the secret's base64, and what of it stays the same inside of a longer text's."""
    found = {b64encode(secret).decode()}
    for before in range(3):
        text = b64encode(bytes(before) + secret).decode()
        whole = (before + len(secret)) * 8 // 6
        found.add(text[-(-before * 8 // 6) : whole])
    return found | {form.replace("+", "-").replace("/", "_") for form in found}


def _mark(text: str, forms: Iterable[str], places: Sequence[int], marked: bytearray) -> None:
    for form in forms:
        at = text.find(form)
        while at >= 0:
            first, last = places[at], places[at + len(form) - 1]
            marked[first : last + 1] = b"\x01" * (last + 1 - first)
            at = text.find(form, at + 1)


def _mark_past(gap: re.Pattern[str], text: str, forms: Iterable[str], marked: bytearray) -> None:
    """Mark the forms that are in `text` when what matches `gap` is left out of it."""
    places: list[int] = []
    at = 0
    for found in gap.finditer(text):
        places += range(at, found.start())
        at = found.end()
    if forms and at:
        places += range(at, len(text))
        _mark("".join(map(text.__getitem__, places)), forms, places, marked)


def _holds(text: str, word: str) -> bool:
    """Return whether `word` stands in `text` with nothing but a border on both sides."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _is_our_word(value: str) -> bool:
    """Return whether our own messages use the value as a word, as far as it looks like words."""
    if not _WORD.fullmatch(value):
        return False
    return value in _our_text() and _holds(_our_text(), value)


@cache
def _our_text() -> str:
    here = Path(__file__).parent
    files = [path for kind in ("*.py", "*.sh") for path in here.rglob(kind)]
    return "\n".join(path.read_text("utf-8") for path in files)


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()
