"""The language of a page: by address, cookie and Accept-Language, whatever their spelling."""

from __future__ import annotations

import pytest

from gateway.http.exchange import Exchange
from gateway.site.languages import choose, cookie_headers, known_language, language_of, language_parameter


def exchange(query: bytes = b"", **headers: bytes) -> Exchange:
    return Exchange(
        method="GET",
        path="/",
        query=query,
        headers={name.replace("_", "-").encode(): value for name, value in headers.items()},
        body=b"",
        client=None,
        respond=lambda *_: None,
    )


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("DE-at", "de"),
        ("fr_CA", "fr"),
        ("hi-IN,hi;q=0.9,en;q=0.8", "hi"),
        ("it, es;q=0.5, de;q=0.7", "de"),
        ("en;q=0.1, fr;q=0.2", "fr"),
        ("de;q=0, fr", "fr"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("pt-BR, ja", "en"),
        ("de;q=2, fr;q=0.5", "de"),
        ("de;q=x", "de"),
        (";;;,,,q=1", "en"),
        ("x" * 100_000 + ",de", "en"),
    ],
)
def test_the_accepted_language_of_the_highest_quality_is_chosen(accepted: str, language: str) -> None:
    assert choose(None, None, accepted) == language


def test_the_address_counts_before_the_cookie_and_the_cookie_before_the_browser() -> None:
    assert choose("fr", "de", "es") == "fr"
    assert choose(None, "de", "es") == "de"
    assert choose("xx", "de", "es") == "de"
    assert choose("", "yy", "es") == "es"


@pytest.mark.parametrize(
    "tag", ["de", "DE", " de ", "de-AT", "de_DE", "de_DE.UTF-8", "de@euro", "De-Latn-DE"]
)
def test_a_tag_is_known_by_its_language(tag: str) -> None:
    assert known_language(tag) == "de"


@pytest.mark.parametrize("tag", ["", "d", "dex", "xx", "../de", "<de>", "d\0e", "-de"])
def test_other_text_is_no_language(tag: str) -> None:
    assert known_language(tag) is None


@pytest.mark.parametrize(
    ("query", "value"),
    [
        (b"", None),
        (b"lang=de", "de"),
        (b"a=1&lang=fr&b=2", "fr"),
        (b"lang=de&lang=fr", "de"),
        (b"language=de", None),
        (b"lang=%E0%A4%A", "\ufffd%A"),
        (b"lang=" + b"d" * 5000, None),
        (b"\xff&lang=de", "de"),
    ],
)
def test_the_parameter_of_the_address_is_read_leniently(query: bytes, value: str | None) -> None:
    assert language_parameter(query) == value


@pytest.mark.parametrize(
    ("cookie", "language"),
    [
        (b"aisle_language=de", "de"),
        (b'a=b; aisle_language="fr"; c=d', "fr"),
        (b"aisle_language=pt-BR", "en"),
        (b"xaisle_language=de", "en"),
        (b"aisle_language=de/../", "en"),
        (b"aisle_language=" + b"d" * 9999, "en"),
        (b"aisle_language=\xff\xfe", "en"),
        (b";;;=;aisle_language=;", "en"),
    ],
)
def test_a_tampered_cookie_is_ignored(cookie: bytes, language: str) -> None:
    assert language_of(exchange(cookie=cookie)) == language


def test_the_language_of_the_address_is_kept_in_a_cookie() -> None:
    assert cookie_headers(exchange(b"")) == []
    assert cookie_headers(exchange(b"lang=xx")) == []
    ((name, value),) = cookie_headers(exchange(b"lang=DE-at"))
    assert name == b"set-cookie"
    assert value == b"aisle_language=de; Path=/; Max-Age=31536000; SameSite=Lax"
