"""Layouts: stored forms, places on the map, kinds of seats, single prices, and the index of labels."""

from __future__ import annotations

import sys
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue.new_shows import section_prices
from gateway.seat_maps.layout import EncodedLayout
from schemas.api_catalogue import LayoutBody, PriceBody
from schemas.api_seats import SeatMapBody
from schemas.layout import (
    Layout,
    Money,
    Row,
    SeatPrice,
    Section,
    Stage,
    decode_layout,
    encode_layout,
    layout_digest,
    numbered,
)
from schemas.layout_problems import in_stored_form, problems
from schemas.seating import Seating
from tickets.places import SeatPlaces

EUR = Money(1200, "EUR")

STORED = [
    (
        '{"sections":[{"name":"","price":{"amount":0,"currency":"EUR"},"rows":[{"name":"","seats":120}]}]}',
        "e08109bf23eff329354fff5488192fada3206e3cc41e10bef375aca89f7e3929",
    ),
    (
        '{"sections":[{"name":"Stalls","price":{"amount":1200,"currency":"EUR"},"rows":[{"name":"A","seats":12,'
        '"aisles_after":[4,8]},{"name":"","seats":["x","É1","E\u03011","A\u00a02","\u202e6"]}]},{"name":'
        '"Balcony \\"b\\"","price":{"amount":950,"currency":"EUR"},"rows":[{"name":"K","seats":["K1","Loge"]}]}]}',
        "cacce002e3682499edfa700092fd94fbe2c66c8d2aff070db9ea8dc794c6c80f",
    ),
]
"""Bodies and digests that the first release stored."""

FULL: dict[str, Any] = {
    "sections": [
        {
            "name": "Stalls",
            "price": {"amount": 1200, "currency": "EUR"},
            "rows": [
                {
                    "name": "1",
                    "seats": 4,
                    "aisles_after": [2],
                    "x": -3.5,
                    "y": 4,
                    "angle": 12.0,
                    "curve": 30,
                    "pitch": 1.05,
                    "prices": [{"seats": ["1-4"], "price": {"amount": 900, "currency": "EUR"}}],
                },
                {"name": "11", "seats": 3, "x": 0, "y": 0.0, "angle": -90, "curve": -7, "pitch": 1},
            ],
            "level": 0,
            "label": "{row}-{seat}",
        },
        {
            "name": "Balcony",
            "price": {"amount": 800, "currency": "EUR"},
            "rows": [{"name": "K", "seats": ["K1", "Loge"]}],
            "level": "First floor",
        },
    ],
    "stage": {"x": -4, "y": 0.5, "width": 8, "height": 2.0, "label": "Bühne"},
    "accessible": ["1-1"],
    "companions": ["1-2"],
    "restricted_view": ["Loge"],
}


def full(**changes: Any) -> Layout:
    return in_stored_form(msgspec.convert(FULL | changes, LayoutBody))


def fields(layout: Layout) -> list[str]:
    return [field for field, _ in problems(layout)]


def row(**changes: Any) -> dict[str, Any]:
    return {"sections": [FULL["sections"][0] | {"rows": [{"name": "1", "seats": 4} | changes]}]}


def single(*seats: str, amount: int = 1, currency: str = "EUR") -> dict[str, Any]:
    return {"seats": seats, "price": {"amount": amount, "currency": currency}}


# --- stored forms ---


@pytest.mark.parametrize(("body", "digest"), STORED)
def test_a_stored_layout_of_the_first_release_keeps_its_bytes_and_digest(body: str, digest: str) -> None:
    stored = body.encode()
    assert layout_digest(stored) == digest
    assert encode_layout(decode_layout(stored)) == stored
    assert encode_layout(msgspec.json.decode(stored, type=LayoutBody)) == stored


@pytest.mark.parametrize(("body", "digest"), STORED)
def test_stored_labels_of_the_first_release_are_found_as_they_are(body: str, digest: str) -> None:
    seating = Seating(decode_layout(body.encode()))
    assert [seating.find(label) for label in seating.labels] == [*range(len(seating))]
    assert seating.kinds is None
    assert not seating.has_seat_prices


def test_a_new_layout_without_new_fields_is_stored_as_before() -> None:
    body = STORED[0][0].encode()
    assert encode_layout(in_stored_form(msgspec.json.decode(body, type=LayoutBody))) == body


def test_every_field_of_a_layout_is_stored_and_read() -> None:
    layout = full()
    assert fields(layout) == []
    body = encode_layout(layout)
    assert msgspec.json.decode(body) == FULL
    assert decode_layout(body) == layout


