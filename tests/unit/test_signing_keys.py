"""Signing keys: both algorithms, every key format, and rotation."""

from __future__ import annotations

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from gateway.auth.access_tokens import Tokens
from gateway.http.problems import Problem
from runtime.settings import SettingError
from runtime.signing_keys import read_signing_keys, read_ticket_keys

NOW = 1_800_000_000.5
PRIVATE = Ed25519PrivateKey.from_private_bytes(b"e" * 32)
RAW = PRIVATE.private_bytes_raw()
PKCS8 = PRIVATE.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def key(kid: str, body: bytes, alg: str = "EdDSA") -> dict[str, str]:
    return {"kid": kid, "alg": alg, "key": base64.urlsafe_b64encode(body).rstrip(b"=").decode()}


SECRET = key("secret", b"s" * 32, "HS256")


def tokens(*keys: dict[str, str]) -> Tokens:
    return Tokens(json.dumps(keys), {})


def good(subject: Tokens, token: str) -> bool:
    try:
        return subject.verify(f"Bearer {token}".encode(), NOW).user_id == 7
    except Problem as problem:
        return problem.code != "token_invalid"


@pytest.mark.parametrize("body", [RAW, PKCS8])
def test_an_eddsa_private_key_signs_and_its_public_key_verifies(body: bytes) -> None:
    token = tokens(key("new", body)).issue_access(7, "customer", NOW)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "kid": "new", "typ": "JWT"}
    assert (
        jwt.decode(
            token,
            PRIVATE.public_key(),
            ["EdDSA"],
            issuer="aisle",
            options={"verify_exp": False, "verify_iat": False},
        )["sub"]
        == "7"
    )
    assert good(tokens(key("new", body)), token)
    assert good(tokens(SECRET, key("new", PUBLIC)), token)
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32).private_bytes_raw()
    assert not good(tokens(key("new", other)), token)


def test_rotation_across_algorithms_logs_nobody_out() -> None:
    before, both, after = tokens(SECRET), tokens(key("new", RAW), SECRET), tokens(key("new", RAW))
    # First every gateway learns to verify with the new key, then it signs.
    learning = tokens(SECRET, key("new", PUBLIC))
    early, late = before.issue_access(7, "customer", NOW), both.issue_access(7, "customer", NOW)
    for gateway in (before, learning, both):
        assert good(gateway, early)
    for gateway in (learning, both, after):
        assert good(gateway, late)
    assert not good(after, early)


def test_a_token_cannot_choose_the_algorithm_of_its_key() -> None:
    claims = {"sub": "7", "role": "admin", "iat": int(NOW), "exp": int(NOW) + 3600, "iss": "aisle"}
    public = base64.urlsafe_b64encode(PUBLIC)
    for secret in (PRIVATE.public_key().public_bytes_raw(), public):
        forged = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": "new"})
        assert not good(tokens(key("new", RAW)), forged)
    forged = jwt.encode(claims, PRIVATE, algorithm="EdDSA", headers={"kid": "secret"})
    assert not good(tokens(SECRET, key("new", RAW)), forged)


@pytest.mark.parametrize(
    "keys",
    [
        [key("a", PUBLIC)],
        [key("a", PUBLIC), SECRET],
        [key("a", b"e" * 31)],
        [key("a", b"e" * 64)],
        [key("a", b"")],
        [key("a", PKCS8[:-1])],
        [
            key(
                "a",
                generate_private_key(SECP256R1()).private_bytes(
                    Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
                ),
            )
        ],
        [key("a", RAW, "RS256")],
        [key("a", RAW), key("a", b"f" * 32)],
    ],
)
def test_unusable_keys_are_rejected_without_their_value(keys: list[dict[str, str]]) -> None:
    with pytest.raises(SettingError, match="AISLE_JWT_KEYS") as caught:
        tokens(*keys)
    assert not any(len(one["key"]) > 8 and one["key"][:8] in str(caught.value) for one in keys)


@pytest.mark.parametrize(
    "value",
    [
        "hunter2hunter2",
        '"hunter2hunter2"',
        '["hunter2hunter2"]',
        '[{"kid": "a", "alg": "hunter2hunter2", "key": "x"}]',
        '[{"kid": "a", "hunter2hunter2": "HS256", "key": "x"}]',
        '[{"kid": "hunter2hunter2", "alg": "HS256", "key": "eHg="}]',
        '[{"kid": "hunter2hunter2", "alg": "EdDSA", "key": "eHg="}]',
        '[{"kid": "hunter2hunter2", "alg": "HS256", "key": "hünter2hunter2"}]',
        '[{"kid": "a", "alg": "HS256", "key": "hunter2 hunter2"}]',
        '[{"kid": "a", "alg": "HS256", "key": "hunter2hunter2"',
        "",
    ],
)
def test_malformed_keys_are_rejected_in_one_line_without_their_value(value: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_JWT_KEYS") as caught:
        read_signing_keys(value)
    assert "hunter" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_rejected_key_is_named_by_its_number() -> None:
    keys = json.dumps([SECRET, key("b", b"short", "HS256")])
    with pytest.raises(SettingError, match="key number 2 has fewer than 32 bytes"):
        read_signing_keys(keys)


def test_the_first_ticket_key_signs_and_all_are_public() -> None:
    keys = read_ticket_keys(json.dumps([key("new", b"f" * 32), key("old", PUBLIC)]))
    assert keys.private.private_bytes_raw() == b"f" * 32
    assert list(keys.public) == ["new", "old"]
    assert keys.public["old"].public_bytes_raw() == PRIVATE.public_key().public_bytes_raw()


@pytest.mark.parametrize("value", [None, "[]", json.dumps([SECRET]), json.dumps([key("a", PUBLIC)])])
def test_ticket_keys_are_ed25519_keys_the_first_a_private_one(value: str | None) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_TICKET_KEYS: "):
        read_ticket_keys(value)
