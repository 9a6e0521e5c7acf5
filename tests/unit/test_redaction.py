"""No known secret, and no eight characters of one, survive in any text, however it is written."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import redaction
from pipeline.redaction import MARK, PART, Redaction

SECRETS = st.text(min_size=PART, max_size=40).filter(lambda text: len(text.strip()) >= PART)


def knowing(*secrets: str) -> Redaction:
    known = Redaction()
    known.learn(secrets)
    return known


def parts(secret: str) -> set[str]:
    bare = secret.strip()
    return {bare[at : at + PART] for at in range(len(bare) - PART + 1)}


WAYS = {
    "plain": lambda secret, _: secret,
    "part": lambda secret, at: secret[at % (len(secret) - PART + 1) :],
    "json": lambda secret, _: json.dumps(secret),
    "json in UTF-8": lambda secret, _: json.dumps(secret, ensure_ascii=False),
    "CRLF": lambda secret, _: secret.replace("\n", "\r\n"),
}


@given(
    secrets=st.lists(SECRETS, min_size=1, max_size=3),
    before=st.text(max_size=20),
    after=st.text(max_size=20),
    way=st.sampled_from(sorted(WAYS)),
    at=st.integers(0, 100),
)
def test_no_eight_characters_of_a_secret_survive(
    secrets: list[str], before: str, after: str, way: str, at: int
):
    text = before.join(WAYS[way](secret.strip(), at) for secret in secrets) + after
    cleaned = knowing(*secrets).clean(text)
    for secret in secrets:
        assert not any(part in cleaned for part in parts(secret))
        if way.startswith("json") and "\\" not in json.dumps(secret):
            assert secret.strip() not in cleaned


@given(
    secret=st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=12, max_size=120),
    width=st.integers(3, 40),
    joint=st.sampled_from(["\n", "\r\n", "\n    ", " \n\t", "\\n"]),
)
def test_a_secret_that_is_wrapped_is_found(secret: str, width: int, joint: str):
    lines = [secret[at : at + width] for at in range(0, len(secret), width)]
    cleaned = knowing(secret).clean(f"see {joint.join(lines)} there")
    assert cleaned == f"see {MARK} there"


@given(text=st.text(max_size=200), secret=SECRETS)
def test_text_without_a_secret_stays_as_it_is(text: str, secret: str):
    known = knowing(secret)
    squeezed = "".join(text.replace("\\n", "").replace("\\r", "").replace("\\t", "").split())
    if not any(part in text or part in squeezed for part in known.parts):
        assert known.clean(text) == text
    assert known.clean(known.clean(text)) == known.clean(text)


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
    for text in (key, key.replace("\n", "\r\n"), key.replace("\n", "\\n"), json.dumps(key)):
        assert not any(line in known.clean(text) for line in body.split())
    assert known.clean(f"error near {body[40:52]}!") == f"error near {MARK}!"


def test_json_stays_json():
    known = knowing('quo"te\\back\nslash')
    cleaned = known.clean('a quo"te\\back\nslash')
    assert json.loads(json.dumps({"text": cleaned})) == {"text": f"a {MARK}"}
