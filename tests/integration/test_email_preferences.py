"""Preferences about e-mails, links that switch them off without a login, and tickets sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx
import pytest

from runtime.settings import Settings
from runtime.unsubscribe_tokens import unsubscribe_token
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import LAYOUT, add_movie, add_show


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made) as running:
        await running.sql(
            "INSERT INTO users (user_id, username, email, name) VALUES (5, 'ada', 'ada@example.com', 'Ada'), "
            "(6, 'bob', 'bob@example.com', 'Bob')"
        )
        yield running


@pytest.fixture
async def ada(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(5) as client:
        yield client


@pytest.fixture
async def nobody(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


@pytest.fixture
async def show(staff: httpx.AsyncClient) -> str:
    made = await add_show(staff, await add_movie(staff), total_seats=None, layout=LAYOUT)
    return f"/api/shows/{made['id']}"


async def token_of(server: Server, preference: str, user_id: int = 5) -> str:
    (row,) = await server.sql("SELECT key FROM unsubscribe_key")
    return unsubscribe_token(row["key"], user_id, preference)  # type: ignore[arg-type]


async def test_an_account_switches_kinds_of_e_mails_off_and_on(ada: httpx.AsyncClient) -> None:
    assert (await ada.get("/api/me/emails")).json() == {"reminders": True, "summaries": True}
    changed = await ada.patch("/api/me/emails", json={"reminders": False})
    assert (changed.status_code, changed.json()) == (200, {"reminders": False, "summaries": True})
    assert (await ada.patch("/api/me/emails", json={})).json() == {"reminders": False, "summaries": True}
    assert (await ada.patch("/api/me/emails", json={"reminders": True})).json()["reminders"] is True
    for wrong in ({"reminders": None}, {"reminders": "off"}, {"receipts": False}):
        refused = await ada.patch("/api/me/emails", json=wrong)
        assert (refused.status_code, refused.json()["code"]) == (400, "validation")


async def test_preferences_need_a_login(nobody: httpx.AsyncClient) -> None:
    assert (await nobody.get("/api/me/emails")).status_code == 401
    assert (await nobody.patch("/api/me/emails", json={"reminders": False})).status_code == 401


async def test_one_click_switches_off_one_kind_without_a_login(
    server: Server, nobody: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    token = await token_of(server, "reminders")
    form = {"List-Unsubscribe": "One-Click"}
    for _ in range(2):  # as a mail program posts it, and posts it again
        done = await nobody.post("/api/email/unsubscribe", params={"token": token}, data=form)
        assert (done.status_code, done.content) == (204, b"")
    assert (await ada.get("/api/me/emails")).json() == {"reminders": False, "summaries": True}
    parts = {"List-Unsubscribe": (None, "One-Click")}
    token = await token_of(server, "summaries")
    done = await nobody.post("/api/email/unsubscribe", params={"token": token}, files=parts)
    assert done.status_code == 204
    assert (await ada.get("/api/me/emails")).json() == {"reminders": False, "summaries": False}
    assert (await nobody.post("/api/email/unsubscribe", params={"token": token})).status_code == 204


async def test_opening_the_address_changes_nothing_and_leads_to_the_page_that_asks(
    server: Server, nobody: httpx.AsyncClient, ada: httpx.AsyncClient
) -> None:
    token = await token_of(server, "reminders")
    opened = await nobody.get(
        "/api/email/unsubscribe", params={"token": token}, headers={"Accept": "text/html"}
    )
    assert (opened.status_code, opened.headers["location"]) == (303, f"/email/unsubscribe#{token}")
    page = await nobody.get("/email/unsubscribe")
    assert page.status_code == 200
    assert 'data-sends="/api/email/unsubscribe" data-token-in="query"' in page.text
    assert (await ada.get("/api/me/emails")).json()["reminders"] is True


@pytest.mark.parametrize("token", ["", "reminders.5.x", "reminders.6.", "ü", "x" * 201])
async def test_a_token_that_is_not_ours_changes_nothing(
    server: Server, nobody: httpx.AsyncClient, token: str
) -> None:
    refused = await nobody.post("/api/email/unsubscribe", params={"token": token})
    assert (refused.status_code, refused.json()["code"]) == (400, "validation")
    assert refused.json()["errors"][0]["field"] == "token"
    assert await server.sql("SELECT 1 FROM users WHERE NOT reminders") == []


async def test_owner_and_staff_send_the_tickets_again(
    server: Server, ada: httpx.AsyncClient, staff: httpx.AsyncClient, show: str
) -> None:
    booking = (await ada.post(f"{show}/bookings", json={"quantity": 1})).json()
    for caller in (ada, staff):
        sent = await caller.post(f"/api/bookings/{booking['id']}/send")
        assert (sent.status_code, sent.content) == (202, b"")
    assert (await ada.post(f"/api/bookings/{booking['id']}/send", json={})).status_code == 202
    rows = await server.sql(
        "SELECT user_id, data->>'booking_id' AS id FROM letters_wanted WHERE kind = 'tickets_again'"
    )
    assert {(row["user_id"], row["id"]) for row in rows} == {(5, booking["id"])}
    assert len(rows) == 3


async def test_tickets_are_sent_only_where_there_are_some(
    server: Server, ada: httpx.AsyncClient, staff: httpx.AsyncClient, nobody: httpx.AsyncClient, show: str
) -> None:
    held = (await ada.post(f"{show}/holds", json={"quantity": 1})).json()["id"]
    walk_in = (await staff.post(f"{show}/bookings", json={"quantity": 1})).json()["id"]
    gone = (await ada.post(f"{show}/bookings", json={"quantity": 1})).json()["id"]
    assert (await ada.post(f"/api/bookings/{gone}/cancel")).status_code == 200
    async with server.client(6) as bob:
        for caller, booking, wanted in (
            (ada, held, (409, "not_confirmed")),
            (ada, gone, (409, "already_cancelled")),
            (staff, walk_in, (400, "validation")),
            (ada, str(uuid4()), (404, "not_found")),
            (bob, held, (403, "not_yours")),
            (nobody, held, (401, "unauthenticated")),
        ):
            refused = await caller.post(f"/api/bookings/{booking}/send")
            assert (refused.status_code, refused.json()["code"]) == wanted
    assert (await ada.post("/api/bookings/nonsense/send")).status_code == 404
    assert (await ada.post(f"/api/bookings/{gone}/send", json={"to": "x@y.example"})).status_code == 400
    assert await server.sql("SELECT 1 FROM letters_wanted") == []


async def test_tickets_of_one_booking_are_sent_five_times_an_hour_at_most(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> None:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=True
    )
    async with serving(made) as server, server.client(1, "staff") as staff, server.client(5) as ada:
        await server.sql("INSERT INTO users (user_id, username, email) VALUES (5, 'ada', 'ada@example.com')")
        show = await add_show(staff, await add_movie(staff), total_seats=None, layout=LAYOUT)
        booking = (await ada.post(f"/api/shows/{show['id']}/bookings", json={"quantity": 1})).json()["id"]
        answers = [await ada.post(f"/api/bookings/{booking}/send") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [202] * 5 + [429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["retry-after"]) > 0
