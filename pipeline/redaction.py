"""Secret values taken out of what is printed, written and recorded.

A secret is known by where it comes from: variables of the environment and of `.env` whose names
look like secrets, the texts of keys, values that `fab env.set` and `fab setup` carry. Whatever
text holds one of them, whole or any eight characters of it in a row, loses that part.

What the servers alone know (the service's own environment) is not known here.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

MARK = "[***]"
"""Stands for what was taken out; shorter than PART, so that cleaning always comes to an end."""

PART = 8
"""So many characters in a row of a secret are never shown."""

SHORTEST = 6
"""A shorter value is no secret that could be told from other text: `true`, `8000`."""

_SECRET_NAME = re.compile(
    r"SECRET|TOKEN|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|COOKIE|APIKEY|(?:^|_)(?:KEY|PASS|PWD|DSN)(?:_|$)",
    re.IGNORECASE,
)
_PUBLIC_NAME = re.compile(
    r"^PWD$|(?:HOST_KEY|PUBLIC_KEY|KEY_ID|_FILE|_PATH|_DIR|_SOCK|_URL)$", re.IGNORECASE
)
_ARMOUR = re.compile(r"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_BLANK = re.compile(r"(?:\\[nrt]|\s)+")


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
    """What is known to be secret; it grows while a command runs."""

    whole: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)
    """Every PART characters in a row of every form that a secret may be written in."""

    def learn(self, secrets: Iterable[str]) -> None:
        """Add secrets; the lines around the text of a key are none."""
        for secret in secrets:
            bare = _ARMOUR.sub("", secret).strip()
            if len(bare) < SHORTEST:
                continue
            for form in _forms(bare):
                if SHORTEST <= len(form) < PART:
                    self.whole.add(form)
                self.parts.update(form[at : at + PART] for at in range(len(form) - PART + 1))

    def clean(self, text: str) -> str:
        """Return `text` without the secrets, also where a line end or an indent cuts them."""
        if not self.whole and not self.parts:
            return text
        while (cleaned := self._once(text)) != text:
            text = cleaned
        return text

    def _once(self, text: str) -> str:
        marked = bytearray(len(text))
        self._mark(text, range(len(text)), marked)
        # Once more past all blanks, so that a secret which was wrapped is found as well.
        places: list[int] = []
        at = 0
        for blank in _BLANK.finditer(text):
            places += range(at, blank.start())
            at = blank.end()
        places += range(at, len(text))
        if len(places) < len(text):
            self._mark("".join(map(text.__getitem__, places)), places, marked)
        pieces, at = [], 0
        for run in re.finditer(b"\x01+", marked):
            pieces += [text[at : run.start()], MARK]
            at = run.end()
        return "".join([*pieces, text[at:]])

    def _mark(self, text: str, places: Sequence[int], marked: bytearray) -> None:
        for at in range(len(text) - PART + 1):
            if text[at : at + PART] in self.parts:
                first, last = places[at], places[at + PART - 1]
                marked[first : last + 1] = b"\x01" * (last + 1 - first)
        for secret in self.whole:
            at = text.find(secret)
            while at >= 0:
                first, last = places[at], places[at + len(secret) - 1]
                marked[first : last + 1] = b"\x01" * (last + 1 - first)
                at = text.find(secret, at + 1)


def learn(secrets: Iterable[str]) -> None:
    """Let this command know more secrets."""
    _known().learn(secrets)


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


def _forms(secret: str) -> set[str]:
    """Return the secret as it is, without blanks, and both as JSON writes them."""
    plain = {secret, _BLANK.sub("", secret), secret.replace("\n", "\r\n")}
    escaped = {
        json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in plain for ascii_ in (True, False)
    }
    return plain | escaped


def _passwords(url: str) -> set[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return set()
    return {password, unquote(password)} if password else set()
