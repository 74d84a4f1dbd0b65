"""/api/me/live: changes of a customer's bookings, and booking by message."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from gateway.commands.sender import CommandSender
from gateway.server.websocket_protocol import BoundedWebSocket
from ops.local.embedded import run_servers
from ops.local.embedded_redis import EmbeddedRedis
from runtime.settings import Settings
from schemas.commands import HoldSeats
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import live, make_show, until

ADA, BOB, STAFF = 7, 8, 1


@pytest.fixture
def made(settings: Callable[..., Settings], database_url: str, redis_url: str) -> Settings:
    return settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)


@pytest.fixture
async def server(made: Settings) -> AsyncIterator[Server]:
    async with serving(made) as running:
        yield running


@pytest.fixture
async def show_id(server: Server) -> int:
    return await make_show(server)


async def test_seats_are_booked_by_message_and_the_change_is_sent(server: Server, show_id: int) -> None:
    async with live(server, user_id=ADA) as socket, server.client(ADA) as http:
        answer = await socket.ask(type="book", show_id=show_id, seats=["3", "4"])
        booking = answer["booking"]
        assert answer == {"type": "accepted", "booking": booking}
        assert (booking["status"], booking["seats"], booking["user_id"]) == ("confirmed", ["3", "4"], ADA)
        assert (await http.get(f"/api/bookings/{booking['id']}")).json() == booking
        assert await socket.change(booking["id"], "confirmed") == booking


async def test_bookings_are_held_confirmed_and_cancelled_by_message(server: Server, show_id: int) -> None:
    async with live(server, user_id=ADA) as socket:
        held = (await socket.ask(type="hold", show_id=show_id, quantity=2, hold_s=60))["booking"]
        assert (held["status"], len(held["seats"])) == ("held", 2)
        confirmed = await socket.ask(type="confirm", booking_id=held["id"])
        assert confirmed["booking"]["status"] == "confirmed"
        cancelled = await socket.ask(type="cancel", booking_id=held["id"])
        assert cancelled["booking"]["status"] == "cancelled"
        for status in ("held", "confirmed", "cancelled"):
            changed = await socket.next(lambda message: message["type"] == "booking")
            assert (changed["booking"]["id"], changed["booking"]["status"]) == (held["id"], status)
        refused = await socket.ask(type="confirm", booking_id=held["id"])
        assert (refused["type"], refused["problem"]["code"]) == ("refused", "already_cancelled")


async def test_refusals_are_those_of_http(server: Server, show_id: int) -> None:
    wrong: list[dict[str, Any]] = [
        {"seats": ["99"]},
        {"seats": ["1", "1"]},
        {"seats": [str(n) for n in range(1, 12)]},
        {"seats": ["1"], "quantity": 2},
        {"seats": ["1"], "user_id": BOB},
        {"seats": ["1"], "colour": "red"},
        {"seats": "1"},
        {},
    ]
    async with live(server, user_id=ADA) as socket, server.client(ADA) as http:
        for body in wrong:
            answer = await socket.ask(type="book", show_id=show_id, **body)
            over_http = (await http.post(f"/api/shows/{show_id}/bookings", json=body)).json()
            # Requests that reached the log are separate commands, at different positions.
            assert ("decided" in answer["problem"]) == ("decided" in over_http)
            for problem in (answer["problem"], over_http):
                problem.pop("decided", None)
            assert answer == {"type": "refused", "problem": over_http}
        gone = await socket.ask(type="book", show_id=2**31 - 1, seats=["1"])
        assert (gone["problem"]["code"], gone["problem"]["status"]) == ("not_found", 404)
        nobodys = await socket.ask(type="cancel", booking_id="01a1fd40-318b-8000-8000-05c8b1fac95c")
        assert nobodys["problem"]["code"] == "not_found"


async def test_invalid_messages_are_refused_without_effect(server: Server, show_id: int) -> None:
    wrong: list[tuple[dict[str, Any] | str, str | None]] = [
        ("{", None),
        ("[]", "body"),
        ({"ref": "a"}, "type"),
        ({"ref": "a", "type": "buy"}, "type"),
        ({"type": "book", "show_id": show_id, "seats": ["1"]}, "ref"),
        ({"ref": 5, "type": "book"}, "ref"),
        ({"ref": "", "type": "book"}, "ref"),
        ({"ref": "a", "type": "book", "show_id": show_id, "seats": ["1"], "key": "ä"}, "key"),
        ({"ref": "a", "type": "book", "show_id": 0, "seats": ["1"]}, "show_id"),
        ({"ref": "a", "type": "cancel", "booking_id": "nonsense"}, "booking_id"),
    ]
    async with live(server, user_id=ADA) as socket:
        for message, field in wrong:
            await socket.send(message)
            refused = await socket.next(lambda one: one["type"] == "refused")
            named = isinstance(message, dict) and message.get("ref") == "a"
            assert refused["ref"] == ("a" if named else None), message
            problem = refused["problem"]
            assert problem["code"] == ("invalid_json" if field is None else "validation")
            assert field is None or field in [error["field"] for error in problem["errors"]]
        assert (await socket.ask(type="book", show_id=show_id, seats=["1"]))["type"] == "accepted"


async def test_a_key_names_the_same_command_over_http_and_socket(server: Server, show_id: int) -> None:
    path = f"/api/shows/{show_id}/bookings"
    async with live(server, user_id=ADA) as socket, server.client(ADA) as http:
        first = await http.post(path, json={"seats": ["1", "2"]}, headers={"Idempotency-Key": "k-1"})
        again = await socket.ask(type="book", show_id=show_id, seats=["2", "1"], key="k-1")
        assert again == {"type": "accepted", "booking": first.json(), "replayed": True}
        other = await socket.ask(type="book", show_id=show_id, seats=["5"], key="k-1")
        assert (other["type"], other["problem"]["code"]) == ("refused", "key_reused")
        second = await socket.ask(type="hold", show_id=show_id, seats=["9"], key="k-2")
        over_http = await http.post(
            f"/api/shows/{show_id}/holds", json={"seats": ["9"]}, headers={"Idempotency-Key": "k-2"}
        )
        assert over_http.headers["idempotency-replayed"] == "true"
        assert over_http.json() == second["booking"]


async def test_changes_of_any_cause_are_sent_to_the_owner_only(server: Server, show_id: int) -> None:
    async with (
        live(server, user_id=ADA) as ada,
        live(server, user_id=BOB) as bob,
        server.client(STAFF, "staff") as staff,
    ):
        await server.add_users(ADA)
        made = await staff.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"], "user_id": ADA})
        mine = made.json()["id"]
        assert (await ada.change(mine, "confirmed"))["user_id"] == ADA
        his = (await bob.ask(type="book", show_id=show_id, seats=["2"]))["booking"]["id"]
        await staff.post(f"/api/bookings/{mine}/cancel")
        await ada.change(mine, "cancelled")
        cancelled = await staff.post(f"/api/shows/{show_id}/cancel")
        assert cancelled.status_code == 200, cancelled.text
        await bob.change(his, "cancelled")
        last = (await ada.ask(type="cancel", booking_id=mine))["problem"]["code"]
        assert last in ("already_cancelled", "show_cancelled")
        assert not [one for one in ada.unread if one["type"] == "booking"]
        assert {one["booking"]["id"] for one in bob.unread if one["type"] == "booking"} == {his}


async def test_an_expired_hold_is_sent(server: Server, show_id: int) -> None:
    async with live(server, user_id=ADA) as socket:
        # The shortest hold that clients may ask for is half a minute; the command itself allows a second.
        with mock.patch("gateway.bookings.requests.HoldSeats", side_effect=_short_hold):
            held = (await socket.ask(type="hold", show_id=show_id, seats=["5"]))["booking"]
        assert (await socket.change(held["id"], "expired"))["seats"] == ["5"]


def _short_hold(**fields: Any) -> HoldSeats:
    return HoldSeats(**fields | {"hold_ms": 1000})


async def test_changes_made_through_another_gateway_are_sent(server: Server, show_id: int) -> None:
    async with serving(server.settings, worker=False) as other, live(other, user_id=ADA) as socket:
        async with server.client(ADA) as http:
            statuses = []
            for seat in range(1, 11):
                made = await http.post(f"/api/shows/{show_id}/bookings", json={"seats": [str(seat)]})
                booking_id = made.json()["id"]
                await http.post(f"/api/bookings/{booking_id}/cancel")
                statuses += [(booking_id, "confirmed"), (booking_id, "cancelled")]
        changed = [(await socket.next(lambda one: one["type"] == "booking"))["booking"] for _ in statuses]
        assert [(one["id"], one["status"]) for one in changed] == statuses


async def test_without_redis_requests_are_answered_and_changes_sent(
    settings: Callable[..., Settings], database_url: str, tmp_path: Path
) -> None:
    redis = EmbeddedRedis(tmp_path)
    made = settings(database_url=database_url, redis_url=redis.url, jwt_keys=KEYS, partitions=1)
    async with contextlib.AsyncExitStack() as stack:
        with run_servers(redis):
            server = await stack.enter_async_context(serving(made))
            show_id = await make_show(server)
            socket = await stack.enter_async_context(live(server, user_id=ADA))
            before = (await socket.ask(type="book", show_id=show_id, seats=["1"]))["booking"]
        after = (await socket.ask(type="book", show_id=show_id, seats=["2"]))["booking"]
        assert after["status"] == "confirmed"
        for booking in (before, after):
            assert await socket.change(booking["id"], "confirmed") == booking


async def test_an_undecided_request_is_pending_and_answered_later(made: Settings) -> None:
    async with serving(made) as with_worker:
        show_id = await make_show(with_worker)
    with mock.patch("gateway.live.socket_requests.DEFAULT_WAIT_S", 0.2):
        async with serving(made, worker=False) as server, live(server, user_id=ADA) as socket:
            await socket.send({"type": "book", "ref": "a", "show_id": show_id, "seats": ["1"]})
            pending = await socket.answer_to("a")
            assert pending == {"type": "pending", "ref": "a", "command": pending["command"]}
            await socket.send({"type": "book", "ref": "a", "show_id": show_id, "seats": ["2"]})
            assert (await socket.answer_to(None))["problem"]["errors"][0]["field"] == "ref"
            async with server.client(ADA) as http:
                status = await http.get(f"/api/commands/{pending['command']}")
                assert status.json() == {"command": pending["command"], "status": "pending"}
            async with serving(made):
                accepted = await socket.answer_to("a")
                assert (accepted["type"], accepted["booking"]["seats"]) == ("accepted", ["1"])
                decided = accepted["booking"]["decided"]
                assert f"{decided['partition']}-{decided['offset']}" == pending["command"]


async def test_reading_stops_while_sixteen_requests_are_in_progress(made: Settings) -> None:
    async with serving(made) as with_worker:
        show_id = await make_show(with_worker)
    submit = CommandSender.submit
    released = asyncio.Event()
    begun: list[str] = []

    async def slow(self: CommandSender, command: Any, *, wait_s: float) -> Any:
        begun.append(command.seats[0])
        await released.wait()
        return await submit(self, command, wait_s=wait_s)

    with mock.patch.object(CommandSender, "submit", slow):
        async with serving(made) as server, live(server, user_id=ADA) as socket:
            for n in range(1, 31):
                await socket.send({"type": "book", "ref": f"b{n}", "show_id": show_id, "seats": [str(n)]})
            await until(lambda: len(begun) >= 16)
            async with server.client() as http:  # any further message would have been read by now
                assert (await http.get("/health/live")).status_code == 200
            assert begun == [str(n) for n in range(1, 17)]
            released.set()
            answers = [await socket.answer_to(f"b{n}") for n in range(1, 31)]
            taken = [answer for answer in answers if answer["type"] == "accepted"]
            assert len(taken) == 10, "seats_per_customer"
            assert {one["problem"]["code"] for one in answers if one not in taken} == {"limit_exceeded"}


async def test_a_booking_is_made_after_its_client_disconnected(server: Server, show_id: int) -> None:
    async with live(server, user_id=ADA) as socket, live(server, user_id=ADA) as other:
        await socket.send({"type": "book", "ref": "a", "show_id": show_id, "seats": ["7"]})
        await socket.connection.close()
        changed = await other.next(lambda one: one["type"] == "booking")
        assert changed["booking"]["seats"] == ["7"]


async def test_a_slow_reader_is_dropped_and_delays_no_other(server: Server, show_id: int) -> None:
    ended: list[int] = []
    end = BoundedWebSocket.end

    def noted(socket: BoundedWebSocket, code: int, reason: str) -> None:
        ended.append(code)
        end(socket, code, reason)

    with (
        mock.patch("gateway.server.websocket_protocol._KERNEL_BUFFER", 8_000),
        mock.patch("gateway.server.websocket_protocol.MAX_UNSENT", 50_000),
        mock.patch.object(BoundedWebSocket, "end", noted),
    ):
        async with (
            live(server, user_id=ADA, receive_buffer=8_000) as slow,
            live(server, user_id=BOB) as quick,
        ):
            slow.connection.transport.pause_reading()
            for _ in range(1_000):  # with 300 kB of responses in total
                await slow.connection.send(json.dumps({"ref": "r" * 64}))
            assert (await quick.ask(type="book", show_id=show_id, seats=["1"]))["type"] == "accepted"
            await until(lambda: 1013 in ended)
            slow.connection.transport.resume_reading()
            assert await slow.closed() == (1013, "too slow: connect again")
            assert 100 < len(slow.unread) < 1_000


async def test_a_stopping_gateway_closes_with_1012(made: Settings) -> None:
    async with serving(made) as server, live(server, user_id=ADA) as socket:
        server.stop.set()
        assert (await socket.closed())[0] == 1012
