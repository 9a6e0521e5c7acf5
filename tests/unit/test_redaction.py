"""No known secret survives in any text, however it is written; and no other word is lost."""

import json
import re
import shlex
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import redaction
from pipeline.redaction import MARK, SHORTEST, Redaction
from pipeline.remote import inventory

# Letters that no message of ours is made of, so that chance does not hide a failure.
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cs", "Cc", "Z"])
SECRETS = st.text(LETTERS, min_size=SHORTEST, max_size=40).filter(
    lambda text: text.strip() == text and MARK not in text and not text.islower()
)
ODD = st.text(st.sampled_from("aB3'\"\\$`%+/= \n&€{"), min_size=SHORTEST, max_size=30).filter(
    lambda text: len(text.strip()) >= SHORTEST
)


def knowing(*secrets: str) -> Redaction:
    known = Redaction()
    known.learn(secrets)
    return known


WAYS: dict[str, Callable[[str], str]] = {
    "plain": lambda secret: secret,
    "URL": quote,
    "URL, all quoted": lambda secret: quote(secret, safe=""),
    "URL, lower case": lambda secret: re.sub(
        "%..", lambda code: code[0].lower(), quote(secret, safe="")
    ),
    "form": quote_plus,
    "shell": shlex.quote,
    "shell, double": lambda secret: "".join(
        f"\\{letter}" if letter in '"\\`$' else letter for letter in secret
    ),
    "base64": lambda secret: b64encode(secret.encode()).decode(),
    "base64 for URLs": lambda secret: urlsafe_b64encode(secret.encode()).decode(),
    "json": json.dumps,
    "json in UTF-8": lambda secret: json.dumps(secret, ensure_ascii=False),
    "CRLF": lambda secret: secret.replace("\n", "\r\n"),
}


@given(
    secrets=st.lists(SECRETS | ODD, min_size=1, max_size=3),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    way=st.sampled_from(sorted(WAYS)),
)
def test_no_secret_survives_in_any_form(secrets: list[str], before: str, after: str, way: str):
    written = [WAYS[way](secret.strip()) for secret in secrets]
    cleaned = knowing(*secrets).clean(before.join(written) + after)
    for form in written:
        assert form.strip("'\"") not in cleaned


@given(secret=SECRETS, user=st.text(max_size=9), more=st.text(max_size=9))
def test_a_secret_inside_of_what_was_encoded_is_found(secret: str, user: str, more: str):
    header = b64encode(f"{user}:{secret}{more}".encode()).decode()
    cleaned = knowing(secret).clean(f"Authorization: Basic {header}")
    assert MARK in cleaned
    assert header not in cleaned


@given(
    secret=st.from_regex(r"\A[A-Za-z0-9]{11,100}[A-Z0-9]\Z"),
    width=st.integers(3, 40),
    joint=st.sampled_from(["\n", "\r\n", "\n    ", " \n\t", "\\n", "\r\n\r\n"]),
)
def test_a_secret_that_is_wrapped_is_found(secret: str, width: int, joint: str):
    lines = [secret[at : at + width] for at in range(0, len(secret), width)]
    cleaned = knowing(secret).clean(f"see {joint.join(lines)} there")
    assert cleaned == f"see {MARK} there"


@given(words=st.lists(st.from_regex(r"\A[a-z]{4,8}\Z"), min_size=3, max_size=5), at=st.integers(0))
def test_a_pass_phrase_that_is_wrapped_is_found(words: list[str], at: int):
    phrase = " ".join(words)
    cut = 1 + at % (len(phrase) - 1)
    cleaned = knowing(phrase).clean(f"see {phrase[:cut]}\n  {phrase[cut:]} there")
    assert cleaned.replace(" ", "") == f"see{MARK}there"


@given(text=st.text(max_size=200), secret=SECRETS | ODD)
def test_text_without_a_secret_stays_as_it_is(text: str, secret: str):
    known = knowing(secret)
    squeezed = "".join(text.replace("\\n", "").replace("\\r", "").replace("\\t", "").split())
    if not any(form in text or form in squeezed for form in known.forms | known.squeezed):
        assert known.clean(text) == text
    assert known.clean(known.clean(text)) == known.clean(text)


