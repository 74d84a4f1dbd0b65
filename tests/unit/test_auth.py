"""Access tokens: what is accepted, what is refused, and what is remembered."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from gateway import auth
from gateway.auth import Caller, Tokens
from gateway.problems import Problem
from gateway.revocation import RevocationsOutdated
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


def test_a_token_says_who_calls_until_it_expires() -> None:
    subject = tokens()
    token = header(subject.issue_access(7, "staff", NOW))
    for _ in range(2):
        caller = subject.verify(token, NOW + 3599)
        assert caller == Caller(7, "staff")
        assert caller.staff
        assert not caller.admin
    assert refusal(subject, token, NOW + 3600) == "token_expired"
    assert refusal(subject, token, NOW + 3600) == "token_expired"


def test_the_scheme_may_be_written_in_any_case() -> None:
    subject = tokens()
    token = subject.issue_access(7, "customer", NOW)
    assert subject.verify(f"bearer {token}".encode(), NOW).user_id == 7


@pytest.mark.parametrize("authorization", [None, b"", b"Basic YTpi", b"Token x"])
def test_without_a_bearer_token_nobody_is_known(authorization: bytes | None) -> None:
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
def test_what_is_not_ours_is_refused(authorization: bytes) -> None:
    assert refusal(tokens(), authorization) == "token_invalid"


def test_a_token_without_a_signature_is_refused() -> None:
    claims = {"sub": "1", "role": "admin", "iat": int(NOW), "exp": int(NOW) + 3600, "iss": "aisle"}
    unsigned = jwt.encode(claims, "", algorithm="none", headers={"kid": "a"})
    assert refusal(tokens(), header(unsigned)) == "token_invalid"


def test_an_expired_token_is_expired_the_first_time_it_is_seen_too() -> None:
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
def test_a_token_of_an_earlier_version_of_its_account_is_refused(needed: int, good: bool) -> None:
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


def test_no_token_is_trusted_on_an_old_read_of_what_was_revoked() -> None:
    fresh = [True]
    subject = Tokens(json.dumps((key("a"),)), {}, lambda: fresh[0])
    token = header(subject.issue_access(7, "customer", NOW))
    assert subject.verify(token, NOW).user_id == 7
    fresh[0] = False
    with pytest.raises(RevocationsOutdated):
        subject.verify(token, NOW)


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_MAX_REMEMBERED", 10)
    subject = tokens()
    issued = [header(subject.issue_access(n, "customer", NOW)) for n in range(1, 31)]
    for token in issued:
        subject.verify(token, NOW)
    assert len(subject._remembered) == 10
    assert subject.verify(issued[0], NOW).user_id == 1


def test_wrong_tokens_are_not_remembered() -> None:
    subject = tokens()
    for n in range(20):
        refusal(subject, f"Bearer {n}".encode())
    assert not subject._remembered


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
def test_keys_that_are_none_are_named_and_not_shown(value: str | None) -> None:
    with pytest.raises(SettingError, match="AISLE_JWT_KEYS") as caught:
        Tokens(value, {})
    assert "c3Nzc3" not in str(caught.value), "no secret in the log"
