"""Access tokens: verification, revocation and the cache of verified tokens."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from gateway.auth import access_tokens as auth
from gateway.auth.access_tokens import Caller, Tokens
from gateway.auth.revocation import RevocationsOutdated
from gateway.http.problems import Problem
from runtime.settings import SettingError

NOW = 1_800_000_000.5
VERSION = 1_799_999_999_000_001


def key(kid: str, secret: bytes = b"s" * 32, alg: str = "HS256") -> dict[str, str]:
    return {"kid": kid, "alg": alg, "key": base64.urlsafe_b64encode(secret).rstrip(b"=").decode()}


def tokens(*keys: dict[str, str], versions: dict[int, int] | None = None) -> Tokens:
    return Tokens(json.dumps(keys or (key("a"),)), versions if versions is not None else {})


def header(token: str) -> bytes:
    return f"Bearer {token}".encode()


def forged(changes: dict[str, Any], secret: bytes = b"s" * 32, kid: str = "a", alg: str = "HS256") -> bytes:
    claims = {"sub": "7", "role": "customer", "iat": int(NOW), "exp": int(NOW) + 3600, "iss": "aisle"}
    claims = {name: value for name, value in (claims | changes).items() if value is not None}
    return header(jwt.encode(claims, secret, algorithm=alg, headers={"kid": kid}))


def refusal(subject: Tokens, authorization: bytes | None, now_s: float = NOW) -> str:
    with pytest.raises(Problem) as caught:
        subject.verify(authorization, now_s)
    assert caught.value.status == 401
    return caught.value.code


def test_a_token_authenticates_until_it_expires() -> None:
    subject = tokens()
    token = header(subject.issue_access(7, "staff", NOW))
    for _ in range(2):
        caller = subject.verify(token, NOW + 3599)
        assert caller == Caller(7, "staff")
        assert caller.staff
        assert not caller.admin
    assert refusal(subject, token, NOW + 3600) == "token_expired"
    assert refusal(subject, token, NOW + 3600) == "token_expired"


def test_the_scheme_is_case_insensitive() -> None:
    subject = tokens()
    token = subject.issue_access(7, "customer", NOW)
    assert subject.verify(f"bearer {token}".encode(), NOW).user_id == 7


@pytest.mark.parametrize("authorization", [None, b"", b"Basic YTpi", b"Token x"])
def test_a_request_without_bearer_token_is_unauthenticated(authorization: bytes | None) -> None:
    assert refusal(tokens(), authorization) == "unauthenticated"


@pytest.mark.parametrize(
    "authorization",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer nonsense",
        b"Bearer a.b.c",
        b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 5_000,
        forged({}, secret=b"t" * 32),
        forged({}, kid="other"),
        forged({}, secret=b"s" * 64, alg="HS512"),
        forged({"iss": "somebody"}),
        forged({"iss": None}),
        forged({"exp": None}),
        forged({"iat": None}),
        forged({"iat": int(NOW) + 600}),
        forged({"sub": None}),
        forged({"sub": "ada"}),
        forged({"sub": "-1"}),
        forged({"sub": "9" * 17}),
        forged({"role": None}),
        forged({"role": "king"}),
        forged({"role": ["admin"]}),
        forged({"exp": float("inf")}),
        forged({"ver": "0"}),
        forged({"ver": 1e300}),
    ],
)
def test_foreign_and_malformed_tokens_are_rejected(authorization: bytes) -> None:
    assert refusal(tokens(), authorization) == "token_invalid"


def test_an_unsigned_token_is_rejected() -> None:
    claims = {"sub": "1", "role": "admin", "iat": int(NOW), "exp": int(NOW) + 3600, "iss": "aisle"}
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "a"})
    assert refusal(tokens(), header(unsigned)) == "token_invalid"


def test_an_expired_token_is_rejected_on_first_use() -> None:
    subject = tokens()
    token = header(subject.issue_access(7, "customer", NOW - 4000))
    assert refusal(subject, token) == "token_expired"


def test_keys_are_rotated_without_logging_anyone_out() -> None:
    old, new = key("old", b"o" * 32), key("new", b"n" * 32)
    earlier = header(tokens(old).issue_access(7, "customer", NOW))
    rotated = tokens(new, old)
    assert rotated.verify(earlier, NOW).user_id == 7
    assert jwt.get_unverified_header(rotated.issue_access(7, "customer", NOW))["kid"] == "new"
    assert refusal(tokens(new), earlier) == "token_invalid"


@pytest.mark.parametrize(
    ("needed", "good"), [(0, True), (VERSION - 1, True), (VERSION, True), (VERSION + 1, False)]
)
def test_a_token_below_the_accounts_version_is_rejected(needed: int, good: bool) -> None:
    versions: dict[int, int] = {}
    subject = tokens(versions=versions)
    token = header(subject.issue_access(7, "customer", NOW, VERSION))
    other = header(subject.issue_access(8, "customer", NOW))
    assert subject.verify(token, NOW).user_id == 7
    versions[7] = needed
    if good:
        assert subject.verify(token, NOW).user_id == 7
    else:
        assert refusal(subject, token) == "token_invalid"
    assert subject.verify(other, NOW).user_id == 8


def test_no_token_is_accepted_while_revocations_are_out_of_date() -> None:
    fresh = [True]
    subject = Tokens(json.dumps((key("a"),)), {}, lambda: fresh[0])
    token = header(subject.issue_access(7, "customer", NOW))
    assert subject.verify(token, NOW).user_id == 7
    fresh[0] = False
    with pytest.raises(RevocationsOutdated):
        subject.verify(token, NOW)


def test_the_cache_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = tokens()
    issued = [header(subject.issue_access(n, "customer", NOW)) for n in range(1, 31)]
    monkeypatch.setattr(auth, "_MAX_CACHED_BYTES", 10 * (len(issued[-1]) + auth._ENTRY_BYTES))
    for token in issued:
        subject.verify(token, NOW)
    assert len(subject._cache) == 10
    assert subject._cached_bytes == sum(len(one or b"") + auth._ENTRY_BYTES for one in subject._cache)
    assert subject.verify(issued[0], NOW).user_id == 1


def test_a_token_is_cached_once_whatever_its_header_looks_like() -> None:
    subject = tokens()
    token = subject.issue_access(7, "customer", NOW).encode()
    for n in range(1, 200):
        for scheme in (b"Bearer", b"bearer", b"BEARER", b"bEARER"):
            assert subject.verify(scheme + b" " * n + token + b" " * (n % 7), NOW).user_id == 7
    assert list(subject._cache) == [b"Bearer " + token]


@pytest.mark.parametrize("blanks", [4_096, 30_000])
def test_the_length_of_a_header_is_checked_before_its_blanks_are_stripped(blanks: int) -> None:
    subject = tokens()
    token = subject.issue_access(7, "customer", NOW).encode()
    assert refusal(subject, b"Bearer " + b" " * blanks + token) == "token_invalid"
    assert refusal(subject, b"Bearer " + token + b" " * blanks) == "token_invalid"
    assert not subject._cache


@pytest.mark.parametrize("junk", [b"!", b"=", b"\n", b" ", b"\x00", b"."])
def test_a_token_has_one_spelling(junk: bytes) -> None:
    """base64 decoders pass over bytes that do not belong: each such spelling would be an entry of its own."""
    subject = tokens()
    token = subject.issue_access(7, "customer", NOW).encode()
    middle = token.rindex(b".") + 9
    assert refusal(subject, b"Bearer " + token[:middle] + junk + token[middle:]) == "token_invalid"


def test_invalid_tokens_are_not_cached() -> None:
    subject = tokens()
    for n in range(20):
        refusal(subject, f"Bearer {n}".encode())
    assert not subject._cache


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "nonsense",
        "{}",
        "[]",
        json.dumps([{"kid": "a", "alg": "HS256"}]),
        json.dumps([key("a", alg="none")]),
        json.dumps([key("a", b"short")]),
        json.dumps([key("")]),
        json.dumps([key("a"), key("a")]),
        json.dumps([key("a") | {"key": "not base64!"}]),
        json.dumps([key("a") | {"colour": "red"}]),
    ],
)
def test_invalid_keys_are_reported_without_their_value(value: str | None) -> None:
    with pytest.raises(SettingError, match="AISLE_JWT_KEYS") as caught:
        Tokens(value, {})
    assert "c3Nzc3" not in str(caught.value), "no secret in the log"
