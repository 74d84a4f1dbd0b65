"""Live sockets of an instance, on each log, with several processes that are killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.running import RunningAisle
from tests.integration.live_sockets import Live, live


async def statuses(socket: Live, count: int) -> list[tuple[str, str]]:
    """Returns the next changes of bookings, in order of arrival."""
    changed = [(await socket.next(lambda one: one["type"] == "booking"))["booking"] for _ in range(count)]
    return [(booking["id"], booking["status"]) for booking in changed]


async def test_a_customer_receives_every_change_in_order(
    aisle: RunningAisle, new_user: Callable[[], int]
) -> None:
    user_id = new_user()
    show_id = await aisle.make_show(50)
    async with live(aisle, user_id=user_id) as socket, aisle.client(user_id) as http:
        expected = []
        for seat in range(1, 21):
            held = await http.post(f"/api/shows/{show_id}/holds", json={"seats": [str(seat)]})
            booking_id = held.json()["id"]
            await http.post(f"/api/bookings/{booking_id}/confirm")
            await http.post(f"/api/bookings/{booking_id}/cancel")
            expected += [(booking_id, status) for status in ("held", "confirmed", "cancelled")]
        assert await statuses(socket, 60) == expected


async def test_a_killed_worker_costs_a_socket_nothing(
    aisle: RunningAisle, new_user: Callable[[], int]
) -> None:
    user_id = new_user()
    show_id = await aisle.make_show(200)
    async with live(aisle, user_id=user_id) as socket:
        answers: list[dict[str, Any]] = []
        for seat in range(1, 101):
            await socket.send(
                {"type": "book", "ref": str(seat), "key": str(seat), "show_id": show_id, "seats": [str(seat)]}
            )
            if seat == 50:
                aisle.kill("seat_workers")
        for seat in range(1, 101):
            answer = await socket.answer_to(str(seat))
            if answer["type"] == "pending":
                answer = await socket.answer_to(str(seat))
            answers.append(answer)
        assert [answer["type"] for answer in answers] == ["accepted"] * 100
        received = dict(await statuses(socket, 100))
        assert received == {answer["booking"]["id"]: "confirmed" for answer in answers}
    await aisle.wait_until_ready()


async def test_a_reconnecting_client_misses_no_change_after_a_gateway_died(
    aisle: RunningAisle, new_user: Callable[[], int]
) -> None:
    user_id = new_user()
    show_id = await aisle.make_show(50)
    async with live(aisle, user_id=user_id) as socket:
        key = f"{user_id}-once"
        first = (await socket.ask(type="book", show_id=show_id, seats=["1"], key=key))["booking"]
        aisle.kill("gateway")
        with pytest.raises(AssertionError, match="without a close frame"):
            await socket.closed()
    await aisle.wait_until_ready()
    async with live(aisle, user_id=user_id) as socket, aisle.client(user_id) as http:
        again = await socket.ask(type="book", show_id=show_id, seats=["1"], key=key)
        assert again == {"type": "accepted", "booking": first, "replayed": True}
        assert (await http.get("/api/me/bookings")).json()["items"] == [first]
        await http.delete(f"/api/bookings/{first['id']}")
        await socket.change(first["id"], "cancelled")
