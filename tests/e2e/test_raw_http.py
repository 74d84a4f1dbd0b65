"""Raw HTTP on a socket: each client gets its responses, in order, and no connection stalls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.e2e.raw_requests import (
    CHUNKED,
    CLOSE,
    LOGIN,
    NO_SEAT,
    REFUSED,
    VALID,
    MakeRequest,
)
from tests.e2e.running import RunningAisle
from tests.e2e.wire import JSON, SOON_S, Customer


@pytest.fixture
async def customer(laptop: RunningAisle, new_user: Callable[[], int], shows: dict[str, int]) -> Customer:
    if not shows:
        shows["show"] = await laptop.make_show(500)
    return Customer(laptop, new_user(), shows["show"])


@pytest.fixture(scope="module")
def shows() -> dict[str, int]:
    return {}


@pytest.mark.parametrize(("status", "code", "made"), REFUSED.values(), ids=REFUSED)
async def test_an_invalid_request_gets_a_problem(
    customer: Customer, status: int, code: str, made: MakeRequest
) -> None:
    answer = await customer.sends(made(customer))
    assert (answer.status, answer.code) == (status, code), answer
    assert answer.headers["x-request-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    live = await customer.sends(customer.request("GET", "/health/live", CLOSE))
    assert live.status == 200


HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ([f"X-{number}: a" for number in range(200)], b"", 431, "headers_too_large"),
        (["X: " + "a" * 9000], b"", 431, "headers_too_large"),
        (["Content-Length: 5"], b"hello", 400, "validation"),
        ([CHUNKED], b"0\r\n\r\n", 400, "validation"),
    ],
    ids=["many headers", "a long header", "a body", "chunks"],
)
async def test_a_refused_handshake_ends_the_connection(
    customer: Customer, headers: list[str], body: bytes, status: int, code: str
) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("GET", f"{customer.show}/live", *HANDSHAKE, *headers, body=body))
        answer = await wire.answer()
        assert (answer.status, answer.code) == (status, code)
        assert await wire.closed()


@pytest.mark.parametrize("made", VALID.values(), ids=VALID)
async def test_an_unusual_valid_request_is_answered(customer: Customer, made: MakeRequest) -> None:
    assert (await customer.sends(made(customer))).status == 200


async def test_trailers_are_not_read_as_headers(customer: Customer) -> None:
    trailers = f"\r\n{customer.token}\r\nIdempotency-Key: k\r\n\r\n".encode()
    body = b'f\r\n{"seats":["1"]}\r\n0' + trailers
    head = f"POST {customer.book} HTTP/1.1\r\nHost: aisle\r\n{JSON}\r\n{CHUNKED}\r\n\r\n".encode()
    assert (await customer.sends(head + body)).code == "unauthenticated"


@pytest.mark.parametrize("path", ["{show}", "{show}/seats", "/api/me/bookings", "/health/live", "/docs"])
async def test_head_is_get_without_its_body(customer: Customer, path: str) -> None:
    path = path.format(show=customer.show)
    async with customer.connect() as wire:
        wire.writer.write(customer.request("HEAD", path) + customer.request("GET", path))
        head, get = await wire.answer(head_only=True), await wire.answer()
        assert (head.status, head.headers["content-length"]) == (get.status, get.headers["content-length"])
        assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/movies", "GET, HEAD, POST, OPTIONS"),
        ("{show}", "GET, HEAD, PATCH, OPTIONS"),
        ("{show}/bookings", "POST, OPTIONS"),
        ("{show}/close", "POST, OPTIONS"),
        ("/api/me", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("/api/users/1", "GET, HEAD, PATCH, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ],
)
async def test_options_and_405_name_the_methods(customer: Customer, path: str, methods: str) -> None:
    path = path.format(show=customer.show)
    options = await customer.sends(customer.request("OPTIONS", path))
    assert (options.status, options.headers["allow"]) == (204, methods)
    other = await customer.sends(customer.request("PUT", path))
    assert (other.status, other.headers["allow"]) == (405, methods)
    assert (await customer.sends(customer.request("OPTIONS", path + "/nothing"))).status in (204, 404)


async def test_pipelined_requests_are_answered_in_their_order(customer: Customer) -> None:
    async with customer.connect() as wire:
        for seat in range(1, 31):
            body = json.dumps({"seats": [str(seat)]}).encode()
            wire.writer.write(
                customer.sized(customer.book, body)
                + customer.request("HEAD", customer.show)
                + customer.request("GET", "/api/me")
                + customer.request("GET", f"{customer.show}/seats")
            )
        for seat in range(1, 31):
            booked = await wire.answer()
            assert (booked.status, json.loads(booked.body)["seats"]) == (201, [str(seat)])
            assert (await wire.answer(head_only=True)).status == 200
            assert (await wire.answer()).status == 404, "there is no such account, only its token"
            assert json.loads((await wire.answer()).body)["states"][seat - 1] == "s"
        wire.writer.write(customer.request("GET", customer.show, CLOSE))
        assert (await wire.answer()).headers["connection"] == "close"
        assert await wire.closed()


async def test_requests_before_invalid_input_are_answered_first(customer: Customer) -> None:
    async with customer.connect() as wire:
        booking = customer.sized(customer.book, b'{"seats":["101"]}')
        wire.writer.write(booking + customer.request("GET", customer.show) + b"nonsense\r\n\r\n")
        assert (await wire.answer()).status == 201
        assert (await wire.answer()).status == 200
        refusal = await wire.answer()
        assert (refusal.status, refusal.code, refusal.headers["connection"]) == (400, "validation", "close")
        assert await wire.closed()


async def test_a_length_that_is_too_short_ends_the_connection(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", customer.book, JSON, "Content-Length: 9", body=NO_SEAT))
        assert (await wire.answer()).code == "invalid_json"
        assert (await wire.answer()).code == "validation"
        assert await wire.closed()


async def test_a_request_with_a_broken_body_is_not_executed_behind_a_valid_one(customer: Customer) -> None:
    async with customer.connect() as wire:
        good = customer.sized(customer.book, b'{"seats":["102"]}')
        whole = b'11\r\n{"seats":["103"]}\r\n'
        wire.writer.write(
            good + customer.request("POST", customer.book, JSON, CHUNKED, body=whole + b"nonsense\r\n")
        )
        assert (await wire.answer()).status == 201
        assert (await wire.answer()).code == "validation"
        assert await wire.closed()
    assert await states(customer, 102, 103) == "sa"


async def test_a_request_with_an_incomplete_body_is_not_executed(customer: Customer) -> None:
    async with customer.connect() as wire:
        body = b'{"seats":["104"]}'
        wire.writer.write(customer.request("POST", customer.book, JSON, "Content-Length: 99", body=body))
        wire.writer.write_eof()
        assert await wire.closed()
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", LOGIN, JSON, "Content-Length: 99", body=b"{}"))
        wire.writer.write_eof()
        assert await wire.closed()
    assert await states(customer, 104) == "a"


async def test_expect_100_continue_gets_a_100(customer: Customer) -> None:
    for path, body, code in ((customer.book, NO_SEAT, "seat_unknown"), (LOGIN, b"{}", "validation")):
        async with customer.connect() as wire:
            head = customer.request(
                "POST", path, JSON, f"Content-Length: {len(body)}", "Expect: 100-continue"
            )
            for _ in range(2):
                wire.writer.write(head)
                assert (await wire.answer()).status == 100
                wire.writer.write(body)
                assert (await wire.answer()).code == code


async def test_a_body_in_pieces_is_one_body(customer: Customer) -> None:
    async with customer.connect() as wire:
        for byte in customer.sized(customer.book, NO_SEAT):
            wire.writer.write(bytes([byte]))
            await wire.writer.drain()
            await asyncio.sleep(0)
        assert (await wire.answer()).code == "seat_unknown"


@pytest.mark.parametrize("path", ["{book}", LOGIN])
async def test_a_client_that_half_closes_gets_its_response(customer: Customer, path: str) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.sized(path.format(book=customer.book), b'{"seats":["106"]}'))
        wire.writer.write_eof()
        assert (await wire.answer()).status == (201 if "book" in path else 400)
        assert await wire.closed()


async def test_a_connection_stays_open_after_a_rejected_body_that_is_complete(customer: Customer) -> None:
    async with customer.connect() as wire:
        large = b'{"seats":["' + b"1" * 17_000 + b'"]}'
        wire.writer.write(customer.sized(customer.book, large) + customer.request("GET", customer.show))
        assert (await wire.answer()).code == "body_too_large"
        assert (await wire.answer()).status == 200


async def test_a_connection_is_closed_after_a_rejected_body_that_is_incomplete(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.request("POST", customer.book, JSON, f"Content-Length: {10**9}"))
        assert (await wire.answer()).code == "body_too_large"
        assert await wire.closed()


async def test_a_booking_is_made_after_its_client_disconnected(customer: Customer) -> None:
    async with customer.connect() as wire:
        wire.writer.write(customer.sized(customer.book, b'{"seats":["105"]}') * 3)
        await wire.writer.drain()
        wire.writer.transport.abort()
        async with asyncio.timeout(SOON_S):
            while await states(customer, 105) != "s":  # noqa: ASYNC110 (another process decides)
                await asyncio.sleep(0.02)


async def states(customer: Customer, *seats: int) -> str:
    answer = await customer.sends(customer.request("GET", f"{customer.show}/seats"))
    found: Any = json.loads(answer.body)["states"]
    return "".join(found[seat - 1] for seat in seats)


def test_none_of_these_requests_raised_an_exception(laptop: RunningAisle) -> None:
    logged = laptop.output.read_text()
    assert "request_failed" not in logged
    assert "Exception in ASGI application" not in logged
