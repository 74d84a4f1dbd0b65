"""Tickets over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from xml.etree import ElementTree

import httpx
import pypdfium2
import pytest
import zxingcpp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from icalendar import Calendar
from jwt import PyJWK

from gateway.tickets import renderer as ticket_printing
from runtime.log.opening import open_log
from runtime.settings import Settings
from schemas.commands import BookSeats, ChangeSeats, Command
from schemas.ids import new_booking_id
from schemas.wire import COMMANDS_TOPIC, decode_decision, encode
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import LAYOUT, add_movie, add_show
from tickets.codes import printed_code
from tickets.design import Design
from tickets.pdf import render_ticket
from tickets.ticket import Ticket
from tickets.tokens import TicketSigner, TicketToken, read

PRIVATE_KEY = Ed25519PrivateKey.from_private_bytes(b"t" * 32)


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


async def test_the_code_of_a_seat_is_that_of_its_ticket(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, show: str
) -> None:
    booking, show_id = await booked(customer, show, "A3", "Loge"), int(show.rpartition("/")[2])
    for seat in ("A3", "Loge"):
        answer = await customer.get(f"{booking}/ticket.svg", params={"seat": seat})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        drawing = ElementTree.fromstring(answer.text)
        assert drawing.get("data-section") == "Stalls"
        assert drawing.get("data-row") == ("A" if seat == "A3" else "B")
        assert seat in (drawing.findtext("{*}title") or "")
        token = TicketSigner(PRIVATE_KEY).sign(UUID(booking[-36:]), show_id, 2 if seat == "A3" else 11)
        printed = ElementTree.fromstring(printed_code(token))
        [bare] = [path.get("d") for path in printed.iter() if path.get("d")]
        assert bare in [path.get("d") for path in drawing.iter()], "the same code, with white around it"
        assert answer.headers["cache-control"] == "no-store"
        assert (await staff.get(f"{booking}/ticket.svg", params={"seat": seat})).content == answer.content
    for query in ("", "?seat=A4", "?seat=", "?seat=A3&seat=A3", "?seat=A3&x=1"):
        answer = await customer.get(f"{booking}/ticket.svg{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, "validation"), query
    async with server.client() as nobody, server.client(6) as other:
        for client, status in ((nobody, 401), (other, 403)):
            for name in ("ticket.svg?seat=A3", "calendar.ics"):
                assert (await client.get(f"{booking}/{name}")).status_code == status


async def test_the_published_keys_verify_tickets(
    server: Server, customer: httpx.AsyncClient, show: str
) -> None:
    async with server.client() as nobody:
        answer = await nobody.get("/.well-known/jwks.json")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    [published] = answer.json()["keys"]
    key = PyJWK(published)
    assert (key.key_id, key.key_type, key.algorithm_name, key.public_key_use) == (
        "test",
        "OKP",
        "EdDSA",
        "sig",
    )
    assert "d" not in published, "the private half"
    booking = await booked(customer, show, "A3")
    [page] = pypdfium2.PdfDocument((await customer.get(f"{booking}/ticket.pdf")).content)
    [code] = zxingcpp.read_barcodes(page.render(scale=2).to_numpy())
    token = read(code.text, {"test": key.key})
    assert token == TicketToken(UUID(booking[-36:]), int(show.rpartition("/")[2]), 2, "test")


async def test_the_calendar_file_of_a_booking_has_its_show(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, show: str
) -> None:
    booking = await booked(customer, show, "A3", "Loge")
    answer = await customer.get(f"{booking}/calendar.ics")
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="ticket-{booking[-12:]}.ics"'
    [event] = Calendar.from_ical(answer.content).events
    screening = (await staff.get(show)).json()
    assert event["UID"] == booking[-36:]
    assert event.start == datetime.fromisoformat(screening["starts_at"])
    assert event.end - event.start == timedelta(minutes=screening["movie"]["duration_minutes"])
    assert (event["SUMMARY"], event["LOCATION"]) == (screening["movie"]["title"], "Hall 1")
    assert f"{server.settings.public_url}/bookings/{booking[-36:]}" in str(event["DESCRIPTION"])
    held = await booked(customer, show, "A1", what="holds")
    for name in ("calendar.ics", "ticket.svg?seat=A1"):
        refused = await customer.get(f"{held}/{name}")
        assert (refused.status_code, refused.json()["code"]) == (409, "not_confirmed")
    refused = await customer.get(f"{booking}/calendar.ics", headers={"Accept": "application/json"})
    assert refused.status_code == 406


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


async def test_tickets_of_a_changed_booking_and_of_a_walk_in(
    server: Server, staff: httpx.AsyncClient, customer: httpx.AsyncClient, show: str
) -> None:
    booking = await booked(customer, show, "A3", "Loge")
    before = await customer.get(f"{booking}/ticket.pdf")
    show_id, booking_id = int(show.rpartition("/")[2]), UUID(booking.rpartition("/")[2])
    walk_in_id = new_booking_id(show_id, 1, 1)
    ids: dict[str, Any] = {"show_id": show_id, "user_id": 1, "staff": True}
    await decided(
        server,
        ChangeSeats(command_id=uuid4(), **ids, booking_id=booking_id, seats=("A4", "C2")),
        BookSeats(command_id=uuid4(), **ids, booking_id=walk_in_id, seats=("A3",), walk_in=True),
    )
    changed = await customer.get(f"{booking}/ticket.pdf", headers={"If-None-Match": before.headers["etag"]})
    assert changed.status_code == 200
    one, other = pages(changed.content)
    assert all(text in one for text in ("A4", "Stalls", "12.00", "Ada Lovelace")), one
    assert all(text in other for text in ("C2", "Balcony", "8.00", "Ada Lovelace")), other
    walk_in = f"/api/bookings/{walk_in_id}/ticket.pdf"
    (page,) = pages((await staff.get(walk_in)).content)
    assert "A3" in page
    assert "Ada" not in page
    assert "Name" not in page
    assert "NAME" in one
    assert (await customer.get(walk_in)).status_code == 403


async def decided(server: Server, *commands: Command) -> None:
    """Appends commands to the log and waits until they are accepted."""
    log = await open_log(None, server.settings.database_url)
    appender = log.appender(COMMANDS_TOPIC)
    offsets = await appender.append_many([(0, encode(command)) for command in commands])
    async with asyncio.timeout(10):
        while True:
            rows = await server.sql(
                "SELECT answer FROM decisions WHERE log_offset = ANY ($1::bigint[])", offsets
            )
            if len(rows) == len(commands):
                break
            await asyncio.sleep(0.02)
    await appender.close()
    await log.close()
    assert [decode_decision(row["answer"]).reason for row in rows] == [None] * len(commands)


async def test_a_full_ticket_queue_does_not_block_other_requests(
    customer: httpx.AsyncClient, show: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def slowly(ticket: Ticket, design: Design) -> bytes:
        assert go_on.wait(30)
        return render_ticket(ticket, design)

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

    def slowly(ticket: Ticket, design: Design) -> bytes:
        assert go_on.wait(30)
        rendered.append(ticket)
        return render_ticket(ticket, design)

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


async def test_own_bookings_are_listed_by_whether_their_show_has_ended(
    server: Server, customer: httpx.AsyncClient, show: str
) -> None:
    first, second = await booked(customer, show, "A1"), await booked(customer, show, "A2")

    async def listed(query: str) -> list[str]:
        page = (await customer.get(f"/api/me/bookings?{query}")).json()
        return [f"/api/bookings/{booking['id']}" for booking in page["items"]]

    assert await listed("when=coming") == [second, first]
    assert await listed("when=past") == []
    await server.sql("UPDATE show_states SET starts_ms = (extract(epoch FROM now()) * 1000)::bigint - 60000")
    assert await listed("when=coming") == [second, first], "it has begun, and goes on"
    await server.sql("UPDATE show_states SET starts_ms = starts_ms - 86400000")
    assert await listed("when=coming&status=confirmed") == []
    assert await listed("when=past&limit=1") == [second]
    assert await listed("when=past&status=cancelled") == []
    await server.sql("UPDATE bookings SET status = 'expired' WHERE booking_id = $1", UUID(first[-36:]))
    assert await listed("when=past&status=live") == [second]
    assert await listed("status=live&limit=1") == [second]
    assert await listed("status=expired") == [first]
    for wrong in ("when=", "when=soon", "when=past&when=past", "status=", "status=held,", "status=lost"):
        answer = await customer.get(f"/api/me/bookings?{wrong}")
        assert (answer.status_code, answer.json()["code"]) == (400, "validation")
