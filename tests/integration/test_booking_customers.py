"""Staff book for customers who have an account, over HTTP and over the socket."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.gateway_server import Server
from tests.integration.live_sockets import live, make_show

STAFF, ADA, BOB, CY, NOBODY = 1, 7, 8, 9, 424242


@pytest.fixture
async def show(server: Server) -> int:
    await server.add_users(STAFF, ADA, BOB, CY)
    await server.sql("UPDATE users SET active = false WHERE user_id = $1", BOB)
    await server.sql("UPDATE users SET active = false, username = NULL, email = NULL WHERE user_id = $1", CY)
    return await make_show(server)


def at_fault(problem: dict[str, Any]) -> tuple[str, list[str]]:
    return problem["code"], [error["field"] for error in problem.get("errors", [])]


NO_ACCOUNT = ("validation", ["user_id"])


async def test_unknown_deleted_and_deactivated_accounts_get_no_booking(server: Server, show: int) -> None:
    wrong = (NOBODY, BOB, CY, 0, 2**53 - 1)
    async with server.client(STAFF, "staff") as staff:
        for call in ("bookings", "holds"):
            for user_id in wrong:
                answer = await staff.post(
                    f"/api/shows/{show}/{call}", json={"seats": ["1"], "user_id": user_id}
                )
                assert (answer.status_code, at_fault(answer.json())) == (400, NO_ACCOUNT), (call, user_id)
    async with live(server, user_id=STAFF, role="staff") as socket:
        for kind in ("book", "hold"):
            for user_id in wrong:
                refused = await socket.ask(type=kind, show_id=show, quantity=1, user_id=user_id)
                assert at_fault(refused["problem"]) == NO_ACCOUNT, (kind, user_id)
        made = await socket.ask(type="book", show_id=show, seats=["1"], user_id=ADA)
        assert made["booking"]["user_id"] == ADA
    assert await server.sql("SELECT 1 FROM decisions WHERE command LIKE '%424242%'::bytea") == []


async def test_staff_book_for_a_customer_for_themselves_and_for_a_walk_in(server: Server, show: int) -> None:
    async with server.client(STAFF, "staff") as staff:
        for extra, owner in (
            ({"user_id": ADA}, ADA),
            ({"user_id": STAFF}, STAFF),
            ({"user_id": None}, None),
        ):
            answer = await staff.post(f"/api/shows/{show}/bookings", json={"quantity": 1} | extra)
            assert (answer.status_code, answer.json()["user_id"]) == (201, owner)


async def test_a_repeat_gets_its_response_after_the_account_is_deleted(server: Server, show: int) -> None:
    key = {"Idempotency-Key": "for-ada"}
    async with server.client(STAFF, "staff") as staff:
        path, body = f"/api/shows/{show}/bookings", {"seats": ["3"], "user_id": ADA}
        first = await staff.post(path, json=body, headers=key)
        await server.sql("UPDATE users SET active = false WHERE user_id = $1", ADA)
        again = await staff.post(path, json=body, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        assert again.headers["idempotency-replayed"] == "true"
        other = await staff.post(path, json=body, headers={"Idempotency-Key": "another"})
        assert (other.status_code, at_fault(other.json())) == (400, NO_ACCOUNT)
        # A refused request is not stored: once the account is active, the same key books.
        await server.sql("UPDATE users SET active = true WHERE user_id = $1", ADA)
        body = {"seats": ["4"], "user_id": ADA}
        assert (await staff.post(path, json=body, headers={"Idempotency-Key": "another"})).status_code == 201


async def test_customers_cannot_name_an_owner(server: Server, show: int) -> None:
    async with server.client(ADA) as customer:
        for user_id in (ADA, NOBODY, 0):
            answer = await customer.post(
                f"/api/shows/{show}/bookings", json={"seats": ["1"], "user_id": user_id}
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_customers_requests_cause_no_account_look_up(server: Server, show: int) -> None:
    """A customer without an account in the database can book: only the token is checked."""
    async with server.client(NOBODY) as customer:
        answer: httpx.Response = await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["9"]})
        assert answer.status_code == 201
