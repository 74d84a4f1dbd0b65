"""Bookings through real processes, on both logs: no seat sold twice, no booking lost."""

from __future__ import annotations

import asyncio
import io
import itertools
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pypdf

from tests.e2e.running import RunningAisle

NewUser = Callable[[], int]


async def test_a_booking_from_the_seat_map_to_the_ticket_in_the_inbox(aisle: RunningAisle) -> None:
    show_id = await aisle.make_show(20)
    async with httpx.AsyncClient(base_url=aisle.url, timeout=20) as client:
        login = await client.post("/api/login", json={"username": "demo", "password": "demopass1234"})
        client.headers["Authorization"] = f"Bearer {login.json()['access']}"
        booked = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["3", "2"]})
        assert booked.status_code == 201, booked.text
        booking = booked.json()
        assert booking["seats"] == ["2", "3"]
        assert booked.headers["location"] == f"/api/bookings/{booking['id']}"
        assert (await client.get(booked.headers["location"])).json() == booking
        seats = (await client.get(f"/api/shows/{show_id}/seats")).json()
        assert seats["states"] == "ass" + "a" * 17
        mine = (await client.get("/api/me/bookings", params={"limit": 1})).json()
        assert mine["items"] == [booking]
        email = await _email_about(client, booking["id"])
        tickets = [part for part in email["attachments"] if part["content_type"] == "application/pdf"]
        pdf = await client.get(tickets[0]["url"])
        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf.content)).pages)
        assert "2" in text
        cancelled = await client.post(f"/api/bookings/{booking['id']}/cancel")
        assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
        again = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["2"]})
        assert again.status_code == 201, "its seats are free again at once"


