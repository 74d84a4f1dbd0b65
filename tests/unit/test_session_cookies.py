"""The cookie of a browser's session, the chain of its tokens, and which requests may use it."""

from __future__ import annotations

import pytest

from gateway.accounts import logins
from gateway.accounts.session_cookies import SessionCookies, read_cookie
from gateway.http.origins import Origins
from gateway.http.problems import Problem

ORIGINS = Origins("https://Tickets.example:443/", ["https://shop.example"])


@pytest.mark.parametrize(
    ("header", "value"),
    [
        (b"aisle_refresh=abc", "abc"),
        (b"a=1; aisle_refresh=abc; b=2", "abc"),
        (b"aisle_refresh = abc ;x", "abc"),
        (b"aisle_refresh=a=b==", "a=b=="),
        (b"aisle_refresh=first; aisle_refresh=second", "first"),
        (b"aisle_refresh=; aisle_refresh=second", "second"),
        (b"aisle_refresh=" + b"x" * 5000, "x" * 256),
        (b"", None),
        (b"aisle_refresh", None),
        (b"xaisle_refresh=1; AISLE_REFRESH=2", None),
        (b"\xff\xfe;;==", None),
    ],
)
def test_the_first_cookie_with_a_value_counts(header: bytes, value: str | None) -> None:
    assert read_cookie(header) == value


@pytest.mark.parametrize(("url", "secure"), [("https://tickets.example", True), ("http://10.0.0.7", False)])
def test_no_script_and_no_other_site_gets_the_cookie(url: str, secure: bool) -> None:
    cookies = SessionCookies(url)
    for header in (cookies.set("abc"), cookies.clear()):
        attributes = header.split("; ")[1:]
        assert {"Path=/api/session", "HttpOnly", "SameSite=Strict"} <= set(attributes)
        assert ("Secure" in attributes) == secure
    assert cookies.set("abc").startswith("aisle_refresh=abc; Max-Age=86400;")
    assert cookies.clear().startswith("aisle_refresh=; Max-Age=0;")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"sec-fetch-site": b"same-origin"},
        {b"origin": b"https://tickets.example"},
        {b"origin": b"https://tickets.example", b"sec-fetch-site": b"same-origin"},
        {b"origin": b"http://10.0.0.7:8080", b"host": b"10.0.0.7:8080"},
    ],
)
def test_own_pages_may_use_the_cookie(headers: dict[bytes, bytes]) -> None:
    ORIGINS.check_own(headers)


@pytest.mark.parametrize(
    "headers",
    [
        {b"origin": b"https://shop.example"},
        {b"origin": b"https://evil.example", b"sec-fetch-site": b"same-origin"},
        {b"origin": b"http://tickets.example"},
        {b"origin": b"https://tickets.example.evil.example"},
        {b"origin": b"null"},
        {b"origin": b""},
        {b"origin": b"https://", b"host": b""},
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"none"},
    ],
)
def test_other_pages_may_not_use_the_cookie(headers: dict[bytes, bytes]) -> None:
    with pytest.raises(Problem) as refused:
        ORIGINS.check_own(headers)
    assert refused.value.code == "forbidden"


def test_the_newest_token_follows_from_every_one_that_was_spent_lately() -> None:
    chain, salts = [b"first" * 6], {}
    for number in range(4):
        salt = bytes([number]) * 32
        salts[logins._hash(chain[-1])] = salt
        chain.append(logins._successor(chain[-1], salt))
    for spent in chain[:-1]:
        assert logins._newest(spent, salts) == chain[-1]
    assert logins._newest(chain[-1], salts) is None, "it is not spent"
    assert logins._newest(b"another", salts) is None
    assert len(set(chain)) == 5
