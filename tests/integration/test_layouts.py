"""Layouts over HTTP: places on the map, kinds of seats, single prices, labels by pattern and in any script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from unicodedata import normalize

import httpx
import pytest

from tests.integration.gateway_server import Server
from tests.integration.live_sockets import live
from tests.integration.programme import a_show, add_movie, add_show

EUR = {"amount": 1200, "currency": "EUR"}
ODD = ["\ufeffA1", "A\u00a02", "A\u30003", "\u0915\u094d\u200d\u09374", "A\u200b5", "A\u202e6"]
DECOMPOSED = ["E\u03011", "e\u03022", "\u1112\u1161\u11ab3"]


@pytest.fixture
async def customer(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(5) as client:
        yield client


def listed(*labels: str) -> dict[str, Any]:
    return {"sections": [{"name": "S", "price": EUR, "rows": [{"name": "A", "seats": labels}]}]}


async def make(staff: httpx.AsyncClient, layout: dict[str, Any]) -> str:
    show = await add_show(staff, await add_movie(staff), total_seats=None, layout=layout)
    return f"/api/shows/{show['id']}"


async def refusal(staff: httpx.AsyncClient, layout: dict[str, Any]) -> list[tuple[str, str]]:
    wanted = a_show(await add_movie(staff), total_seats=None, layout=layout)
    answer = await staff.post("/api/shows", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (400, "validation"), answer.text
    return [(error["field"].removeprefix("layout."), error["message"]) for error in answer.json()["errors"]]


async def older_show(staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, *labels: str) -> str:
    """A show with a layout as the first release took it: any labels, stored as they were."""
    with monkeypatch.context() as before:
        before.setattr("gateway.catalogue.show_maker.in_stored_form", lambda layout: layout)
        before.setattr("gateway.catalogue.show_maker.problems", lambda _layout: ())
        return await make(staff, listed(*labels))


async def test_the_seat_map_gives_back_what_the_layout_says(staff: httpx.AsyncClient) -> None:
    balcony = {"amount": 800, "currency": "EUR"}
    row = {"name": "A", "aisles_after": [2], "x": -2, "y": 1.0, "angle": 12.5, "curve": 20, "pitch": 1.25}
    prices = [{"seats": ["A1", "A4"], "price": {"amount": 900, "currency": "EUR"}}]
    layout = {
        "sections": [
            {"name": "Stalls", "price": EUR, "rows": [row | {"seats": 4, "prices": prices}], "level": 0},
            {"name": "Balcony", "price": balcony, "rows": [{"name": "B", "seats": 2}], "level": "Upper"},
        ],
        "stage": {"x": -2.0, "y": 0, "width": 4, "height": 0.5, "label": "Bühne"},
        "accessible": ["A1"],
        "companions": ["A2"],
        "restricted_view": ["B2"],
    }
    path = await make(staff, layout)
    answer = await staff.get(f"{path}/seats")
    assert answer.json() == {
        "show_id": 1,
        "version": answer.json()["version"],
        "sections": [
            {
                "name": "Stalls",
                "price": EUR,
                "rows": [row | {"seats": ["A1", "A2", "A3", "A4"], "prices": prices}],
                "level": 0,
            },
            {
                "name": "Balcony",
                "price": balcony,
                "rows": [{"name": "B", "seats": ["B1", "B2"], "aisles_after": []}],
                "level": "Upper",
            },
        ],
        "stage": layout["stage"],
        "kinds": "wc---r",
        "states": "aaaaaa",
    }
    assert '"y":1.0,' in answer.text
    assert '"x":-2,' in answer.text
    listed_prices = [
        {"section": "Stalls", "price": EUR},
        {"section": "Stalls", "price": {"amount": 900, "currency": "EUR"}},
        {"section": "Balcony", "price": balcony},
    ]
    assert (await staff.get(path)).json()["prices"] == listed_prices
    assert (await staff.get("/api/shows")).json()["items"][0]["prices"] == listed_prices
    booked = await staff.post(f"{path}/bookings", json={"seats": ["A3", "A4", "B1"]})
    assert booked.json()["total"] == {"amount": 1200 + 900 + 800, "currency": "EUR"}
    best = await staff.post(f"{path}/bookings", json={"quantity": 1, "section": "Stalls"})
    assert (best.status_code, best.json()["code"]) == (409, "not_enough_seats")


async def test_a_show_without_a_layout_has_the_map_and_prices_it_had(staff: httpx.AsyncClient) -> None:
    show = await add_show(staff, await add_movie(staff), total_seats=2, price=EUR)
    rows = [{"name": "", "seats": ["1", "2"], "aisles_after": []}]
    answer = await staff.get(f"/api/shows/{show['id']}/seats")
    assert answer.json() == {
        "show_id": show["id"],
        "version": answer.json()["version"],
        "sections": [{"name": "", "price": EUR, "rows": rows}],
        "states": "aa",
    }
    assert show["prices"] == [{"section": "", "price": EUR}]


async def test_labels_that_cannot_be_seen_are_refused_with_seat_and_code_point(
    staff: httpx.AsyncClient,
) -> None:
    errors = await refusal(staff, listed(*ODD))
    named = [
        r"'\ufeffA1' has U+FEFF ZERO WIDTH NO-BREAK SPACE",
        r"'A\xa02' has U+00A0 NO-BREAK SPACE",
        r"'A\u30003' has U+3000 IDEOGRAPHIC SPACE",
        r"'A\u200b5' has U+200B ZERO WIDTH SPACE",
        r"'A\u202e6' has U+202E RIGHT-TO-LEFT OVERRIDE",
    ]
    assert [field for field, _ in errors] == ["sections[0].rows[0].seats"] * 5
    assert all(message.startswith(words) for (_, message), words in zip(errors, named, strict=True))
    assert len(await refusal(staff, listed("A1", "A\u200b1"))) == 1
    [(field, message)] = await refusal(staff, listed("\u00c91", "E\u03011"))
    assert field == "sections[0].rows[0].seats"
    assert message.startswith("row 'A' seat 2 and row 'A' seat 1 are both 'É1'")
    for price in ("XXX", "XTS", "XAU"):
        single = {"seats": ["A1"], "price": {"amount": 1, "currency": price}}
        layout = listed("A1")
        layout["sections"][0]["rows"][0]["prices"] = [single]
        assert {field for field, _ in await refusal(staff, layout)} == {
            "sections[0].rows[0].prices[0].price.currency"
        }


async def test_rows_with_numbers_for_names_work_with_a_pattern(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    section = {"name": "S", "price": EUR, "rows": [{"name": str(n), "seats": 12} for n in range(1, 13)]}
    errors = await refusal(staff, {"sections": [section]})
    assert errors[0] == (
        "sections[0].rows[10].seats",
        "row '11' seat 1 and row '1' seat 11 are both '111': give the section a label such as \"{row}-{seat}\"",
    )
    for layout in (
        {"sections": [section | {"label": "{row}-{seat}"}]},
        {"sections": [section], "label": "{row}-{seat}"},
    ):
        path = await make(staff, layout)
        seats = (await staff.get(f"{path}/seats")).json()["sections"][0]["rows"][10]["seats"]
        assert seats == [f"11-{n}" for n in range(1, 13)]
        booked = await customer.post(f"{path}/bookings", json={"seats": ["11-1", "1-11"]})
        assert booked.json()["seats"] == ["1-11", "11-1"]
        unknown = await customer.post(f"{path}/bookings", json={"seats": ["111"]})
        assert (unknown.status_code, unknown.json()["code"]) == (400, "seat_unknown")
    wrong = await refusal(staff, {"sections": [section], "label": "{row}"})
    assert wrong[0][0] == "label"
    wrong = await refusal(staff, {"sections": [section | {"label": "{seat:02}"}]})
    assert wrong[0][0] == "sections[0].label"
    assert [field for field, _ in await refusal(staff, listed("x") | {"label": "{seat}"})] == ["label"]


async def test_a_label_in_any_form_names_the_seat_of_a_new_layout(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient
) -> None:
    path = await make(staff, listed(*DECOMPOSED, ODD[3], "席12", "Row 1 seat 5"))
    labels = (await staff.get(f"{path}/seats")).json()["sections"][0]["rows"][0]["seats"]
    composed = [normalize("NFC", label) for label in DECOMPOSED]
    assert labels == [*composed, ODD[3], "席12", "Row 1 seat 5"]
    twice = await customer.post(f"{path}/bookings", json={"seats": [DECOMPOSED[0], composed[0]]})
    assert [error["field"] for error in twice.json()["errors"]] == ["seats[1]"]
    key = {"Idempotency-Key": "k1"}
    held = await customer.post(f"{path}/holds", json={"seats": [DECOMPOSED[0], ODD[3]]}, headers=key)
    assert (held.status_code, held.json()["seats"]) == (201, [composed[0], ODD[3]])
    again = await customer.post(f"{path}/holds", json={"seats": [composed[0], ODD[3]]}, headers=key)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["id"] == held.json()["id"]
    for call, state in (("block", "b"), ("unblock", "a")):
        answer = await staff.post(f"{path}/{call}", json={"seats": [DECOMPOSED[1], "席12"]})
        assert answer.status_code == 200, answer.text
        assert (await staff.get(f"{path}/seats")).json()["states"] == f"h{state}ah{state}a"
    async with live(server, user_id=5) as socket:
        sold = await socket.ask(type="book", show_id=int(path.split("/")[-1]), seats=[DECOMPOSED[2]])
        assert sold["booking"]["seats"] == [composed[2]]
        taken = await socket.ask(type="book", show_id=int(path.split("/")[-1]), seats=[DECOMPOSED[2]])
        assert taken["problem"]["seats"] == [composed[2]]
    unknown = await customer.post(f"{path}/bookings", json={"seats": ["E\u03019"]})
    assert (unknown.json()["code"], unknown.json()["seats"]) == ("seat_unknown", ["É9"])
    nowhere = await customer.post("/api/shows/99/bookings", json={"seats": ["E\u03019"]})
    assert (nowhere.status_code, nowhere.json()["code"]) == (404, "not_found")


async def test_every_seat_of_an_older_layout_can_be_named_and_blocked(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = [*ODD, *DECOMPOSED, "É9", "Loge rouge N° 12"]
    path = await older_show(staff, monkeypatch, *labels)
    assert (await staff.get(f"{path}/seats")).json()["sections"][0]["rows"][0]["seats"] == labels
    for call in ("block", "unblock"):
        assert (await staff.post(f"{path}/{call}", json={"seats": labels})).status_code == 200
    for label in labels:
        booked = await customer.post(f"{path}/holds", json={"seats": [label]})
        assert (booked.status_code, booked.json().get("seats")) == (201, [label])
        assert (await customer.post(f"/api/bookings/{booked.json()['id']}/cancel")).status_code == 200
    best = await customer.post(f"{path}/bookings", json={"quantity": 6})
    assert best.status_code == 201
    assert set(best.json()["seats"]) < set(labels)


@pytest.mark.parametrize(
    ("label", "code"),
    [
        ("x" * 16, "seat_unknown"),
        ("e\u0301" * 16, "seat_unknown"),
        ("x" * 17, "validation"),
        ("e\u0301" * 33, "validation"),
        ("A\0", "validation"),
        ("A\n1", "validation"),
    ],
)
async def test_a_label_of_a_request_has_up_to_16_characters_and_no_controls(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, label: str, code: str
) -> None:
    path = await make(staff, listed("A1"))
    for client, call in ((customer, "bookings"), (customer, "holds"), (staff, "block")):
        answer = await client.post(f"{path}/{call}", json={"seats": [label]})
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
