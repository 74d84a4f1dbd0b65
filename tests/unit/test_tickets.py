"""Tickets: the printed content, for any input."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import msgspec
import pypdf
import pytest

from schemas.events import Booking, BookingStatus
from schemas.ids import new_booking_id
from schemas.layout import Layout, Money, Row, Section
from tickets import formats
from tickets.pdf import file_name, render_ticket
from tickets.places import LAYOUTS_KEPT, PlacesCache, SeatPlace, SeatPlaces
from tickets.ticket import Ticket, plain_token, ticket_of
from tickets.wording import TICKET_WORDS, ticket_words

LAYOUT = Layout(
    (
        Section("Stalls", Money(1250, "EUR"), (Row("C", 20),)),
        Section("Balcony", Money(900, "EUR"), (Row("Front", ("W" * 16, "क12")),)),
    )
)


def a_ticket(*seats: str, title: str = "The Lighthouse at Noon", holder: str = "Ada Lovelace") -> Ticket:
    booking = Booking(
        booking_id=new_booking_id(7, 1_795_000_000_000, 5),
        show_id=7,
        user_id=3,
        status=BookingStatus.CONFIRMED,
        seats=seats or ("C12",),
        total=1250,
        currency="EUR",
        created_ms=1_795_000_000_000,
    )
    return ticket_of(
        booking,
        SeatPlaces(LAYOUT).of(booking.seats),
        title=title,
        screen="Screen 3",
        starts_at=datetime(2026, 11, 21, 18, 30, tzinfo=UTC).astimezone(ZoneInfo("Europe/Berlin")),
        duration_minutes=128,
        holder=holder,
        language="en",
    )


def pages(ticket: Ticket) -> list[str]:
    return [
        " ".join(page.extract_text().split())
        for page in pypdf.PdfReader(io.BytesIO(render_ticket(ticket))).pages
    ]


def test_every_seat_has_a_page_with_all_its_data() -> None:
    first, second = pages(a_ticket("C12", "C13"))
    for text in ("The Lighthouse at Noon", "21 November 2026", "19:30", "CET", "Screen 3"):
        assert text in first
    assert "C12" in first
    assert "Stalls" in first
    assert "€12.50" in first
    assert "Ada Lovelace" in first
    assert "Ticket 1 of 2" in first
    assert "C13" in second
    assert "C12" not in second


def test_ten_seats_have_ten_pages() -> None:
    assert len(pages(a_ticket(*[f"C{n}" for n in range(1, 11)]))) == 10


def test_the_same_ticket_is_the_same_document() -> None:
    assert render_ticket(a_ticket()) == render_ticket(a_ticket())


def test_another_token_gives_another_code() -> None:
    ticket = a_ticket()
    (seat,) = ticket.seats
    assert seat.token == plain_token(ticket.booking_id, "C12")
    other = msgspec.structs.replace(ticket, seats=(msgspec.structs.replace(seat, token="another"),))
    assert render_ticket(other) != render_ticket(ticket)


@pytest.mark.parametrize(
    "title",
    [
        '#panic("no") *bold* $x^2$ _a_ `raw` <label> @ref \\ // -- #import "x.typ"',
        '", "seats": [], "title": "',
        "बर्फी और चाँदनी रात",
        "Donaudampfschifffahrtsgesellschaftskapitän" * 5,
        "word " * 100,
        "日本語 😀 \u202e reversed",
        "",
    ],
)
def test_a_title_is_never_markup_and_fits_the_page(title: str) -> None:
    (page,) = pages(a_ticket(title=title, holder=title))
    assert "C12" in page
    if title.startswith("#panic"):
        assert "*bold* $x^2$" in page


def test_control_characters_in_a_title_become_spaces() -> None:
    (page,) = pages(a_ticket(title="Two\r\nlines\x00"))
    assert "Two lines" in page


@pytest.mark.parametrize("label", ["W" * 16, "क12"])
def test_labels_of_any_script_and_length_are_printed_on_one_page(label: str) -> None:
    (page,) = pages(a_ticket(label))
    assert "Balcony" in page


def test_several_threads_render_at_once() -> None:
    tickets = [a_ticket(f"C{n}") for n in range(1, 9)]
    with ThreadPoolExecutor(4) as threads:
        documents = list(threads.map(render_ticket, tickets))
    assert documents == [render_ticket(ticket) for ticket in tickets]


def test_the_file_is_named_after_the_booking() -> None:
    ticket = a_ticket()
    assert file_name(ticket) == f"ticket-{str(ticket.booking_id)[-12:]}.pdf"


def test_an_unknown_language_falls_back_to_english() -> None:
    assert ticket_words("xx") == ticket_words("en") == ticket_words("EN-us")


@pytest.mark.parametrize("language", sorted(TICKET_WORDS.languages))
def test_every_language_is_complete(language: str) -> None:
    words = ticket_words(language)
    assert "{number}" in words.ticket_of
    assert "{total}" in words.ticket_of
    assert "{minutes}" in words.minutes


@pytest.mark.parametrize(
    ("price", "shown"),
    [
        (Money(1250, "EUR"), "€12.50"),
        (Money(0, "EUR"), "€0.00"),
        (Money(1250, "JPY"), "JP¥1,250"),
        (Money(1250, "KWD"), "KWD\xa01.250"),
        (Money(10**10, "INR"), "₹100,000,000.00"),
    ],
)
def test_prices_have_the_digits_of_their_currency(price: Money, shown: str) -> None:
    assert formats.money(price, "en_GB").replace("\u202f", "\xa0") in (shown, shown.replace("\xa0", ""))


@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "UTC"), ("Europe/Berlin", "CET"), ("Etc/GMT+3", "GMT-03:00")],
)
def test_a_time_zone_is_named(zone: str, shown: str) -> None:
    assert formats.zone(datetime(2026, 11, 21, 18, 30, tzinfo=ZoneInfo(zone)), "en_GB") == shown


def test_one_line_keeps_zero_width_joiners() -> None:
    assert formats.one_line("  क्\u200dष \n x\u202e ") == "क्\u200dष x"


def test_a_place_has_section_row_and_price() -> None:
    places = SeatPlaces(LAYOUT)
    assert places["C20"] == SeatPlace("Stalls", "C", Money(1250, "EUR"))
    assert places["क12"] == SeatPlace("Balcony", "Front", Money(900, "EUR"))
    with pytest.raises(KeyError):
        places["C21"]


def test_places_of_unknown_labels_are_left_out() -> None:
    assert list(SeatPlaces(LAYOUT).of(("C1", "Z1", "W" * 16))) == ["C1", "W" * 16]


def test_a_ticket_for_a_seat_of_another_layout_raises_key_error() -> None:
    with pytest.raises(KeyError):
        a_ticket("Z1")


async def test_a_layout_is_read_once_while_it_is_among_those_used_last() -> None:
    read: list[int] = []

    async def read_places(layout_id: int) -> SeatPlaces:
        read.append(layout_id)
        return SeatPlaces(LAYOUT)

    cache = PlacesCache(read_places)
    for layout_id in [*range(LAYOUTS_KEPT), 0, LAYOUTS_KEPT, 0]:
        await cache.get(layout_id)
    assert read == list(range(LAYOUTS_KEPT + 1))
    await cache.get(1)
    assert read[-1] == 1
