"""Staff commands on a show, over HTTP, with a real database, log and seat worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.catalogue import show_changes
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import a_show, add_movie, add_show, ids, until_shown

CALLS = ("close", "reopen", "cancel", "block", "unblock")


@pytest.fixture
def make_settings(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> Callable[[], Settings]:
    return lambda: settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=3)


@pytest.fixture
async def server(make_settings: Callable[[], Settings]) -> AsyncIterator[Server]:
    async with serving(make_settings()) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


@pytest.fixture
async def customer(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(5) as client:
        yield client


@pytest.fixture
async def path(staff: httpx.AsyncClient) -> str:
    show = await add_show(staff, await add_movie(staff))
    return f"/api/shows/{show['id']}"


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def book(customer: httpx.AsyncClient, path: str, *seats: str) -> httpx.Response:
    return await customer.post(f"{path}/bookings", json={"seats": seats})


async def test_a_closed_show_takes_no_bookings_until_it_is_reopened(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, path: str
) -> None:
    for _ in range(2):
        closed = await staff.post(f"{path}/close")
        assert (closed.status_code, closed.json()["status"]) == (200, "closed")
        assert closed.json() == (await customer.get(path)).json()
        assert code(await book(customer, path, "1")) == (409, "show_closed")
    for _ in range(2):
        reopened = await staff.post(f"{path}/reopen", json={})
        assert (reopened.status_code, reopened.json()["status"]) == (200, "on_sale")
    assert (await book(customer, path, "1")).status_code == 201


async def test_a_cancelled_show_has_its_bookings_cancelled_and_stays_so(
    staff: httpx.AsyncClient, customer: httpx.AsyncClient, path: str
) -> None:
    booking = (await book(customer, path, "1", "2")).json()
    cancelled = await staff.post(f"{path}/cancel")
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    await until_shown(customer, f"/api/bookings/{booking['id']}", status="cancelled")
    for call in ("cancel", "close", "reopen"):
        assert code(await staff.post(f"{path}/{call}")) == (409, "show_cancelled")
    assert code(await staff.patch(path, json={"screen_name": "Other"})) == (409, "show_cancelled")
    shown = (await customer.get(path)).json()
    assert (shown["status"], shown["screen_name"]) == ("cancelled", "Hall 1")
    assert code(await book(customer, path, "1")) == (409, "show_cancelled")


async def test_times_screen_and_limit_change_and_the_seats_stay(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, path: str
) -> None:
    before = (await staff.get(path)).json()
    assert (await book(customer, path, "1")).status_code == 201
    changes: dict[str, Any] = {
        "starts_at": "2098-07-02T21:00:00+02:00",
        "screen_name": "Hall 2",
        "timezone": "Europe/Paris",
        "seats_per_customer": 2,
        "sales_start_at": "2098-01-01T00:00:00Z",
        "sales_end_at": "2098-07-01T00:00:00Z",
    }
    answer = await staff.patch(path, json=changes)
    shown = before | changes | {"status": "scheduled", "available_seats": 49}
    for name in ("starts_at", "sales_start_at", "sales_end_at"):
        shown[name] = answer.json()[name]
    assert answer.json() == shown
    assert answer.json()["starts_at"] == "2098-07-02T19:00:00.000Z"
    assert (await customer.get(path)).json() == shown
    assert code(await book(customer, path, "2")) == (409, "not_on_sale")
    assert await ids(staff, "/api/shows?from=2098-07-02&to=2098-07-02") == [before["id"]]
    assert await ids(staff, "/api/shows?to=2098-06-30") == []
    again = await staff.patch(path, json={"sales_start_at": None, "sales_end_at": None})
    assert again.json() == shown | {"sales_start_at": None, "sales_end_at": None, "status": "on_sale"}
    assert code(await book(customer, path, "2", "3")) == (409, "limit_exceeded")
    assert (await staff.patch(path, json={})).json() == again.json()
    (stored,) = await server.sql("SELECT starts_at, seats_per_customer, sales_start_at FROM shows")
    assert (stored["starts_at"].day, stored["seats_per_customer"], stored["sales_start_at"]) == (2, 2, None)


async def test_a_field_that_cannot_be_changed_is_named(staff: httpx.AsyncClient, path: str) -> None:
    before = (await staff.get(path)).json()
    bad: list[tuple[dict[str, Any], str]] = [
        ({"total_seats": 60}, "total_seats"),
        ({"layout": {}}, "layout"),
        ({"movie_id": 2}, "movie_id"),
        ({"price": {"amount": 1, "currency": "EUR"}}, "price"),
        ({"status": "closed"}, "status"),
        ({"starts_at": None}, "starts_at"),
        ({"starts_at": "tomorrow"}, "starts_at"),
        ({"starts_at": "9999-12-31T23:59:59Z"}, "starts_at"),
        ({"screen_name": " "}, "screen_name"),
        ({"timezone": "Paris"}, "timezone"),
        ({"seats_per_customer": 0}, "seats_per_customer"),
        ({"seats_per_customer": 10_001}, "seats_per_customer"),
        ({"sales_start_at": "2098-06-01T20:00:00Z"}, "sales_start_at"),
        ({"sales_start_at": "2098-05-02T00:00:00Z", "sales_end_at": "2098-05-01T00:00:00Z"}, "sales_end_at"),
    ]
    for body, field in bad:
        answer = await staff.patch(path, json=body)
        assert code(answer) == (400, "validation"), body
        assert [error["field"] for error in answer.json()["errors"]] == [field], body
    assert (await staff.get(path)).json() == before


async def test_blocked_seats_are_not_for_sale_until_they_are_unblocked(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, path: str
) -> None:
    blocked = await staff.post(f"{path}/block", json={"seats": ["2", "3"], "note": "Camera\nposition"})
    assert (blocked.status_code, blocked.json()["available_seats"]) == (200, 48)
    refused = await book(customer, path, "1", "2", "3")
    assert (*code(refused), refused.json()["seats"]) == (409, "seat_blocked", ["2", "3"])
    again = await staff.post(f"{path}/block", json={"seats": ["3", "4"]})
    assert (again.status_code, again.json()["available_seats"]) == (200, 47)
    freed = await staff.post(f"{path}/unblock", json={"seats": ["2", "3", "50"]})
    assert (freed.status_code, freed.json()["available_seats"]) == (200, 49)
    assert (await book(customer, path, "2")).status_code == 201
    for call in ("block", "unblock"):
        taken = await staff.post(f"{path}/{call}", json={"seats": ["5", "2"]})
        assert (*code(taken), taken.json()["seats"]) == (409, "seat_taken", ["2"])
        unknown = await staff.post(f"{path}/{call}", json={"seats": ["5", "51", "x"]})
        assert (*code(unknown), unknown.json()["seats"]) == (400, "seat_unknown", ["51", "x"])
    assert (await staff.get(path)).json()["available_seats"] == 48, "all or none"
    notes = await server.sql("SELECT note, accepted FROM show_requests ORDER BY asked_at")
    assert [tuple(row) for row in notes][:2] == [("Camera\nposition", True), ("", True)]
    assert not any(row["accepted"] for row in notes[3:])
    first = (await staff.get(f"{path}/notes", params={"limit": 2})).json()
    assert [(item["action"], item["seats"], item["note"]) for item in first["items"]] == [
        ("unblock", ["2", "3", "50"], ""),
        ("block", ["3", "4"], ""),
    ]
    (item,) = (await staff.get(f"{path}/notes", params={"cursor": first["next_cursor"]})).json()["items"]
    assert (item["note"], item["user_id"], item["at"][:2]) == ("Camera\nposition", 1, "20")
    assert code(await customer.get(f"{path}/notes")) == (403, "forbidden")
    assert code(await staff.get("/api/shows/99/notes")) == (404, "not_found")
    assert code(await staff.get(f"{path}/notes?cursor=x")) == (400, "validation")
    log = await server.sql("SELECT body FROM log WHERE topic = 'aisle.commands'")
    assert not any(b"Camera" in row["body"] for row in log), "remarks stay out of the log"


async def test_invalid_lists_of_seats_are_rejected(staff: httpx.AsyncClient, path: str) -> None:
    bad: list[tuple[dict[str, Any], str]] = [
        ({}, "seats"),
        ({"seats": []}, "seats"),
        ({"seats": "1"}, "seats"),
        ({"seats": [1]}, "seats[0]"),
        ({"seats": ["1", ""]}, "seats[1]"),
        ({"seats": ["x" * 17]}, "seats[0]"),
        ({"seats": ["1", "2", "1"]}, "seats[2]"),
        ({"seats": ["1\n"]}, "seats[0]"),
        ({"seats": ["1"], "note": "x" * 501}, "note"),
        ({"seats": ["1"], "note": "a\0b"}, "note"),
        ({"seats": ["1"], "reason": "x"}, "reason"),
    ]
    for call in ("block", "unblock"):
        for body, field in bad:
            answer = await staff.post(f"{path}/{call}", json=body)
            assert code(answer) == (400, "validation"), body
            assert [error["field"] for error in answer.json()["errors"]] == [field], body


async def test_a_whole_layout_is_blocked_at_once(staff: httpx.AsyncClient) -> None:
    show = await add_show(staff, await add_movie(staff), total_seats=20_000)
    every = [str(number) for number in range(1, 20_001)]
    answer = await staff.post(f"/api/shows/{show['id']}/block", json={"seats": every})
    assert (answer.status_code, answer.json()["available_seats"]) == (200, 0)
    answer = await staff.post(f"/api/shows/{show['id']}/unblock", json={"seats": every})
    assert (answer.status_code, answer.json()["available_seats"]) == (200, 20_000)


async def test_staff_calls_are_for_staff_and_existing_shows(
    server: Server, staff: httpx.AsyncClient, path: str
) -> None:
    body = {"block": {"seats": ["1"]}, "unblock": {"seats": ["1"]}}
    async with server.client() as nobody, server.client(2) as customer:
        for client, expected in ((nobody, (401, "unauthenticated")), (customer, (403, "forbidden"))):
            for call in CALLS:
                assert code(await client.post(f"{path}/{call}", json=body.get(call))) == expected
            assert code(await client.patch(path, json={"screen_name": "x"})) == expected
    for number in ("99", "0", "2147483648"):
        for call in CALLS:
            answer = await staff.post(f"/api/shows/{number}/{call}", json=body.get(call))
            assert code(answer) == (404, "not_found"), (number, call)
        assert code(await staff.patch(f"/api/shows/{number}", json={})) == (404, "not_found")
    for call in ("close", "reopen", "cancel"):
        assert code(await staff.post(f"{path}/{call}", json={"why": "x"})) == (400, "validation")
        assert code(await staff.post(f"{path}/{call}?x=1")) == (400, "validation")
    assert (await staff.get(path)).json()["status"] == "on_sale"


async def test_a_key_makes_one_command_of_many_requests(
    server: Server, staff: httpx.AsyncClient, path: str
) -> None:
    wanted = {"screen_name": "Hall 9", "seats_per_customer": 3}
    answers = await asyncio.gather(
        *(staff.patch(path, json=wanted, headers={"Idempotency-Key": "a"}) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert sorted("idempotency-replayed" in answer.headers for answer in answers) == [False, True, True, True]
    block = {"seats": ["1", "2"], "note": "one"}
    first = await staff.post(f"{path}/block", json=block, headers={"Idempotency-Key": "b"})
    assert first.status_code == 200
    again = await staff.post(
        f"{path}/block", json=block | {"seats": ["2", "1"]}, headers={"Idempotency-Key": "b"}
    )
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    others: list[tuple[str, str, Any, str]] = [
        ("PATCH", path, wanted | {"screen_name": "Hall 8"}, "a"),
        ("PATCH", path, wanted | {"seats_per_customer": 4}, "a"),
        ("POST", f"{path}/close", None, "a"),
        ("POST", f"{path}/block", block | {"note": "two"}, "b"),
        ("POST", f"{path}/block", block | {"seats": ["1"]}, "b"),
        ("POST", f"{path}/unblock", block, "b"),
    ]
    for method, call, body, key in others:
        answer = await staff.request(method, call, json=body, headers={"Idempotency-Key": key})
        assert code(answer) == (422, "key_reused"), (call, body)
    shown = (await staff.get(path)).json()
    assert (shown["screen_name"], shown["seats_per_customer"], shown["status"]) == ("Hall 9", 3, "on_sale")
    assert (await staff.post(f"{path}/close", headers={"Idempotency-Key": "c"})).status_code == 200
    answer = await staff.patch(path, json={"screen_name": "Hall 7"}, headers={"Idempotency-Key": "c"})
    assert code(answer) == (422, "key_reused")
    assert (await staff.get(path)).json()["screen_name"] == "Hall 9", "the key was a closing's"


async def test_an_undecided_change_is_pending_and_completed_later_by_any_gateway(
    make_settings: Callable[[], Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_settings()
    async with serving(settings, worker=False) as server, server.client(1, "staff") as staff:
        created = await staff.post(
            "/api/shows", json=a_show(await add_movie(staff)), headers={"Prefer": "respond-async"}
        )
        path = f"/api/shows/{created.json()['show_id']}"
        wanted = {"screen_name": "Hall 5", "starts_at": "2098-08-01T20:00:00Z"}
        changed = await staff.patch(path, json=wanted, headers={"Prefer": "wait=1"})
        closed = await staff.post(f"{path}/close", headers={"Prefer": "respond-async"})
        for answer, applied in ((changed, "wait=1"), (closed, "respond-async")):
            assert (answer.status_code, answer.json()["status"]) == (202, "pending")
            assert answer.headers["location"] == f"/api/commands/{answer.json()['command']}"
            assert answer.headers["preference-applied"] == applied
            assert answer.headers["retry-after"]
            pending = await staff.get(answer.headers["location"])
            assert pending.json() == answer.json()
    # That gateway is gone: the next one, and a worker, find what was asked.
    monkeypatch.setattr(show_changes, "_SWEEP_EVERY_S", 0.1)
    monkeypatch.setattr(show_changes, "_ABANDONED_AFTER_S", 0.0)
    async with serving(settings) as server, server.client(1, "staff") as staff:
        for answer in (changed, closed):
            fate = await staff.get(answer.headers["location"], headers={"Prefer": "wait=10"})
            assert fate.json() == {"command": answer.json()["command"], "status": "accepted"}
        shown = await until_shown(staff, path, screen_name="Hall 5", status="closed")
        assert shown["starts_at"] == "2098-08-01T20:00:00.000Z"
        assert await ids(staff, "/api/shows?from=2098-08-01") == [shown["id"]]