@given(
    x=st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6),
    y=st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6),
    pitch=st.integers(1, 10**6) | st.floats(1e-6, 1e6),
)
def test_numbers_of_the_map_are_given_back_as_they_were(x: float, y: float, pitch: float) -> None:
    given_ = row(x=x, y=y, pitch=pitch) | {"stage": {"x": x, "y": y, "width": pitch, "height": pitch}}
    text = msgspec.json.encode(given_)
    body = encode_layout(in_stored_form(msgspec.json.decode(text, type=LayoutBody)))
    shown = seat_map_of(body)
    [[read]] = [section["rows"] for section in shown["sections"]]
    stage = shown["stage"]
    for one, was in (
        (read["x"], x),
        (read["y"], y),
        (read["pitch"], pitch),
        (stage["x"], x),
        (stage["width"], pitch),
    ):
        assert (one, type(one)) == (was, type(was))


@pytest.mark.parametrize(
    "text",
    [
        '"x": 1000001',
        '"y": -1e7',
        '"x": 1e999',
        '"x": "1"',
        '"x": true',
        '"angle": 361',
        '"angle": -360.5',
        '"pitch": 0',
        '"pitch": -1.5',
        '"curve": 1e300',
        '"prices": [{"seats": [], "price": {"amount": 1, "currency": "EUR"}}]',
        '"prices": [{"seats": ["1-1"], "price": {"amount": 1, "currency": "EUR"}, "name": "x"}]',
        '"z": 1',
    ],
)
def test_numbers_out_of_bounds_and_unknown_fields_are_refused(text: str) -> None:
    body = msgspec.json.encode(row()).replace(b'"seats":4', b'"seats":4,' + text.encode())
    with pytest.raises(msgspec.ValidationError if "e999" not in text else msgspec.DecodeError):
        msgspec.json.decode(body, type=LayoutBody)


# --- kinds and single prices ---


def test_the_kind_of_each_seat_is_a_letter() -> None:
    assert Seating(full()).kinds == b"wc------r"
    assert Seating(full(accessible=[], companions=[], restricted_view=[])).kinds is None


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"accessible": ["1-9"]}, ["accessible[0]"]),
        ({"accessible": ["1-1", "1-1"]}, ["accessible[1]"]),
        ({"companions": ["1-3", "1-1"]}, ["companions[1]"]),
        ({"restricted_view": ["1-2"]}, ["restricted_view[0]"]),
        (row(prices=[single("1-5")]), ["prices[0].seats[0]"]),
        (row(prices=[single("Loge")]), ["prices[0].seats[0]"]),
        (row(prices=[single("1-1", "1-1")]), ["prices[0].seats[1]"]),
        (row(prices=[single("1-1"), single("1-1")]), ["prices[1].seats[0]"]),
        (row(prices=[single("1-1", currency="USD")]), ["prices[0].price.currency"]),
        (row(prices=[single("1-1", amount=10**9 + 1)]), ["prices[0].price.amount"]),
    ],
)
def test_kinds_and_prices_name_seats_that_are_there_once_each(
    changes: dict[str, Any], wrong: list[str]
) -> None:
    found = [field.removeprefix("sections[0].rows[0].") for field in fields(full(**_kinds_of(changes)))]
    assert found == wrong


def _kinds_of(changes: dict[str, Any]) -> dict[str, Any]:
    none: dict[str, Any] = {"accessible": [], "companions": [], "restricted_view": []}
    return none | changes if "sections" in changes else changes


@pytest.mark.parametrize("code", ["XXX", "XTS", "XAU", "ZZZ"])
def test_a_currency_without_minor_units_is_refused_for_sections_and_seats(code: str) -> None:
    rows = [{"name": "A", "seats": 1, "prices": [single("A1", currency=code)]}]
    section = {"name": "S", "price": {"amount": 1, "currency": code}, "rows": rows}
    layout = in_stored_form(msgspec.convert({"sections": [section]}, LayoutBody))
    assert fields(layout) == ["sections[0].price.currency", "sections[0].rows[0].prices[0].price.currency"]


def test_prices_of_single_seats_win() -> None:
    seating = Seating(full())
    assert [seating.price_of(seat) for seat in range(9)] == [
        1200,
        1200,
        1200,
        900,
        1200,
        1200,
        1200,
        800,
        800,
    ]
    assert seating.prices == [(3, 1200), (4, 900), (7, 1200), (9, 800)]
    with pytest.raises(IndexError):
        seating.price_of(9)
    assert SeatPlaces(full())["1-4"][:3] == ("Stalls", "1", Money(900, "EUR"))
    assert SeatPlaces(full())["1-3"][:3] == ("Stalls", "1", EUR)


