"""Refusals that name the customer's own bookings, companion seats and payment, over HTTP and the sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any
from unittest import mock

import httpx
import pytest

from runtime.settings import Settings
from schemas.commands import OpenShow
from tests.integration.box_office import ADA, BOB, STAFF, BoxOffice, code
from tests.integration.gateway_server import KEYS, serving
from tests.integration.live_sockets import Live, live


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open(seats_per_customer=4)
        yield house
        await house.close()


def named(booking: dict[str, Any]) -> dict[str, Any]:
    """A booking as a problem names it."""
    return {name: booking[name] for name in ("id", "status", "seats", "expires_at")}


@pytest.mark.parametrize("call", ["bookings", "holds"])
async def test_a_second_request_for_own_seats_names_the_booking_that_has_them(
    house: BoxOffice, call: str
) -> None:
    held = await house.hold(house.ada, "A1", "A2")
    booked = await house.book(house.ada, "A3")
    await house.hold(house.bob, "A4")
    refused = await house.refused_seats(house.ada, call, seats=["A2", "A4"])
    assert (refused["code"], refused["seats"]) == ("seat_taken", ["A2", "A4"])
    assert refused["yours"] == [named(held)]
    assert "confirm, change or cancel" in refused["detail"]
    refused = await house.refused_seats(house.ada, call, seats=["A3", "A1"])
    assert refused["yours"] == [named(held), named(booked)]
    assert "yours" not in await house.refused_seats(house.ada, call, seats=["A4"])
    assert "yours" not in await house.refused_seats(house.bob, call, seats=["A1"])
    assert "yours" not in await house.refused_seats(house.staff, call, seats=["A1"])
    for_ada = await house.refused_seats(house.staff, call, seats=["A1"], user_id=ADA)
    assert for_ada["yours"] == [named(held)]


async def test_past_the_limit_the_bookings_that_count_are_named(house: BoxOffice) -> None:
    made = [await house.hold(house.ada, "A1", "A2"), await house.book(house.ada, "A3")]
    for wanted in ({"seats": ["B1", "B2"]}, {"quantity": 2}):
        refused = await house.refused_seats(house.ada, "holds", **wanted)
        assert (refused["code"], refused["yours"]) == ("limit_exceeded", [named(one) for one in made])
        assert "4 seats" in refused["detail"]
    refused = await house.refused_seats(house.bob, "holds", quantity=5)
    assert (refused["code"], "yours" in refused) == ("limit_exceeded", False)


async def test_ended_bookings_are_not_named(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1")
    await house.do(house.ada, held, "cancel")
    await house.hold(house.bob, "A1")
    assert "yours" not in await house.refused_seats(house.ada, "holds", seats=["A1"])


async def test_a_stored_refusal_names_the_same_bookings_again(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1")
    path, key = f"/api/shows/{house.show_id}/holds", {"Idempotency-Key": "k"}
    first = await house.ada.post(path, json={"seats": ["A1"]}, headers=key)
    await house.do(house.ada, held, "cancel")
    again = await house.ada.post(path, json={"seats": ["A1"]}, headers=key)
    assert first.json()["yours"] == again.json()["yours"] == [named(held)]
    assert again.headers["idempotency-replayed"] == "true"
    decided = first.json()["decided"]
    fate = await house.ada.get(f"/api/commands/{decided['partition']}-{decided['offset']}")
    assert fate.json()["problem"] == first.json()


async def test_of_many_customers_at_once_each_gets_own_bookings_and_nobody_elses(house: BoxOffice) -> None:
    clients = {user_id: house.server.client(user_id) for user_id in range(100, 130)}
    owners = {}
    for user_id in (100, 101, 102):  # have another seat; only the first has the one that all want
        owners[user_id] = await house.hold(clients[user_id], "A1" if user_id == 100 else f"B{user_id - 100}")

    async def ask(user_id: int) -> tuple[int, dict[str, Any]]:
        return user_id, await house.refused_seats(clients[user_id], "holds", seats=["A1"])

    try:
        for _ in range(10):
            refusals = await asyncio.gather(*(ask(user_id) for user_id in [*clients, 100, 100, 101]))
            for user_id, refused in refusals:
                assert refused["code"] == "seat_taken"
                assert refused.get("yours", []) == ([named(owners[100])] if user_id == 100 else []), user_id
    finally:
        for client in clients.values():
            await client.aclose()
    rows = await house.server.sql("SELECT count(*) AS n FROM decisions WHERE command LIKE '%sharing%'::bytea")
    assert rows[0]["n"] > 0, "requests were coalesced"


async def test_in_a_rush_for_one_seat_the_one_who_gets_it_sees_it_in_the_way_of_the_next(
    house: BoxOffice,
) -> None:
    path = f"/api/shows/{house.show_id}/holds"
    for n in range(1, 9):
        answers = await asyncio.gather(
            *(client.post(path, json={"seats": [f"B{n}"]}) for client in [house.ada, house.bob] * 4)
        )
        made = [answer.json() for answer in answers if answer.status_code == 201]
        assert len(made) == 1
        for answer, owner in zip(answers, [ADA, BOB] * 4, strict=True):
            if answer.status_code != 201:
                yours = [named(made[0])] if owner == made[0]["user_id"] else []
                assert answer.json().get("yours", []) == yours
        await house.do(house.staff, made[0], "cancel")


COMPANIONS = {
    "sections": [
        {
            "name": "Stalls",
            "price": {"amount": 1000, "currency": "EUR"},
            "rows": [{"name": "A", "seats": 8, "aisles_after": [6]}],
        }
    ],
    "accessible": ["A2", "A6"],
    "companions": ["A3", "A7"],
}


async def test_a_companion_seat_needs_an_accessible_one_beside_it(house: BoxOffice) -> None:
    house.show_id = await house.another_show(layout=COMPANIONS)
    refused = await house.refused_seats(house.ada, "bookings", seats=["A7", "A3", "A1"])
    assert (refused["code"], refused["seats"]) == ("companion_only", ["A3", "A7"])
    refused = await house.refused_seats(house.ada, "holds", seats=["A6", "A7"])
    assert (refused["code"], refused["seats"]) == ("companion_only", ["A7"]), "an aisle is between them"
    first = await house.hold(house.ada, "A2")
    beside = await house.hold(house.ada, "A3")
    assert code(await house.move(house.ada, beside, "A7")) == (409, "companion_only")
    await house.do(house.ada, first, "cancel")
    assert (await house.do(house.ada, beside, "confirm")).status_code == 200, "it was right when it was taken"
    await house.book(house.staff, "A7")
    await house.do(house.ada, beside, "cancel")
    ordinary = await house.hold(house.bob, quantity=4, adjacent=False)
    assert ordinary["seats"] == ["A1", "A4", "A5", "A8"]


async def test_best_seats_of_a_kind_are_accessible_ones_with_their_companions(house: BoxOffice) -> None:
    house.show_id = await house.another_show(layout=COMPANIONS)
    pair = await house.hold(house.ada, quantity=2, kind="accessible")
    assert pair["seats"] == ["A2", "A3"]
    refused = await house.refused_seats(house.ada, "holds", quantity=2, kind="accessible")
    assert refused["code"] == "not_enough_seats"
    assert (await house.refused_seats(house.ada, "holds", quantity=2, kind="x"))["code"] == "validation"
    assert (await house.refused_seats(house.ada, "holds", seats=["A1"], kind="accessible"))[
        "code"
    ] == "validation"


async def test_where_payment_is_required_customers_hold_and_staff_book(house: BoxOffice) -> None:
    paying = partial(OpenShow, payment="required")
    with mock.patch("gateway.catalogue.new_shows.OpenShow", paying):
        house.show_id = await house.another_show(seats_per_customer=4)
    path = f"/api/shows/{house.show_id}/bookings"
    held = await house.hold(house.ada, "A1")
    await house.book(house.staff, "A2")
    for answer in (
        await house.ada.post(path, json={"seats": ["A3"]}),
        await house.ada.post(path, json={"quantity": 1}),
        await house.do(house.ada, held, "confirm"),
    ):
        assert code(answer) == (402, "payment_required")
        assert answer.json()["decided"]["offset"] > 0
    assert (await house.refused_seats(house.ada, "bookings", seats=["A2"]))["code"] == "seat_taken"
    limited = await house.refused_seats(house.ada, "bookings", quantity=4)
    assert limited["code"] == "limit_exceeded", "the limit comes first"
    paid = await house.hold(house.staff, "A4", user_id=ADA, paid="card")
    assert (await house.do(house.ada, paid, "confirm")).status_code == 200
    assert (await house.do(house.staff, held, "confirm")).status_code == 200


async def changed(socket: Live, booking: dict[str, Any], seats: list[str]) -> dict[str, Any]:
    """Awaits the message that a booking has these seats, and returns the booking."""
    message = await socket.next(
        lambda one: (
            one.get("type") == "booking"
            and (one["booking"]["id"], one["booking"]["seats"]) == (booking["id"], seats)
        )
    )
    found: dict[str, Any] = message["booking"]
    return found


async def test_changes_are_sent_to_the_owners_sockets_and_swaps_to_both(house: BoxOffice) -> None:
    one, other = await house.hold(house.ada, "A1"), await house.book(house.bob, "C1")
    walk_in = await house.book(house.staff, "B8")
    async with (
        live(house.server, user_id=ADA) as ada,
        live(house.server, user_id=BOB) as bob,
        live(house.server, user_id=STAFF, role="staff") as staff,
    ):
        moved = (await house.move(house.ada, one, "A2")).json()
        assert await changed(ada, one, ["A2"]) == moved
        swapped = (await house.do(house.staff, one, "swap", json={"with": other["id"]})).json()
        assert await changed(ada, one, ["C1"]) == swapped
        assert await changed(bob, other, ["A2"]) == await house.seen(house.bob, other)
        by_walk_in = (await house.do(house.staff, walk_in, "swap", json={"with": one["id"]})).json()
        assert by_walk_in["seats"] == ["C1"]
        assert (await changed(ada, one, ["B8"]))["total"] == walk_in["total"]
        await house.move(house.bob, other, "A3")
        await changed(bob, other, ["A3"])
        for socket, owner in ((ada, ADA), (bob, BOB), (staff, STAFF)):
            assert {message["booking"]["user_id"] for message in socket.unread} <= {owner}
        assert staff.unread == [], "nobody is told of a walk-in's seats"


async def test_a_hold_is_extended_over_the_socket(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1", hold_s=60)
    await asyncio.sleep(0.05)
    async with live(house.server, user_id=ADA) as socket:
        first = await socket.ask(type="extend", booking_id=held["id"], key="k")
        assert first["type"] == "accepted"
        assert first["booking"]["expires_at"] > held["expires_at"]
        assert await changed(socket, held, ["A1"]) == first["booking"]
        again = await socket.ask(type="extend", booking_id=held["id"], key="k")
        assert (again["booking"], again["replayed"]) == (first["booking"], True)
        over_http = await house.do(house.ada, held, "extend", headers={"Idempotency-Key": "k"})
        assert over_http.json() == first["booking"]
        assert over_http.headers["idempotency-replayed"] == "true"
        missing = await socket.ask(type="extend", booking_id="0198a6f0-7b1c-8000-8000-05c8b1fac95c")
        assert missing["problem"]["code"] == "not_found"
        unknown = await socket.ask(type="change", booking_id=held["id"])
        assert "extend" in unknown["problem"]["errors"][0]["message"]
        again = await socket.ask(type="hold", show_id=house.show_id, seats=["A1"])
        assert [one["id"] for one in again["problem"]["yours"]] == [held["id"]]


def _is_new(message: dict[str, Any]) -> bool:
    # The opening of the show may be published after the socket was opened.
    return "event_id" in message and message["event"]["type"] != "ShowOpened"


async def test_staff_get_the_new_events(house: BoxOffice) -> None:
    async with live(house.server, "/api/events/live", user_id=STAFF, role="staff") as socket:
        one, other = await house.hold(house.ada, "A1"), await house.hold(house.staff, "A2")
        await asyncio.sleep(0.05)
        await house.do(house.ada, one, "extend")
        await house.move(house.ada, one, "C1")
        await house.do(house.staff, one, "swap", json={"with": other["id"]})
        await house.manage("block", seats=["B1"], code="press", release_at="2098-01-01T00:00:00Z")
        seen = [(await socket.next(_is_new))["event"] for _ in range(6)]
    kinds = ["BookingHeld", "BookingHeld", "HoldExtended", "BookingChanged", "SeatsSwapped", "SeatsBlocked"]
    assert [event["type"] for event in seen] == kinds
    assert seen[1]["booking"]["user_id"] is None
    assert (seen[3]["old_seats"], seen[3]["old_total"]) == (["A1"], 1000)
    assert (seen[4]["booking"]["seats"], seen[4]["other"]["seats"]) == (["A2"], ["C1"])
    assert (seen[4]["booking"]["user_id"], seen[4]["other"]["user_id"]) == (ADA, None)
    assert (seen[5]["code"], seen[5]["release_ms"]) == ("press", 4039372800000)


async def test_problem_pages_explain_the_new_codes(house: BoxOffice) -> None:
    async with house.server.client() as client:
        for reason in ("companion_only", "price_differs", "payment_required", "hold_limit"):
            answer: httpx.Response = await client.get(f"/problems/{reason}")
            assert answer.status_code == 200
            assert reason in answer.text
