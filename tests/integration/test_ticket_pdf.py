"""Tickets over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import httpx
import pypdfium2
import pytest

from gateway.tickets import renderer as ticket_printing
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import LAYOUT, add_movie, add_show
from tickets.pdf import render_ticket
from tickets.ticket import Ticket


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


@pytest.fixture
async def customer(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    await server.sql(
        "INSERT INTO users (user_id, username, email, name) VALUES (5, 'ada', 'ada@example.com', 'Ada Lovelace')"
    )
    async with server.client(5) as client:
        yield client


@pytest.fixture
async def show(staff: httpx.AsyncClient) -> str:
    made = await add_show(staff, await add_movie(staff), total_seats=None, layout=LAYOUT)
    return f"/api/shows/{made['id']}"


async def booked(customer: httpx.AsyncClient, show: str, *seats: str, what: str = "bookings") -> str:
    answer = await customer.post(f"{show}/{what}", json={"seats": seats})
    assert answer.status_code == 201, answer.text
    return f"/api/bookings/{answer.json()['id']}"


def pages(pdf: bytes) -> list[str]:
    return [page.get_textpage().get_text_bounded() for page in pypdfium2.PdfDocument(pdf)]


async def test_a_confirmed_booking_has_a_page_for_each_seat(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, show: str
) -> None:
    booking = await booked(customer, show, "A3", "Loge")
    answer = await customer.get(f"{booking}/ticket.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    name = f"ticket-{booking[-12:]}.pdf"
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["cache-control"] == "private, no-cache"
    one, other = pages(answer.content)
    for page, seat in ((one, "A3"), (other, "Loge")):
        assert all(text in page for text in (seat, "Nächte", "Hall 1", "Stalls", "Ada Lovelace")), page
    assert (await staff.get(f"{booking}/ticket.pdf")).content == answer.content
    held = {"If-None-Match": answer.headers["etag"]}
    again = await customer.get(f"{booking}/ticket.pdf", headers=held)
    assert (again.status_code, again.content) == (304, b"")
    await staff.patch(show, json={"screen_name": "Hall 2"})
    moved = await customer.get(f"{booking}/ticket.pdf", headers=held)
    assert moved.status_code == 200
    assert "Hall 2" in pages(moved.content)[0]


async def test_a_ticket_is_for_its_owner_and_staff_only(
    server: Server, customer: httpx.AsyncClient, show: str
) -> None:
    booking = await booked(customer, show, "A1")
    async with server.client() as nobody, server.client(6) as other:
        for client, path, expected in (
            (nobody, booking, (401, "unauthenticated")),
            (other, booking, (403, "not_yours")),
            (other, "/api/bookings/01a1fd40-318b-8000-8000-05c8b1fac95c", (404, "not_found")),
            (other, "/api/bookings/1", (404, "not_found")),
        ):
            answer = await client.get(f"{path}/ticket.pdf")
            assert (answer.status_code, answer.json()["code"]) == expected
    for path, headers, status in (
        ("ticket.pdf?x=1", {}, 400),
        ("ticket.pdf", {"Accept": "application/json"}, 406),
    ):
        assert (await customer.get(f"{booking}/{path}", headers=headers)).status_code == status
    assert (await customer.post(f"{booking}/ticket.pdf")).status_code == 405


async def test_an_unconfirmed_booking_has_no_ticket(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, show: str
) -> None:
    async def refusal(booking: str) -> tuple[int, str]:
        answer = await customer.get(f"{booking}/ticket.pdf")
        return answer.status_code, answer.json()["code"]

    held = await booked(customer, show, "A1", what="holds")
    assert await refusal(held) == (409, "not_confirmed")
    assert (await customer.post(f"{held}/cancel")).status_code == 200
    assert await refusal(held) == (409, "already_cancelled")
    cancelled = await booked(customer, show, "A1")
    assert (await customer.get(f"{cancelled}/ticket.pdf")).status_code == 200
    assert (await customer.post(f"{cancelled}/cancel")).status_code == 200
    assert await refusal(cancelled) == (409, "already_cancelled")
    confirmed = await booked(customer, show, "A2", what="holds")
    assert (await customer.post(f"{confirmed}/confirm")).status_code == 200
    assert (await customer.get(f"{confirmed}/ticket.pdf")).status_code == 200


async def test_the_ticket_of_a_deleted_customer_has_no_name(
    server: Server, customer: httpx.AsyncClient, show: str
) -> None:
    booking = await booked(customer, show, "A1")
    await server.sql("DELETE FROM users WHERE user_id = 5")
    answer = await customer.get(f"{booking}/ticket.pdf")
    assert answer.status_code == 200
    assert "Ada" not in pages(answer.content)[0]


async def test_a_full_ticket_queue_does_not_block_other_requests(
    customer: httpx.AsyncClient, show: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slowly(ticket: Ticket) -> bytes:
        assert go_on.wait(30)
        return render_ticket(ticket)

    monkeypatch.setattr(ticket_printing, "MAX_PENDING", 2)
    monkeypatch.setattr(ticket_printing, "render_ticket", slowly)
    bookings = [await booked(customer, show, seat) for seat in ("A1", "A3", "A4")]
    waiting = [asyncio.create_task(customer.get(f"{booking}/ticket.pdf")) for booking in bookings]
    try:
        done, pending = await asyncio.wait(waiting, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        (refused,) = [task.result() for task in done]
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"]
        await booked(customer, show, "A2")
    finally:
        go_on.set()
    assert [(await task).status_code for task in pending] == [200, 200]


@pytest.mark.parametrize(("of_account", "status"), [(10, [200] * 3), (2, [200, 200, 429])])
async def test_one_customer_leaves_room_in_the_ticket_queue(
    server: Server,
    customer: httpx.AsyncClient,
    show: str,
    monkeypatch: pytest.MonkeyPatch,
    of_account: int,
    status: list[int],
) -> None:
    go_on = threading.Event()
    rendered = []

    def slowly(ticket: Ticket) -> bytes:
        assert go_on.wait(30)
        rendered.append(ticket)
        return render_ticket(ticket)

    monkeypatch.setattr(ticket_printing, "MAX_PENDING", 4)
    monkeypatch.setattr(ticket_printing, "MAX_PENDING_OF_ACCOUNT", of_account)
    monkeypatch.setattr(ticket_printing, "render_ticket", slowly)
    bookings = [await booked(customer, show, seat) for seat in ("A1", "A2", "A3")]
    async with server.client(2) as other:
        of_other = await booked(other, show, "A4")
        requests = [customer.get(f"{booking}/ticket.pdf") for booking in bookings for _ in range(5)]
        tasks = [asyncio.create_task(request) for request in [*requests, other.get(f"{of_other}/ticket.pdf")]]
        try:
            await asyncio.wait(tasks, timeout=0.5)
        finally:
            go_on.set()
        answers = [(await task).status_code for task in tasks]
    assert answers[-1] == 200, "another customer"
    assert sorted(answers[:-1]) == sorted(status * 5)
    assert len(rendered) == status.count(200) + 1, "the same ticket is rendered once"