def test_a_show_lists_each_price_that_seats_of_a_section_have() -> None:
    assert section_prices(full()) == [
        PriceBody("Stalls", EUR),
        PriceBody("Stalls", Money(900, "EUR")),
        PriceBody("Balcony", Money(800, "EUR")),
    ]
    free = SeatPrice(("A1", "A2"), Money(0, "EUR"))
    all_single = Layout(
        (Section("S", EUR, (Row("A", 2, prices=(free,)),)), Section("T", EUR, (Row("B", 1),)))
    )
    assert section_prices(all_single) == [PriceBody("S", Money(0, "EUR")), PriceBody("T", EUR)]
    assert section_prices(numbered(3, EUR)) == [PriceBody("", EUR)]


# --- the seat map ---


def seat_map_of(body: bytes) -> dict[str, Any]:
    """The fields of a seat map that a stored layout makes."""
    shown: dict[str, Any] = msgspec.json.decode(EncodedLayout(body).head + b"}")
    return shown


def test_the_seat_map_has_what_the_layout_says_and_nothing_else() -> None:
    shown = seat_map_of(encode_layout(full()))
    stalls, balcony = shown.pop("sections")
    first = FULL["sections"][0]["rows"][0]
    assert stalls["level"] == 0
    assert balcony["level"] == "First floor"
    assert stalls["rows"][0] == first | {"seats": ["1-1", "1-2", "1-3", "1-4"]}
    assert balcony["rows"] == [{"name": "K", "seats": ["K1", "Loge"], "aisles_after": []}]
    assert shown == {"stage": FULL["stage"], "kinds": "wc------r"}
    plain = seat_map_of(STORED[0][0].encode())
    assert [*plain] == ["sections"]
    assert [*plain["sections"][0]] == ["name", "price", "rows"]


def test_the_seat_map_is_as_the_openapi_document_says() -> None:
    body = EncodedLayout(encode_layout(full())).head + b',"show_id":1,"version":1,"states":"aaaaaaaaa"}'
    read = msgspec.json.decode(body, type=SeatMapBody)
    assert msgspec.json.decode(msgspec.json.encode(read)) == msgspec.json.decode(body)


# --- the index ---

PATTERNS = st.sampled_from([None, "{row}-{seat}", "{seat}{row}", "{seat}", "S{seat}."])
ROWS = st.builds(Row, st.sampled_from(["", "A", "1", "11", "A1", "-", "B"]), st.integers(1, 120))
SECTIONS = st.lists(st.tuples(PATTERNS, st.lists(ROWS, min_size=1, max_size=3)), min_size=1, max_size=3)


@given(SECTIONS, PATTERNS, st.text("A1-.S20B", max_size=6))
def test_labels_of_patterns_map_to_indexes_and_back(
    sections: list[tuple[str | None, list[Row]]], pattern: str | None, other: str
) -> None:
    layout = Layout(
        tuple(Section(str(n), EUR, tuple(rows), label=own) for n, (own, rows) in enumerate(sections)),
        label=pattern,
    )
    if fields(layout):
        return
    seating = Seating(layout)
    index_of = {label: index for index, label in enumerate(seating.labels)}
    assert len(index_of) == len(seating)
    for label, index in index_of.items():
        assert (seating.index(label), seating.label(index)) == (index, label)
    shorter, longer = (one[:-1] for one in index_of), (f"0{one}" for one in index_of)
    for label in (other, f"0{other}", f"{other}0", *shorter, *longer):
        assert seating.find(label) == index_of.get(label, -1)


def test_neighbours_are_in_the_same_row_with_no_aisle_between() -> None:
    rows = (Row("A", 5, aisles_after=(2,)), Row("B", 1), Row("C", 2))
    seating = Seating(Layout((Section("", EUR, rows),)))
    assert [seating.neighbours(seat) for seat in range(8)] == [(1,), (0,), (3,), (2, 4), (3,), (), (7,), (6,)]


@pytest.mark.parametrize("pattern", [None, "{row}-{seat}", "{seat}/{row}"])
def test_a_hundred_thousand_seats_take_no_more_memory_than_their_rows(pattern: str | None) -> None:
    layout = Layout((Section("", EUR, tuple(Row(f"R{n}x", 1000) for n in range(100)), label=pattern),))
    tracemalloc.start()
    seating = Seating(layout)
    for seat in range(0, 100_000, 97):
        assert seating.find(seating.label(seat)) == seat
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 300_000
    assert sys.getsizeof(seating) < 300


def test_one_stage_is_a_rectangle() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"x": 0, "y": 0, "width": 0, "height": 1}, Stage)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"x": 0, "y": 0, "width": 1, "height": 1, "label": "a\nb"}, Stage)
