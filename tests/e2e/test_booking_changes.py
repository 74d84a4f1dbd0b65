"""Changes of bookings through real processes, on both logs: concurrent changes sell no seat twice and lose none."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx

from tests.e2e.running import RunningAisle

NewUser = Callable[[], int]


async def hold(client: httpx.AsyncClient, show_id: int, *seats: str) -> dict[str, Any]:
    answer = await client.post(f"/api/shows/{show_id}/holds", json={"seats": seats})
    assert answer.status_code == 201, answer.text
    booking: dict[str, Any] = answer.json()
    return booking


async def change(client: httpx.AsyncClient, booking: dict[str, Any], *seats: str) -> httpx.Response:
    return await client.post(f"/api/bookings/{booking['id']}/seats", json={"seats": seats})


async def states(client: httpx.AsyncClient, show_id: int) -> str:
    found: str = (await client.get(f"/api/shows/{show_id}/seats")).json()["states"]
    return found


async def test_two_customers_who_change_into_each_others_seats_at_once_both_keep_theirs(
    aisle: RunningAisle, new_user: NewUser
) -> None:
    show_id = await aisle.make_show(20)
    async with aisle.client(new_user()) as one, aisle.client(new_user()) as other:
        mine, theirs = await hold(one, show_id, "1", "2"), await hold(other, show_id, "3", "4")
        for _ in range(20):
            answers = await asyncio.gather(change(one, mine, "3", "1"), change(other, theirs, "2", "4"))
            assert [answer.json()["code"] for answer in answers] == ["seat_taken"] * 2
            assert [answer.json()["seats"] for answer in answers] == [["3"], ["2"]]
            assert all("yours" not in answer.json() for answer in answers)
        assert (await one.get(f"/api/bookings/{mine['id']}")).json() == mine
        assert (await other.get(f"/api/bookings/{theirs['id']}")).json() == theirs
        assert await states(one, show_id) == "hhhh" + 16 * "a"


async def test_seats_are_neither_lost_nor_sold_twice_while_forty_customers_change_at_once(
    aisle: RunningAisle, new_user: NewUser
) -> None:
    show_id, dice = await aisle.make_show(60), random.Random(5)
    clients = [aisle.client(new_user()) for _ in range(40)]
    staff = aisle.client(2, "admin")
    try:
        bookings = [await hold(client, show_id, str(n)) for n, client in enumerate(clients, 1)]
        for _ in range(5):
            moves = [
                change(client, booking, str(dice.randint(1, 60)))
                for client, booking in zip(clients, bookings, strict=True)
            ]
            pairs = [dice.sample(bookings, 2) for _ in range(10)]
            swaps = [
                staff.post(f"/api/bookings/{first['id']}/swap", json={"with": second["id"]})
                for first, second in pairs
            ]
            answers = await asyncio.gather(*moves, *swaps)
            assert Counter(answer.status_code for answer in answers[40:]) == {200: 10}
            assert {answer.status_code for answer in answers[:40]} == {200, 409}
            seen = [
                (await client.get(f"/api/bookings/{booking['id']}")).json()
                for client, booking in zip(clients, bookings, strict=True)
            ]
            held = Counter(seat for booking in seen for seat in booking["seats"])
            assert len(held) == 40
            assert set(held.values()) == {1}
            shown = await states(staff, show_id)
            assert {str(n) for n, letter in enumerate(shown, 1) if letter == "h"} == set(held)
    finally:
        for client in (*clients, staff):
            await client.aclose()


async def test_one_key_changes_once_at_the_same_moment(
    aisle: RunningAisle, customer: httpx.AsyncClient
) -> None:
    show_id = await aisle.make_show(20)
    booking = await hold(customer, show_id, "1", "2")
    path, key = f"/api/bookings/{booking['id']}/seats", {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(
        *(customer.post(path, json={"seats": seats}, headers=key) for seats in (["3", "4"], ["4", "3"]) * 5)
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    extend = [await customer.post(f"/api/bookings/{booking['id']}/extend", headers=key) for _ in range(2)]
    assert [answer.status_code for answer in extend] == [422, 422]


async def test_a_remark_of_staff_stands_under_the_booking_that_was_made(aisle: RunningAisle) -> None:
    show_id = await aisle.make_show(20)
    path, key = f"/api/shows/{show_id}/bookings", {"Idempotency-Key": uuid4().hex}
    body = {"seats": ["1"], "note": "Window", "paid": "card"}
    async with aisle.client(2, "admin") as staff:
        answers = await asyncio.gather(*(staff.post(path, json=body, headers=key) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        booking = answers[0].json()
        assert (booking["note"], booking["paid"], booking["user_id"]) == ("Window", "card", None)
        assert (await staff.get(f"/api/bookings/{booking['id']}")).json() == booking
        other = await staff.post(path, json=body | {"note": "Aisle"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "key_reused")
