"""Prices, dates and times of pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.site import formats
from languages.words import LANGUAGES
from schemas.layout import Money

MOMENT = "2026-11-21T18:30:00.000Z"
ZONE = "Europe/Berlin"


@pytest.mark.parametrize(
    ("language", "price", "day", "hour"),
    [
        ("en", "€1,250.50", "Saturday, 21 November 2026", "19:30"),
        ("de", "1.250,50 €", "Samstag, 21. November 2026", "19:30"),
        ("fr", "1 250,50 €", "samedi 21 novembre 2026", "19:30"),
        ("es", "1250,50 €", "sábado, 21 de noviembre de 2026", "19:30"),
        ("hi", "€1,250.50", "शनिवार, 21 नवंबर 2026", "7:30 pm"),
    ],
)
def test_they_are_written_as_the_language_does(language: str, price: str, day: str, hour: str) -> None:
    plain = formats.money(Money(125050, "EUR"), language).replace("\xa0", " ").replace("\u202f", " ")
    assert plain in (price, price.replace("1250", "1.250"))
    assert formats.date(MOMENT, ZONE, language).replace(",", "") == day.replace(",", "")
    assert formats.time(MOMENT, ZONE, language).replace("\u202f", " ") == hour


def test_the_zone_decides_on_the_day() -> None:
    late = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
    assert formats.date(late, "Asia/Kolkata", "en", "medium") == "1 Jan 2027"
    assert formats.date(late, "America/New_York", "en", "medium") == "31 Dec 2026"
    assert formats.date_time(late, "Asia/Kolkata", "en", "medium") == "1 Jan 2027, 05:00"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_skeleton_makes_a_date_in_every_language(language: str) -> None:
    assert "21" in formats.date(MOMENT, ZONE, language, "MMMEd")
