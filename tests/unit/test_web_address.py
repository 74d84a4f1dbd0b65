"""Hosts, origins and the public address: one normal form, the same over HTTP and for sockets, or a refusal."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.http.cors import Cors
from gateway.http.origins import Origins
from gateway.http.problems import Problem
from runtime.settings import SettingError, read_settings

NORMAL = [
    ("https://Tickets.Example", "https://tickets.example"),
    ("https://shop.example:443", "https://shop.example"),
    ("HTTP://shop.example:80", "http://shop.example"),
    ("http://shop.example:443", "http://shop.example:443"),
    ("https://shop.example:08443", "https://shop.example:8443"),
    ("https://müller.example", "https://xn--mller-kva.example"),
    ("https://MÜLLER.example", "https://xn--mller-kva.example"),
    ("https://XN--MLLER-KVA.example", "https://xn--mller-kva.example"),
    ("https://straße.example", "https://xn--strae-oqa.example"),
    ("https://日本。jp", "https://xn--wgv71a.jp"),
    ("https://[2001:DB8:0:0::1]:443", "https://[2001:db8::1]"),
    ("http://[::1]:8080", "http://[::1]:8080"),
    ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    ("http://my_box:3000", "http://my_box:3000"),
]

REFUSED = [
    "*",
    "null",
    "NULL",
    "shop.example",
    "//shop.example",
    "https:shop.example",
    "https:/shop.example",
    "https://",
    "https://:443",
    "https://*.example",
    "ws://shop.example",
    "https://shop.example:",
    "https://shop.example:0",
    "https://shop.example:65536",
    "https://shop.example:４４３",
    "https://shop.example:+443",
    "https://a b.example",
    "https://shop.example\\evil",
    "https://-shop.example",
    "https://shop..example",
    "https://" + "a" * 64 + ".example",
    "https://1.2.3",
    "https://0x7f.1",
    "https://2130706433",
    "https://2001:db8::1",
    "https://[2001:db8::1",
    "https://[2001:db8::1]x",
    "https://[::g]",
    "https://☃.example",
    "https://shop\u200b.example",
]


def cors_origins(value: str) -> tuple[str, ...]:
    return read_settings({"AISLE_CORS_ORIGINS": value}).cors_origins


async def allowed_by_http(cors: tuple[str, ...], origin: bytes) -> bool:
    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing is read")

    scope = {"type": "http", "method": "GET", "headers": [(b"origin", origin)]}
    await Cors(inner, cors)(scope, receive, send)
    return (b"access-control-allow-origin", origin) in sent[0]["headers"]


def allowed_for_sockets(cors: tuple[str, ...], origin: bytes) -> bool:
    try:
        Origins("https://own.example", cors).check({b"origin": origin, b"host": b"own.example"})
    except Problem:
        return False
    return True


@pytest.mark.parametrize(("given", "normal"), NORMAL)
async def test_a_listed_origin_matches_what_browsers_send_over_http_and_for_sockets(
    given: str, normal: str
) -> None:
    listed = cors_origins(given)
    assert listed == (normal,)
    assert cors_origins(normal) == listed
    for origin in (normal.encode(), normal.upper().encode()):
        assert await allowed_by_http(listed, origin)
        assert allowed_for_sockets(listed, origin)
    for other in (b"https://evil.example", normal.encode() + b".evil.example", b"null", b"\xff"):
        assert not await allowed_by_http(listed, other)
        assert not allowed_for_sockets(listed, other)


def test_blanks_empty_parts_and_repetitions_of_a_list_do_not_count() -> None:
    assert cors_origins(" https://a.example:443 ,, HTTPS://A.example,http://b.example, ") == (
        "https://a.example",
        "http://b.example",
    )


@pytest.mark.parametrize("value", REFUSED)
def test_an_origin_that_no_browser_sends_is_refused(value: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_CORS_ORIGINS"):
        cors_origins(value)
    with pytest.raises(SettingError, match=r"^AISLE_PUBLIC_URL"):
        read_settings({"AISLE_PUBLIC_URL": value})


@pytest.mark.parametrize(
    "value",
    [
        "https://Shop.example:443/",
        "https://shop.example/tickets",
        "https://shop.example?x=1",
        "https://shop.example#y",
        "https://box:office@shop.example",
    ],
)
def test_an_origin_with_more_than_an_origin_is_refused_with_the_right_spelling(value: str) -> None:
    with pytest.raises(SettingError, match=r"write https://shop\.example$") as refusal:
        cors_origins(value)
    assert "office" not in str(refusal.value)


@pytest.mark.parametrize(("given", "normal"), NORMAL)
def test_the_public_address_has_the_same_normal_form(given: str, normal: str) -> None:
    for value in (given, f"{given}/", normal):
        assert read_settings({"AISLE_PUBLIC_URL": value}).public_url == normal


@pytest.mark.parametrize(
    "value",
    [
        "https://venue.example/tickets/?x=1#y",
        "https://venue.example/tickets",
        "https://Venue.example:443/?",
        "https://venue.example/#",
        "https://ada:lovelace@venue.example/",
    ],
)
def test_a_public_address_that_links_would_break_is_refused_with_the_right_spelling(value: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_PUBLIC_URL.*: write https://venue\.example$") as refusal:
        read_settings({"AISLE_PUBLIC_URL": value})
    assert "lovelace" not in str(refusal.value)


@pytest.mark.parametrize(
    ("host", "normal", "url"),
    [
        ("[::1]", "::1", "http://[::1]:8080"),
        ("0:0:0:0:0:0:0:0", "::", "http://[::1]:8080"),
        ("fd00::1", "fd00::1", "http://[fd00::1]:8080"),
        ("LocalHost", "localhost", "http://localhost:8080"),
        ("10.0.0.7", "10.0.0.7", "http://10.0.0.7:8080"),
    ],
)
def test_a_host_to_listen_on_has_a_normal_form_and_an_address_to_open(
    host: str, normal: str, url: str
) -> None:
    settings = read_settings({"AISLE_HOST": host})
    assert (settings.host, settings.public_url) == (normal, url)


@pytest.mark.parametrize(
    "host", ["http://x", "*", "a b", "1.2.3.4:80", "127.1", "256.0.0.1", "a/b", "-", "::g"]
)
def test_a_host_that_cannot_be_one_is_refused(host: str) -> None:
    with pytest.raises(SettingError, match=r"^AISLE_HOST='"):
        read_settings({"AISLE_HOST": host})
