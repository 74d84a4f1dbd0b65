"""Tickets at the door: scans, repeats, late scans and undone check-ins, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

import asyncpg
import pytest

from ops.retention.used_ids import delete_scans
from runtime.settings import Settings
from tests.integration.box_office import BoxOffice, code, fields_at_fault
from tests.integration.door import door, scan, soon, ticket, undo
from tests.integration.gateway_server import KEYS, serving


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open(starts_at=soon(hours=1))
        yield house
        await house.close()


async def test_a_ticket_is_valid_once(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    first = await scan(house, ticket(booking, "A2"), show_id=house.show_id, gate="north")
    assert (first["result"], first["seat"], first["gate"]) == ("valid", "A2", "north")
    assert (first["booking"]["id"], first["booking"]["status"]) == (booking["id"], "confirmed")
    again = await scan(house, ticket(booking, "A2"), gate="south")
    assert again["result"] == "already_used"
    assert (again["used_at"], again["gate"]) == (first["used_at"], "north")
    assert (await scan(house, ticket(booking, "A1")))["result"] == "valid"
    assert await door(house) == {
        "show_id": house.show_id,
        "sold": 2,
        "checked_in": 2,
        "conflicts": [],
    }


async def test_exactly_one_of_many_scans_at_once_is_valid(house: BoxOffice) -> None:
    token = ticket(await house.book(house.ada, "A1"), "A1")
    results = await asyncio.gather(*[scan(house, token, gate=f"g{n}") for n in range(20)])
    assert sorted(one["result"] for one in results) == ["already_used"] * 19 + ["valid"]
    [winner] = [one for one in results if one["result"] == "valid"]
    assert {(one["used_at"], one["gate"]) for one in results} == {(winner["used_at"], winner["gate"])}


async def test_the_same_scan_asked_again_gets_the_same_answer(house: BoxOffice) -> None:
    token = ticket(await house.book(house.ada, "A1"), "A1")
    first = await scan(house, token, nonce="n1", gate="north", at=soon(seconds=-2))
    other_account = house.server.client(3, "staff")
    await house.server.add_users(3)
    for client, fields in (
        (house.staff, {"nonce": "n1"}),
        (house.staff, {"nonce": "n1", "at": soon(seconds=-1), "gate": "south", "show_id": house.show_id + 1}),
        (other_account, {"nonce": "n1"}),
    ):
        answer = await client.post("/api/checkin", json={"token": f" {token.lower()}\r\n"} | fields)
        assert (answer.status_code, answer.json()) == (200, first)
        assert answer.headers["idempotency-replayed"] == "true"
    await other_account.aclose()
    assert (await scan(house, token, nonce="n2"))["result"] == "already_used"
    assert (await scan(house, token))["result"] == "already_used"
    assert (await door(house))["conflicts"] == []


async def test_a_scan_without_a_nonce_takes_an_idempotency_key(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    headers = {"Idempotency-Key": "k1"}
    for _ in range(2):
        answer = await house.staff.post(
            "/api/checkin", json={"token": ticket(booking, "A1")}, headers=headers
        )
        assert answer.json()["result"] == "valid"
    other = await house.staff.post("/api/checkin", json={"token": ticket(booking, "A2")}, headers=headers)
    assert code(other) == (422, "key_reused")


async def test_a_late_scan_has_the_time_of_its_device_but_none_after_log_time(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    await asyncio.sleep(0.05)
    at = soon(seconds=-0.02)
    past = await scan(house, ticket(booking, "A1"), at=at)
    assert abs(_time(past["used_at"]) - _time(at)).total_seconds() < 0.001
    ahead = await scan(house, ticket(booking, "A2"), at=soon(days=3))
    assert ahead["result"] == "valid"
    assert _time(ahead["used_at"]) < _time(soon(hours=1))


async def test_a_late_scan_of_a_used_seat_is_a_listed_conflict(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    token = ticket(booking, "A1")
    first = await scan(house, token, gate="north")
    late = await scan(house, token, gate="south", at=soon(minutes=-1), nonce="x")
    assert (late["result"], late["used_at"], late["gate"]) == ("already_used", first["used_at"], "north")
    assert await scan(house, token, gate="south", at=soon(minutes=-1), nonce="x") == late
    state = await door(house)
    [conflict] = state["conflicts"]
    assert (state["sold"], state["checked_in"]) == (1, 1)
    assert {key: conflict[key] for key in ("booking_id", "seat", "used_at", "used_gate", "gate")} == {
        "booking_id": booking["id"],
        "seat": "A1",
        "used_at": first["used_at"],
        "used_gate": "north",
        "gate": "south",
    }
    assert _time(conflict["at"]) < _time(first["used_at"])


async def test_a_check_in_is_undone_and_decided_answers_stay(house: BoxOffice) -> None:
    token = ticket(await house.book(house.ada, "A1"), "A1")
    assert (await undo(house, token))["result"] == "not_checked_in"
    first = await scan(house, token, nonce="n1")
    undone = await undo(house, token, nonce="u1")
    assert (undone["result"], undone["seat"]) == ("undone", "A1")
    assert await undo(house, token, nonce="u1") == undone
    assert (await door(house))["checked_in"] == 0
    assert await scan(house, token, nonce="n1") == first, "a decided scan never changes"
    assert (await scan(house, token, nonce="n2"))["result"] == "valid"


async def test_tickets_of_other_shows_and_days_are_named_so(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    wrong = await scan(house, ticket(booking, "A1"), show_id=house.show_id + 1)
    assert (wrong["result"], wrong["booking"]["show_id"]) == ("wrong_show", house.show_id)
    await house.change_show(starts_at=soon(hours=12, minutes=5))
    assert (await scan(house, ticket(booking, "A1")))["result"] == "wrong_day"
    await house.change_show(starts_at=soon(hours=11, minutes=55))
    assert (await scan(house, ticket(booking, "A1")))["result"] == "valid"


async def test_tickets_are_valid_until_six_hours_after_the_running_time(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    [movie] = await house.server.sql("UPDATE movies SET duration_minutes = 60 RETURNING movie_id")
    await house.change_show(starts_at=soon(hours=-7, minutes=-1), past=True)
    assert (await scan(house, ticket(booking, "A1")))["result"] == "wrong_day"
    await house.server.sql("UPDATE movies SET duration_minutes = 90 WHERE movie_id = $1", movie[0])
    assert (await scan(house, ticket(booking, "A1")))["result"] == "valid"


async def test_cancelled_bookings_and_old_seats_are_not_let_in(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    await house.move(house.ada, booking, "A1", "A3")
    assert (await scan(house, ticket(booking, "A2")))["result"] == "invalid"
    assert (await scan(house, ticket(booking, "A3")))["result"] == "valid"
    assert code(await house.move(house.staff, booking, "A1", "A4")) == (409, "checked_in")
    assert (await house.do(house.staff, booking, "cancel")).status_code == 200
    cancelled = await scan(house, ticket(booking, "A1"))
    assert (cancelled["result"], cancelled["booking"]["status"]) == ("cancelled", "cancelled")
    assert (await undo(house, ticket(booking, "A3")))["result"] == "cancelled"
    assert (await door(house))["checked_in"] == 0
    held = await house.hold(house.ada, "B1")
    assert (await scan(house, ticket(held, "B1")))["result"] == "invalid"
    await house.book(house.bob, "B2")
    await house.manage("cancel")
    assert (await door(house))["sold"] in (0, 1), "its bookings are cancelled soon"


@pytest.mark.parametrize("token", ["BCD", "x", "aisle:1:2", "    ", "https://example.org", "🎭", "B" * 1500])
async def test_what_is_no_ticket_is_invalid(house: BoxOffice, token: str) -> None:
    assert await scan(house, token) == {"result": "invalid"}
    assert await undo(house, token) == {"result": "invalid"}


async def test_a_ticket_that_was_tampered_with_is_invalid(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    token = ticket(booking, "A1")
    other = "C" if token[60] == "B" else "B"
    assert await scan(house, f"{token[:60]}{other}{token[61:]}") == {"result": "invalid"}


async def test_unsigned_codes_are_valid_for_bookings_confirmed_before_signing(house: BoxOffice) -> None:
    old, held = await house.book(house.ada, "A1"), await house.hold(house.ada, "A2")
    await house.server.sql("DELETE FROM ticket_signing")
    await house.server.sql(
        "WITH begun AS (INSERT INTO ticket_signing (since_ms)"
        " SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint + 1 RETURNING 1)"
        " INSERT INTO held_at_signing SELECT booking_id FROM bookings WHERE status = 'held'"
    )
    await asyncio.sleep(0.01)
    await house.do(house.ada, held, "confirm")
    new = await house.book(house.ada, "A3")
    results = [
        (await scan(house, f"aisle:{one['id']}:{label}"))["result"]
        for one, label in ((old, "a1"), (held, "A2"), (new, "A3"), (old, "A9"))
    ]
    assert results == ["valid", "invalid", "invalid", "invalid"]
    assert (await scan(house, ticket(old, "A1")))["result"] == "already_used"


async def test_unsigned_codes_end_with_their_show(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    await house.server.sql("UPDATE ticket_signing SET since_ms = since_ms + 3600000")
    await house.server.sql("UPDATE movies SET duration_minutes = 60")
    await house.change_show(starts_at=soon(minutes=-61), past=True)
    assert (await scan(house, f"aisle:{booking['id']}:A1"))["result"] == "invalid"
    assert (await scan(house, ticket(booking, "A1")))["result"] == "valid"


async def test_only_staff_work_the_door(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1")
    body = {"token": ticket(booking, "A1")}
    nobody = house.server.client()
    for client, status in ((house.ada, 403), (nobody, 401)):
        assert (await client.post("/api/checkin", json=body)).status_code == status
        assert (await client.post("/api/checkin/undo", json=body)).status_code == status
        assert (await client.get(f"/api/shows/{house.show_id}/checkin")).status_code == status
    await nobody.aclose()
    assert code(await house.staff.get("/api/shows/999999/checkin")) == (404, "not_found")
    assert (await scan(house, body["token"]))["result"] == "valid"


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"token": ""}, "token"),
        ({"token": "a\x00b"}, "token"),
        ({"gate": "Gate of Ada"}, "gate"),
        ({"at": "2026-11-01T10:00:00"}, "at"),
        ({"nonce": "two words"}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"show_id": 0}, "show_id"),
        ({"seat": "A1"}, "seat"),
    ],
)
async def test_bad_fields_are_named(house: BoxOffice, fields: dict[str, Any], at_fault: str) -> None:
    answer = await house.staff.post("/api/checkin", json={"token": "BC"} | fields)
    assert code(answer) == (400, "validation")
    assert fields_at_fault(answer) == [at_fault]


async def test_an_undecided_scan_is_answered_202_and_decided(house: BoxOffice) -> None:
    token = ticket(await house.book(house.ada, "A1"), "A1")
    answer = await house.staff.post(
        "/api/checkin", json={"token": token, "nonce": "n"}, headers={"Prefer": "respond-async"}
    )
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    followed = await house.staff.get(answer.headers["location"], headers={"Prefer": "wait=20"})
    assert followed.json()["status"] == "accepted"
    assert (await scan(house, token, nonce="n"))["result"] == "valid"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_old_scans_are_deleted_and_newer_ones_stay(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    await scan(house, ticket(booking, "A1"))
    await house.server.sql("UPDATE check_ins SET decided_ms = 1000")
    await scan(house, ticket(booking, "A2"))
    assert house.server.settings.database_url is not None
    connection = await asyncpg.connect(house.server.settings.database_url)
    try:
        assert await delete_scans(connection, 1_000) == 0
        assert await delete_scans(connection, 2_000) == 1
    finally:
        await connection.close()
    assert [row["seat"] for row in await house.server.sql("SELECT seat FROM check_ins")] == ["A2"]
    again = await scan(house, ticket(booking, "A1"))
    assert (again["result"], "gate" in again) == ("already_used", False)