@given(secret=SECRETS, cut=st.integers(1))
def test_a_part_of_a_secret_is_an_ordinary_word(secret: str, cut: int):
    part = secret[: cut % len(secret)]
    assert knowing(secret).clean(f"deploy to {part}") == f"deploy to {part}"


@pytest.mark.parametrize("word", ["postgres", "production", "plausible", "migrations"])
def test_a_word_of_our_own_messages_is_no_secret(word: str):
    variables = {"DATABASE_URL": f"postgres://postgres:{word}@localhost/plausible_db"}
    known = knowing(*redaction.secrets_of(variables))
    for text in ("image postgres:18", "no pending migrations in production", "bin/plausible"):
        assert known.clean(text) == text


def test_what_hosts_toml_says_is_no_secret_except_for_its_keys(tmp_path: Path):
    path = tmp_path / "hosts.toml"
    path.write_text(
        '[staging]\nhosts = ["deep-thought.qusto.io"]\nuser = "slartibartfast"\n'
        'key_file = "~/.ssh/k"\nkey_passphrase = "magrathea-42"\nservice = "qusto-heart-of-gold"\n'
    )
    environment = inventory.resolve(["staging"], path, {}).environment
    known = knowing("magrathea-42", "slartibartfast", "deep-thought", "qusto-heart-of-gold")
    known.allow(inventory.public_texts(environment))
    text = "slartibartfast@deep-thought.qusto.io: qusto-heart-of-gold.service is active"
    assert known.clean(text) == text
    assert known.clean("it is magrathea-42!") == f"it is {MARK}!"


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("SECRET_KEY_BASE", "0123456789abcdef", "0123456789abcdef"),
        ("GITHUB_TOKEN", "ghp_0123456789", "ghp_0123456789"),
        ("STAGING_DEPLOY_SSH_KEY", "the text of a key", "the text of a key"),
        ("SMTP_USER_PWD", "correct horse", "correct horse"),
        ("MAILGUN_API_KEY", "key-123456", "key-123456"),
        ("TOTP_VAULT_KEY", "dGhlIHZhdWx0", "dGhlIHZhdWx0"),
        ("DATABASE_URL", "postgres://qusto:p%40ssw0rd@db/q", "p@ssw0rd"),
        ("DATABASE_URL", "postgres://qusto:short@db/q", None),
        ("STAGING_DEPLOY_HOST_KEY", "ssh-ed25519 AAAAC3Nza", None),
        ("SSH_AUTH_SOCK", "/tmp/ssh-XXXX/agent.1", None),
        ("TOKEN_FILE", "/run/secrets/token", None),
        ("PWD", "/home/dev/qusto", None),  # every shell sets it
        ("BASE_URL", "https://qusto.io", None),
        ("DISABLE_TOKENS", "true", None),
        ("KEYBOARD", "a long keyboard layout", None),
    ],
)
def test_a_variable_is_secret_by_its_name_or_its_password(
    name: str, value: str, secret: str | None
):
    found = redaction.secrets_of({name: value})
    assert (secret in found) if secret else not found


def test_the_frame_of_a_key_is_not_secret_but_every_line_of_it_is():
    body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUA\nQyNTUxOQAAACBKZ8Wm3kX1q2v0sJ9dXn5P"
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n-----END OPENSSH PRIVATE KEY-----\n"
    known = knowing(key)
    assert known.clean("-----BEGIN OPENSSH PRIVATE KEY-----") == (
        "-----BEGIN OPENSSH PRIVATE KEY-----"
    )
    spoilt = (key.replace("\n", "\r\n"), key.replace("\n", "\\n"), key.replace("\n", " "))
    for text in (key, *spoilt, json.dumps(key)):
        assert not any(line in known.clean(text) for line in body.split())
    assert known.clean(f"error near {body.split()[1]}!") == f"error near {MARK}!"
    encoded = b64encode(key.encode()).decode()
    wrapped = "\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
    assert known.clean(f"see {wrapped}\n").startswith(f"see {MARK}")
    assert len(known.clean(wrapped)) < 10


def test_json_stays_json():
    known = knowing('quo"te\\back\nslash')
    cleaned = known.clean('a quo"te\\back\nslash')
    assert json.loads(json.dumps({"text": cleaned})) == {"text": f"a {MARK}"}
