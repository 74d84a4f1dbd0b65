"""Sales of staff: walk-ins, lifted limits, long holds, and remarks that stand beside the log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from gateway.bookings.remarks import Remarks
from runtime import postgres
from runtime.settings import Settings
from tests.integration.accounts import bearer, log_in, sign_up
from tests.integration.box_office import ADA, BOB, STAFF, BoxOffice, code, fields_at_fault
from tests.integration.gateway_server import KEYS, PASSWORD, serving
from tests.integration.live_sockets import live


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open(seats_per_customer=2)
        yield house
        await house.close()


UNKNOWN = "00000000-0000-7000-8000-000000000000"
REMARK = {"note": "Aisle seat, please", "paid": "cash"}


async def remarks(house: BoxOffice) -> list[tuple[str, str | None, str | None]]:
    """The stored remarks: booking, note, means of payment."""
    rows = await house.server.sql("SELECT booking_id, note, paid FROM booking_remarks ORDER BY booking_id")
    return [(str(row["booking_id"]), row["note"], row["paid"]) for row in rows]


async def until_remarks(house: BoxOffice, count: int) -> list[tuple[str, str | None, str | None]]:
    async with asyncio.timeout(20):
        while True:
            if len(found := await remarks(house)) == count:
                return found
            await asyncio.sleep(0.02)


async def test_a_walk_in_has_no_owner_and_no_limit(house: BoxOffice) -> None:
    booked = await house.book(house.staff, "A1", "A2", "A3")
    held = await house.hold(house.staff, quantity=4)
    for booking in (booked, held):
        assert booking["user_id"] is None
        assert await house.seen(house.staff, booking) == booking
        assert code(await house.ada.get(f"/api/bookings/{booking['id']}")) == (403, "not_yours")
    assert (await house.staff.get("/api/me/bookings")).json()["items"] == []
    assert (await house.do(house.staff, held, "confirm")).json()["user_id"] is None
    assert (await house.do(house.staff, held, "cancel")).json()["status"] == "cancelled"
    stored = await house.server.sql("SELECT DISTINCT user_id FROM bookings")
    assert [row["user_id"] for row in stored] == [0]


async def test_staff_have_a_hundred_seats_in_a_request(house: BoxOffice) -> None:
    house.show_id = await house.another_show(layout=None, total_seats=150)
    labels = [str(n) for n in range(1, 151)]
    assert len((await house.book(house.staff, *labels[:100]))["seats"]) == 100
    for client, most in ((house.staff, 100), (house.ada, 10)):
        for wanted in ({"seats": labels[: most + 1]}, {"quantity": most + 1}):
            refused = await house.refused_seats(client, "holds", **wanted)
            assert refused["code"] == "too_many_seats"
            assert f"At most {most} seats" in refused["detail"]
    assert len((await house.hold(house.staff, quantity=50))["seats"]) == 50


async def test_a_customers_limit_holds_unless_staff_lift_it(house: BoxOffice) -> None:
    await house.book(house.staff, "A1", "A2", user_id=ADA)
    refused = await house.refused_seats(house.staff, "bookings", seats=["A3"], user_id=ADA)
    assert refused["code"] == "limit_exceeded"
    lifted = await house.book(house.staff, "A3", user_id=ADA, lift_limit=True)
    assert lifted["user_id"] == ADA
    for call in ("bookings", "holds"):
        refused = await house.refused_seats(house.ada, call, seats=["A4"], lift_limit=True)
        assert refused["code"] == "forbidden"


async def test_staff_hold_for_days_and_customers_for_minutes(house: BoxOffice) -> None:
    held = await house.hold(house.staff, "A1", hold_s=30 * 86_400)
    assert held["expires_at"] > held["created_at"]
    refused = await house.staff.post(
        f"/api/shows/{house.show_id}/holds", json={"seats": ["A2"], "hold_s": 30 * 86_400 + 1}
    )
    assert (code(refused), fields_at_fault(refused)) == ((400, "validation"), ["hold_s"])
    refused = await house.ada.post(f"/api/shows/{house.show_id}/holds", json={"seats": ["A2"], "hold_s": 901})
    assert (code(refused), fields_at_fault(refused)) == ((400, "validation"), ["hold_s"])


@pytest.mark.parametrize("call", ["bookings", "holds"])
@pytest.mark.parametrize("field", [{"note": "x"}, {"paid": "card"}, {"user_id": BOB}, {"lift_limit": True}])
async def test_what_is_for_staff_is_forbidden_to_customers(
    house: BoxOffice, call: str, field: dict[str, Any]
) -> None:
    assert (await house.refused_seats(house.ada, call, seats=["A1"], **field))["code"] == "forbidden"
    assert await remarks(house) == []


@pytest.mark.parametrize(
    ("field", "value"), [("note", "x" * 501), ("note", "a\x00b"), ("paid", "cheque"), ("paid", "")]
)
async def test_invalid_remarks_are_refused(house: BoxOffice, field: str, value: str) -> None:
    refused = await house.refused_seats(house.staff, "bookings", seats=["A1"], **{field: value})
    assert [error["field"] for error in refused["errors"]] == [field]


async def test_remarks_are_shown_to_staff_and_never_to_customers(house: BoxOffice) -> None:
    booked = await house.book(house.staff, "A1", user_id=ADA, **REMARK)
    noted = await house.hold(house.staff, "A2", user_id=ADA, note="Back later")
    assert {**booked, **REMARK} == booked
    assert ("note" in noted, "paid" in noted) == (True, False)
    assert await house.seen(house.staff, booked) == booked
    listed = (await house.staff.get(f"/api/users/{ADA}/bookings")).json()["items"]
    assert listed == [noted, booked]
    decided = booked["decided"]
    command = f"/api/commands/{decided['partition']}-{decided['offset']}"
    assert (await house.staff.get(command)).json()["booking"] == booked
    plain = {name: value for name, value in booked.items() if name not in REMARK}
    assert await house.seen(house.ada, booked) == plain
    assert plain in (await house.ada.get("/api/me/bookings")).json()["items"]
    assert (await house.ada.get(command)).json()["booking"] == plain


async def test_changes_by_staff_show_the_remark(house: BoxOffice) -> None:
    held = await house.hold(house.staff, "A1", user_id=ADA, **REMARK)
    changes: tuple[tuple[str, dict[str, list[str]]], ...] = (
        ("seats", {"seats": ["A2"]}),
        ("confirm", {}),
        ("cancel", {}),
    )
    for change, body in changes:
        answer = await house.staff.post(f"/api/bookings/{held['id']}/{change}", json=body)
        assert answer.status_code == 200, answer.text
        assert {name: answer.json().get(name) for name in REMARK} == REMARK
    unknown = await house.staff.post(f"/api/bookings/{UNKNOWN}/confirm")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_the_log_has_no_remark(house: BoxOffice) -> None:
    await house.book(house.staff, "A1", user_id=ADA, note="Lovelace", paid="card")
    rows = await house.server.sql("SELECT command, answer FROM decisions")
    assert not any(b"Lovelace" in row["command"] + row["answer"] for row in rows)
    assert any(b'"noted":true' in row["command"] for row in rows)


async def test_a_repeat_has_the_remark_of_its_booking(house: BoxOffice) -> None:
    path, key = f"/api/shows/{house.show_id}/bookings", {"Idempotency-Key": "k"}
    body = {"seats": ["A1"], **REMARK}
    answers = [await house.staff.post(path, json=body, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert answers[2].headers["idempotency-replayed"] == "true"
    assert await remarks(house) == [(answers[0].json()["id"], *REMARK.values())]


@pytest.mark.parametrize("seats", [["A1"], ["A8"]], ids=["accepted", "refused"])
@pytest.mark.parametrize(
    "other",
    [{"note": "Another"}, {"paid": "card"}, {"note": None}, {"paid": None}, {"note": "", "paid": None}],
)
async def test_a_key_with_another_remark_is_reused(
    house: BoxOffice, seats: list[str], other: dict[str, Any]
) -> None:
    await house.book(house.bob, "A8")
    path, key = f"/api/shows/{house.show_id}/bookings", {"Idempotency-Key": "k"}
    body = {"seats": seats, **REMARK}
    first = await house.staff.post(path, json=body, headers=key)
    assert first.status_code == (201 if seats == ["A1"] else 409)
    for prefer in ("wait=10", "respond-async"):
        reused = await house.staff.post(path, json=body | other, headers=key | {"Prefer": prefer})
        if prefer == "wait=10" or all(value for value in other.values()):
            assert code(reused) == (422, "key_reused")
        # Where the command differs, its decision says so.
    again = await house.staff.post(path, json=body, headers=key)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (first.status_code, "true")
    assert len(await until_remarks(house, 1)) == 1


async def test_of_concurrent_requests_with_one_key_and_two_remarks_one_is_made(house: BoxOffice) -> None:
    path = f"/api/shows/{house.show_id}/bookings"
    for n in range(1, 9):
        key = {"Idempotency-Key": f"both-{n}"}
        notes = ("one", "two")
        answers = await asyncio.gather(
            *(house.staff.post(path, json={"seats": [f"B{n}"], "note": note}, headers=key) for note in notes)
        )
        assert sorted(answer.status_code for answer in answers) == [201, 422]
        made = next(answer.json() for answer in answers if answer.status_code == 201)
        assert (made["id"], made["note"], None) in await remarks(house)
    assert len(await remarks(house)) == 8


async def test_a_refused_request_leaves_no_remark(house: BoxOffice) -> None:
    await house.book(house.bob, "A1")
    assert (await house.refused_seats(house.staff, "bookings", seats=["A1"], **REMARK))[
        "code"
    ] == "seat_taken"
    assert await remarks(house) == []
    missing = await house.staff.post("/api/shows/999/bookings", json={"seats": ["A1"], **REMARK})
    assert code(missing) == (404, "not_found")
    nobody = await house.refused_seats(house.staff, "holds", seats=["A2"], user_id=424242, **REMARK)
    assert nobody["code"] == "validation"
    assert await remarks(house) == []


async def test_a_request_that_is_not_waited_for_keeps_its_remark(house: BoxOffice) -> None:
    path, key = f"/api/shows/{house.show_id}/bookings", {"Idempotency-Key": "k", "Prefer": "respond-async"}
    body = {"seats": ["A1"], **REMARK}
    answers = [await house.staff.post(path, json=body, headers=key) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    fates = [
        (await house.staff.get(answer.headers["location"], headers={"Prefer": "wait=20"})).json()
        for answer in answers
    ]
    [(booking_id, *remark)] = await until_remarks(house, 1)
    assert remark == [*REMARK.values()]
    assert {fate["booking"]["id"] for fate in fates} == {booking_id}
    assert {**fates[0]["booking"], **REMARK} == await house.seen(house.staff, fates[0]["booking"])
    refused = await house.staff.post(
        path, json={"seats": ["A1"], **REMARK}, headers={"Prefer": "respond-async"}
    )
    assert refused.status_code == 202
    assert len(await until_remarks(house, 1)) == 1


async def test_remarks_without_a_booking_are_deleted_after_a_week(house: BoxOffice) -> None:
    booked = await house.book(house.staff, "A1", **REMARK)
    for age in ("8 days", "6 days"):
        await house.server.sql(
            "INSERT INTO booking_remarks (booking_id, note, staff_id, created_at)"
            " VALUES (gen_random_uuid(), $1, 1, now() - $2::text::interval)", age, age,
        )  # fmt: skip
    await house.server.sql(
        "UPDATE booking_remarks SET created_at = now() - interval '1 year' WHERE paid = 'cash'"
    )
    assert house.server.settings.database_url is not None
    pool = await postgres.create_pool(house.server.settings.database_url, "test", min_size=1, max_size=1)
    await Remarks(pool).delete_unused()
    await pool.close()
    left = await remarks(house)
    assert (booked["id"], *REMARK.values()) in left
    assert [note for _, note, _ in left if note != REMARK["note"]] == ["6 days"]


async def test_notes_are_deleted_with_the_account_of_the_customer(house: BoxOffice) -> None:
    await house.server.sql("SELECT setval(pg_get_serial_sequence('users', 'user_id'), 100)")
    async with house.server.client() as erased:
        user_id = (await sign_up(erased))["id"]
        theirs = await house.book(house.staff, "A1", user_id=user_id, **REMARK)
        others = await house.book(house.staff, "A2", user_id=ADA, **REMARK)
        erased.headers.update(bearer((await log_in(erased))["access"]))
        gone = await erased.request("DELETE", "/api/me", json={"password": PASSWORD})
        assert gone.status_code == 204, gone.text
    assert sorted(await remarks(house)) == sorted(
        [(theirs["id"], None, "cash"), (others["id"], *REMARK.values())]
    )
    assert "note" not in await house.seen(house.staff, theirs)


async def test_the_price_limit_is_in_the_currency_of_the_show(house: BoxOffice) -> None:
    for limit in (600, 999, {"amount": 999, "currency": "EUR"}):
        cheap = await house.hold(house.ada, quantity=1, max_price=limit)
        assert cheap["total"]["amount"] == 600
        await house.do(house.ada, cheap, "cancel")
    assert (await house.refused_seats(house.ada, "holds", quantity=1, max_price=599))[
        "code"
    ] == "not_enough_seats"
    dollars = {"amount": 999, "currency": "USD"}
    refused = await house.refused_seats(house.ada, "holds", quantity=1, max_price=dollars)
    assert [error["field"] for error in refused["errors"]] == ["max_price.currency"]
    for wrong in (-1, 1.5, "600", {"amount": 5}):
        refused = await house.refused_seats(house.ada, "holds", quantity=1, max_price=wrong)
        assert refused["errors"][0]["field"].startswith("max_price")
    refused = await house.refused_seats(house.ada, "holds", seats=["C1"], max_price=600)
    assert [error["field"] for error in refused["errors"]] == ["max_price"]
    missing = await house.ada.post("/api/shows/999/holds", json={"quantity": 1, "max_price": 5})
    assert code(missing) == (404, "not_found")


async def test_staff_sell_over_the_socket_as_over_http(house: BoxOffice) -> None:
    async with live(house.server, user_id=STAFF, role="staff") as socket:
        walk_in = await socket.ask(type="book", show_id=house.show_id, seats=["A1"], **REMARK, key="k")
        assert walk_in["booking"]["user_id"] is None
        assert {**walk_in["booking"], **REMARK} == walk_in["booking"]
        again = await socket.ask(type="book", show_id=house.show_id, seats=["A1"], **REMARK, key="k")
        assert (again["booking"], again["replayed"]) == (walk_in["booking"], True)
        reused = await socket.ask(
            type="book", show_id=house.show_id, seats=["A1"], note="Another", paid="cash", key="k"
        )
        assert reused["problem"]["code"] == "key_reused"
        cheap = await socket.ask(type="hold", show_id=house.show_id, quantity=1, max_price=600, hold_s=5000)
        assert cheap["booking"]["total"]["amount"] == 600
    assert [note for _, note, _ in await remarks(house)] == [REMARK["note"]]
    async with live(house.server, user_id=ADA) as socket:
        for fields in (REMARK, {"lift_limit": True}, {"user_id": BOB}):
            refused = await socket.ask(type="hold", show_id=house.show_id, seats=["A2"], **fields)
            assert refused["problem"]["code"] == "forbidden"