async def _email_about(client: httpx.AsyncClient, booking_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        emails = (await client.get("/inbox", params={"format": "json"})).json()["items"]
        for summary in emails:
            email: dict[str, Any] = (
                await client.get(f"/inbox/{summary['id']}", params={"format": "json"})
            ).json()
            if booking_id in str(email):
                return email
        await asyncio.sleep(0.2)
    raise AssertionError("no e-mail arrived")


async def test_no_seat_is_sold_twice_to_200_clients_at_once(aisle: RunningAisle, new_user: NewUser) -> None:
    show_id = await aisle.make_show(40)
    clients = [aisle.client(new_user()) for _ in range(200)]
    try:
        answers = await asyncio.gather(
            *(
                client.post(f"/api/shows/{show_id}/bookings", json={"seats": [str(seat), str(seat + 1)]})
                for n, client in enumerate(clients)
                for seat in (1 + n % 39, 1 + (n * 7) % 39)
            )
        )
    finally:
        for client in clients:
            await client.aclose()
    sold = Counter(seat for answer in answers if answer.status_code == 201 for seat in answer.json()["seats"])
    assert set(sold.values()) == {1}
    assert {answer.status_code for answer in answers} == {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"seat_taken"}
    async with httpx.AsyncClient(base_url=aisle.url) as client:
        states = (await client.get(f"/api/shows/{show_id}/seats")).json()["states"]
    assert {str(n) for n, letter in enumerate(states, 1) if letter == "s"} == set(sold)


async def test_the_same_key_at_the_same_moment_books_once(
    aisle: RunningAisle, customer: httpx.AsyncClient
) -> None:
    show_id = await aisle.make_show(20)
    path, key = f"/api/shows/{show_id}/bookings", {"Idempotency-Key": uuid4().hex}
    answers = await asyncio.gather(
        *(customer.post(path, json={"seats": seats}, headers=key) for seats in (["1", "2"], ["2", "1"]) * 10)
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1, "the same answer for all"
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    other = await customer.post(path, json={"seats": ["3"]}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    refused = [
        await customer.post(path, json={"seats": ["1"]}, headers={"Idempotency-Key": "k2"}) for _ in range(2)
    ]
    assert [answer.json()["code"] for answer in refused] == ["seat_taken"] * 2
    assert refused[1].headers["idempotency-replayed"] == "true"


async def test_a_request_without_waiting_returns_a_position_to_poll(
    aisle: RunningAisle, customer: httpx.AsyncClient, new_user: NewUser
) -> None:
    show_id = await aisle.make_show(20)
    path = f"/api/shows/{show_id}/bookings"
    answer = await customer.post(path, json={"seats": ["1"]}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert answer.headers["location"] == f"/api/commands/{answer.json()['command']}"
    status = await customer.get(answer.headers["location"], headers={"Prefer": "wait=10"})
    assert status.json()["status"] == "accepted"
    assert (await customer.get(f"/api/bookings/{status.json()['booking']['id']}")).json() == status.json()[
        "booking"
    ]
    async with aisle.client(new_user()) as somebody:
        assert (await somebody.get(answer.headers["location"])).status_code == 404
        assert (await somebody.get(f"/api/bookings/{status.json()['booking']['id']}")).status_code == 403
        taken = await somebody.post(path, json={"seats": ["1"]}, headers={"Prefer": "respond-async"})
        status = await somebody.get(taken.headers["location"], headers={"Prefer": "wait=10"})
        assert (status.json()["status"], status.json()["problem"]["code"]) == ("refused", "seat_taken")


async def test_a_hold_is_confirmed_released_or_runs_out(
    aisle: RunningAisle, customer: httpx.AsyncClient, new_user: NewUser
) -> None:
    show_id = await aisle.make_show(20)
    holds = f"/api/shows/{show_id}/holds"
    held = (await customer.post(holds, json={"seats": ["1"], "hold_s": 30})).json()
    assert held["status"] == "held"
    assert held["expires_at"] > held["created_at"]
    assert (await customer.get(f"/api/shows/{show_id}/seats")).json()["states"][:2] == "ha"
    async with aisle.client(new_user()) as somebody:
        taken = await somebody.post(holds, json={"seats": ["1"]})
        assert (taken.status_code, taken.json()["code"]) == (409, "seat_taken")
        assert (await somebody.post(f"/api/bookings/{held['id']}/confirm")).status_code == 403
    confirmed = await customer.post(f"/api/bookings/{held['id']}/confirm")
    assert (confirmed.status_code, confirmed.json()["status"], confirmed.json()["expires_at"]) == (
        200,
        "confirmed",
        None,
    )
    again = await customer.post(f"/api/bookings/{held['id']}/confirm")
    assert (again.status_code, again.json()["code"]) == (409, "already_confirmed")
    other = (await customer.post(holds, json={"quantity": 2})).json()
    released = await customer.delete(f"/api/bookings/{other['id']}")
    assert (released.status_code, released.json()["status"]) == (200, "released")
    assert (await customer.post(f"/api/bookings/{other['id']}/confirm")).json()["code"] == "already_cancelled"


async def test_the_best_seats_are_found_for_a_quantity(
    aisle: RunningAisle, customer: httpx.AsyncClient
) -> None:
    show_id = await aisle.make_show(9)
    path = f"/api/shows/{show_id}/bookings"
    assert (await customer.post(path, json={"quantity": 3})).json()["seats"] == ["4", "5", "6"]
    assert (await customer.post(path, json={"quantity": 4})).json()["code"] == "not_enough_seats"
    apart = await customer.post(path, json={"quantity": 4, "adjacent": False})
    assert apart.json()["seats"] == ["1", "2", "3", "7"]
    for body in (
        {"quantity": 0},
        {"quantity": 11},
        {"quantity": 1, "seats": ["9"]},
        {"seats": ["9"], "adjacent": True},
    ):
        assert (await customer.post(path, json=body)).status_code == 400, body
    assert (await customer.post(path, json={"quantity": 1, "section": "Balcony"})).json()[
        "code"
    ] == "seat_unknown"


async def test_a_booking_is_readable_directly_after_its_201(
    aisle: RunningAisle, customer: httpx.AsyncClient
) -> None:
    show_id = await aisle.make_show(200)

    async def book_and_look(seat: int) -> None:
        booked = await customer.post(f"/api/shows/{show_id}/bookings", json={"seats": [str(seat)]})
        assert booked.status_code == 201
        found, seats = await asyncio.gather(
            customer.get(booked.headers["location"]), customer.get(f"/api/shows/{show_id}/seats")
        )
        assert found.json() == booked.json()
        assert seats.json()["states"][seat - 1] == "s"
        assert seats.json()["version"] >= booked.json()["decided"]["offset"]

    await asyncio.gather(*(book_and_look(seat) for seat in range(1, 101)))


async def test_a_worker_killed_under_load_loses_and_repeats_nothing(
    aisle: RunningAisle, new_user: NewUser
) -> None:
    show_ids = [await aisle.make_show(5_000) for _ in range(3)]
    seen: dict[str, httpx.Response] = {}
    stop = time.monotonic() + 5

    async def book_on(client: httpx.AsyncClient, number: int) -> None:
        for n in itertools.count():
            if time.monotonic() > stop:
                return
            seat, show_id = str(1 + number + 16 * n), show_ids[n % 3]
            key = f"{show_id}/{seat}"
            headers = {"Idempotency-Key": key, "Prefer": "wait=20"}
            path = f"/api/shows/{show_id}/bookings"
            answer = await client.post(path, json={"seats": [seat]}, headers=headers)
            if n % 5 == 0:
                again = await client.post(path, json={"seats": [seat]}, headers=headers)
                assert again.content == answer.content
            seen[key] = answer

    async def kill_workers() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            aisle.kill("seat_workers")

    clients = [aisle.client(new_user()) for _ in range(16)]
    try:
        await asyncio.gather(kill_workers(), *(book_on(client, n) for n, client in enumerate(clients)))
    finally:
        for client in clients:
            await client.aclose()
    assert len(seen) > 100
    assert {answer.status_code for answer in seen.values()} == {201}
    for show_id in show_ids:
        async with aisle.client(2, "admin") as staff:
            states = (await staff.get(f"/api/shows/{show_id}/seats")).json()["states"]
        wanted = {key.partition("/")[2] for key in seen if key.startswith(f"{show_id}/")}
        assert {str(n) for n, letter in enumerate(states, 1) if letter == "s"} == wanted
    verified = aisle.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_a_gateway_killed_under_load_loses_nothing(
    aisle: RunningAisle, customer: httpx.AsyncClient
) -> None:
    show_id = await aisle.make_show(2_000)
    path = f"/api/shows/{show_id}/bookings"

    async def book(seat: int) -> httpx.Response:
        for _ in range(100):
            try:
                return await customer.post(
                    path, json={"seats": [str(seat)]}, headers={"Idempotency-Key": f"{show_id}/{seat}"}
                )
            except httpx.TransportError:
                await asyncio.sleep(0.05)
        raise AssertionError("the gateway did not come back")

    async def kill_gateway() -> None:
        await asyncio.sleep(0.1)
        aisle.kill("gateway")

    *answers, _ = await asyncio.gather(*(book(seat) for seat in range(1, 301)), kill_gateway())
    assert {answer.status_code for answer in answers if answer is not None} == {201}
    assert aisle.command("verify").returncode == 0
