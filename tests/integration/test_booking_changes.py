"""Extending holds, changing seats and swapping them, over HTTP: every response of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from runtime.settings import Settings
from schemas.ids import new_booking_id
from tests.integration.box_office import ADA, BoxOffice, code, fields_at_fault, problem
from tests.integration.gateway_server import KEYS, serving


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open()
        yield house
        await house.close()


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def no_booking(house: BoxOffice) -> dict[str, Any]:
    return {"id": str(new_booking_id(house.show_id, 1, 1))}


@pytest.fixture(params=["extend", "seats"])
def change(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """A change that owners and staff may make, with its options."""
    seats = {"json": {"seats": ["B1"]}}
    return request.param, seats if request.param == "seats" else {}


async def test_an_extended_hold_lasts_its_own_length_from_now(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1", hold_s=60)
    await asyncio.sleep(0.05)
    answer = await house.do(house.ada, held, "extend")
    assert answer.status_code == 200
    extended = answer.json()
    assert instant(extended["expires_at"]) > instant(held["expires_at"])
    assert {**extended, "expires_at": 0, "decided": 0} == {**held, "expires_at": 0, "decided": 0}
    assert await house.seen(house.ada, held) == extended
    again = (await house.do(house.ada, held, "extend")).json()
    moved = instant(again["expires_at"]) - instant(extended["expires_at"])
    assert timedelta(0) <= moved < timedelta(seconds=30), "by its own length, not by what it had become"
    assert (await house.do(house.ada, held, "confirm")).json()["expires_at"] is None


async def test_a_hold_is_extended_until_half_an_hour_after_it_was_made(house: BoxOffice) -> None:
    held = await house.hold(house.staff, "A1", hold_s=1795, user_id=ADA)
    await asyncio.sleep(0.05)
    last = (await house.do(house.ada, held, "extend")).json()
    assert instant(last["expires_at"]) - instant(last["created_at"]) <= timedelta(minutes=30)
    longer = await house.hold(house.staff, "A2", hold_s=86_400, user_id=ADA)
    for client in (house.ada, house.staff):
        refused = await house.do(client, longer, "extend")
        assert code(refused) == (409, "hold_limit")
        assert problem(refused)["decided"]["offset"] > 0
    assert await house.seen(house.staff, longer) == longer


async def test_ended_confirmed_and_unknown_bookings_are_not_extended(house: BoxOffice) -> None:
    confirmed = await house.book(house.ada, "A1")
    cancelled = await house.hold(house.ada, "A2")
    await house.do(house.ada, cancelled, "cancel")
    expired = await house.expired_hold(ADA, "A3")
    for booking, reason in (
        (confirmed, "already_confirmed"),
        (cancelled, "already_cancelled"),
        (expired, "hold_expired"),
    ):
        assert code(await house.do(house.ada, booking, "extend")) == (409, reason)


async def test_a_closed_or_started_show_does_not_stop_an_extension_and_a_cancelled_one_has_no_holds(
    house: BoxOffice,
) -> None:
    held = await house.hold(house.ada, "A1", hold_s=60)
    await house.manage("close")
    assert (await house.do(house.ada, held, "extend")).status_code == 200
    await house.change_show(starts_at="2020-01-01T20:00:00Z", past=True)
    await asyncio.sleep(0.05)
    assert (await house.do(house.ada, held, "extend")).status_code == 200
    await house.manage("cancel")
    refused = code(await house.do(house.ada, held, "extend"))
    assert refused in ((409, "show_cancelled"), (409, "already_cancelled"))


async def test_a_change_is_for_the_owner_and_staff(
    house: BoxOffice, change: tuple[str, dict[str, Any]]
) -> None:
    action, options = change
    held = await house.hold(house.ada, "A1", hold_s=60)
    await asyncio.sleep(0.05)
    missing = await no_booking(house)
    assert code(await house.do(house.bob, held, action, **options)) == (403, "not_yours")
    assert code(await house.do(house.ada, missing, action, **options)) == (404, "not_found")
    assert code(await house.do(house.ada, {"id": str(uuid4())}, action, **options)) == (404, "not_found")
    async with house.server.client() as nobody:
        assert code(await house.do(nobody, held, action, **options)) == (401, "unauthenticated")
    assert (await house.do(house.staff, held, action, **options)).status_code == 200


async def test_a_change_is_made_once_for_one_key(
    house: BoxOffice, change: tuple[str, dict[str, Any]]
) -> None:
    action, options = change
    held = await house.hold(house.ada, "A1", hold_s=60)
    await asyncio.sleep(0.05)
    key = {"Idempotency-Key": "k1"}
    first = await house.do(house.ada, held, action, headers=key, **options)
    again = await house.do(house.ada, held, action, headers=key, **options)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    for other in ("confirm", "cancel"):
        assert code(await house.do(house.ada, held, other, headers=key)) == (422, "key_reused")
    if action == "seats":
        reused = await house.do(house.ada, held, action, headers=key, json={"seats": ["B2"]})
        assert code(reused) == (422, "key_reused")


async def test_a_change_that_is_not_waited_for_is_decided_all_the_same(
    house: BoxOffice, change: tuple[str, dict[str, Any]]
) -> None:
    action, options = change
    held = await house.hold(house.ada, "A1", hold_s=60)
    await asyncio.sleep(0.05)
    answer = await house.do(house.ada, held, action, headers={"Prefer": "respond-async"}, **options)
    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["retry-after"] == "1"
    fate = await house.ada.get(answer.headers["location"], headers={"Prefer": "wait=20"})
    assert fate.json()["status"] == "accepted"
    assert fate.json()["booking"] == await house.seen(house.ada, held)
    assert (await house.bob.get(answer.headers["location"])).status_code == 404


async def test_changed_seats_are_the_new_ones_and_the_old_ones_are_free_at_once(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1", "A2")
    answer = await house.move(house.ada, held, "C1", "A2")
    changed = answer.json()
    assert (answer.status_code, changed["seats"]) == (200, ["A2", "C1"])
    assert changed["total"] == {"amount": 1600, "currency": "EUR"}
    assert changed["expires_at"] == held["expires_at"]
    assert changed["status"] == "held"
    assert await house.seen(house.ada, held) == changed
    assert await house.states() == "ahaaaaaaaaaaaaaahaaa"
    assert (await house.book(house.bob, "A1"))["seats"] == ["A1"]
    same = await house.move(house.ada, held, "C1", "A2")
    assert (same.status_code, same.json()["seats"]) == (200, ["A2", "C1"])
    confirmed = (await house.do(house.ada, held, "confirm")).json()
    assert confirmed["total"] == {"amount": 1600, "currency": "EUR"}


async def test_a_customer_keeps_the_number_and_staff_need_not(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1", "A2")
    for seats in (["B1"], ["B1", "B2", "B3"]):
        refused = await house.move(house.ada, held, *seats)
        assert code(refused) == (400, "validation")
        assert fields_at_fault(refused) == ["seats"]
        assert "2" in problem(refused)["errors"][0]["message"]
    assert (await house.move(house.staff, held, "B1", "B2", "B3")).json()["seats"] == ["B1", "B2", "B3"]
    assert (await house.move(house.staff, held, "B1")).json()["seats"] == ["B1"]


@pytest.mark.parametrize(
    ("seats", "wanted", "fields"),
    [
        ([], "validation", ["seats"]),
        (["A1", "A1"], "validation", ["seats[1]"]),
        ([f"A{n}" for n in range(11)], "too_many_seats", ["seats"]),
        ([7], "validation", ["seats[0]"]),
        (None, "validation", ["seats"]),
        (["Z9"], "seat_unknown", []),
    ],
)
async def test_seats_that_cannot_be_meant_are_refused(
    house: BoxOffice, seats: Any, wanted: str, fields: list[str]
) -> None:
    held = await house.hold(house.ada, "A1")
    refused = await house.do(house.ada, held, "seats", json={"seats": seats})
    assert code(refused) == (400, wanted)
    assert fields_at_fault(refused) == fields
    assert await house.seen(house.ada, held) == held


async def test_a_refused_change_names_all_seats_at_fault_and_leaves_the_old_ones(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1", "A2", "A3")
    await house.book(house.bob, "B1", "B2")
    await house.manage("block", seats=["B3", "B4"])
    for wanted, reason, at_fault in (
        (["B3", "B1", "Z1"], (400, "seat_unknown"), ["Z1"]),
        (["B3", "B2", "B1"], (409, "seat_taken"), ["B1", "B2"]),
        (["B4", "B3", "A1"], (409, "seat_blocked"), ["B3", "B4"]),
    ):
        refused = await house.move(house.ada, held, *wanted)
        assert code(refused) == reason
        assert problem(refused)["seats"] == at_fault
        assert "yours" not in problem(refused)
    assert await house.seen(house.ada, held) == held
    assert await house.states() == "hhhaaaaassbbaaaaaaaa"


async def test_a_change_names_other_bookings_of_its_owner_that_are_in_the_way(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1")
    other = await house.book(house.ada, "A2")
    for client in (house.ada, house.staff):
        refused = problem(await house.move(client, held, "A2"))
        assert refused["yours"] == [
            {"id": other["id"], "status": "confirmed", "seats": ["A2"], "expires_at": None}
        ]


async def test_reasons_of_the_show_come_first(house: BoxOffice) -> None:
    held = await house.hold(house.ada, "A1")
    await house.change_show(sales_start_at="2097-01-01T00:00:00Z")
    refused = await house.move(house.ada, held, "Z9")
    assert code(refused) == (409, "not_on_sale")
    assert problem(refused)["sales_start_at"] == "2097-01-01T00:00:00.000Z"
    await house.change_show(sales_start_at=None)
    await house.manage("close")
    assert code(await house.move(house.ada, held, "Z9")) == (409, "show_closed")
    await house.manage("reopen")
    await house.change_show(starts_at="2020-01-01T20:00:00Z", past=True)
    assert code(await house.move(house.ada, held, "Z9")) == (409, "show_started")
    assert code(await house.move(house.bob, held, "Z9")) == (403, "not_yours")
    assert (await house.do(house.staff, held, "cancel")).status_code == 200
    assert code(await house.move(house.ada, held, "Z9")) == (409, "already_cancelled")


async def test_a_paid_booking_of_a_customer_keeps_its_total(house: BoxOffice) -> None:
    unpaid = await house.book(house.ada, "A1")
    assert (await house.move(house.ada, unpaid, "C1")).json()["total"]["amount"] == 600
    paid = await house.book(house.staff, "A2", user_id=ADA, paid="cash")
    assert code(await house.move(house.ada, paid, "C2")) == (409, "price_differs")
    assert (await house.move(house.ada, paid, "B1")).json()["total"]["amount"] == 1000
    assert (await house.move(house.staff, paid, "C2")).json()["total"]["amount"] == 600
    held = await house.hold(house.staff, "A3", user_id=ADA, paid="card")
    assert (await house.move(house.ada, held, "C3")).status_code == 200, "a hold changes to any price"


async def test_two_customers_who_change_into_each_others_seats_at_once_both_keep_theirs(
    house: BoxOffice,
) -> None:
    one, other = await house.hold(house.ada, "A1"), await house.hold(house.bob, "A2")
    answers = await asyncio.gather(
        house.move(house.ada, one, "A2"), house.move(house.bob, other, "A1"), return_exceptions=False
    )
    assert [code(answer) for answer in answers] == [(409, "seat_taken")] * 2
    assert await house.seen(house.ada, one) == one
    assert await house.seen(house.bob, other) == other
    # A free seat is got by one of those who change to it.
    answers = await asyncio.gather(house.move(house.ada, one, "A3"), house.move(house.bob, other, "A3"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    assert sorted(await house.states()) == sorted("hh" + 18 * "a")


async def test_swapped_bookings_have_each_others_seats_and_totals(house: BoxOffice) -> None:
    one, other = await house.hold(house.ada, "A1", "A2"), await house.book(house.bob, "C1")
    answer = await house.do(house.staff, one, "swap", json={"with": other["id"]})
    assert answer.status_code == 200
    swapped = answer.json()
    assert (swapped["id"], swapped["seats"], swapped["status"]) == (one["id"], ["C1"], "held")
    assert swapped["total"] == other["total"]
    assert swapped["expires_at"] == one["expires_at"]
    assert await house.seen(house.ada, one) == swapped
    seen = await house.seen(house.bob, other)
    assert (seen["seats"], seen["total"], seen["status"]) == (["A1", "A2"], one["total"], "confirmed")
    assert seen["decided"] == swapped["decided"]
    assert await house.states() == "ss" + 14 * "a" + "haaa"


async def test_swapping_is_for_staff_and_two_live_bookings_of_one_show(house: BoxOffice) -> None:
    one, other = await house.hold(house.ada, "A1"), await house.hold(house.ada, "A2")
    ended = await house.hold(house.bob, "A3")
    await house.do(house.bob, ended, "cancel")
    shop, house.show_id = house.show_id, await house.another_show()
    elsewhere = await house.hold(house.ada, "A1")
    house.show_id = shop

    async def swap(client: httpx.AsyncClient, first: dict[str, Any], second: Any) -> httpx.Response:
        return await house.do(client, first, "swap", json={"with": second})

    assert code(await swap(house.ada, one, other["id"])) == (403, "forbidden")
    for wrong in (one["id"], elsewhere["id"], "x", None):
        refused = await swap(house.staff, one, wrong)
        assert (code(refused), fields_at_fault(refused)) == ((400, "validation"), ["with"])
    missing = await no_booking(house)
    assert code(await swap(house.staff, one, missing["id"])) == (404, "not_found")
    assert code(await swap(house.staff, missing, one["id"])) == (404, "not_found")
    assert code(await swap(house.staff, one, ended["id"])) == (409, "already_cancelled")
    assert code(await swap(house.staff, ended, one["id"])) == (409, "already_cancelled")
    expired = await house.expired_hold(ADA, "A4")
    assert code(await swap(house.staff, one, expired["id"])) == (409, "hold_expired")
    key = {"Idempotency-Key": "swap"}
    answers = [
        await house.do(house.staff, one, "swap", json={"with": other["id"]}, headers=key) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (await house.seen(house.ada, one))["seats"] == ["A2"], "swapped once"
