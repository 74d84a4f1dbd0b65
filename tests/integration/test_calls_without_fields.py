"""Calls that have no fields: which bodies say nothing, on the fast path, through ASGI and in the framework."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.programme import add_movie, add_show

SHOP = "https://shop.example"
JSON = "application/json"
NOTHING = [
    b"",
    b"{}",
    b"{ }",
    b"{\r\n}",
    b"null",
    b" null\r\n",
    b" \t\r\n",
    b"\xef\xbb\xbf",
    b"\xef\xbb\xbf{}",
    b"\n{\t}\n",
]
SOMETHING = {
    b'""': ("validation", "body"),
    b"[]": ("validation", "body"),
    b"0": ("validation", "body"),
    b"false": ("validation", "body"),
    b"1e999": ("validation", "body"),
    b'{"seats": ["1"]}': ("validation", "seats"),
    b'{"a": null, "b": 1}': ("validation", "a b"),
    b"{": ("invalid_json", ""),
    b"{}{}": ("invalid_json", ""),
    b"nothing": ("invalid_json", ""),
    b"\xff\xfe": ("invalid_json", ""),
    b"[" * 5_000: ("invalid_json", ""),
}


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url,
        redis_url=redis_url,
        jwt_keys=KEYS,
        partitions=1,
        rate_limits=False,
        cors_origins=(SHOP,),
    )
    async with serving(made) as running:
        yield running


@pytest.fixture
async def staff(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client(1, "staff") as client:
        yield client


@pytest.fixture
async def show(staff: httpx.AsyncClient) -> str:
    made = await add_show(staff, await add_movie(staff), seats_per_customer=10_000)
    return f"/api/shows/{made['id']}"


async def held(client: httpx.AsyncClient, show: str) -> str:
    answer = await client.post(f"{show}/holds", json={"quantity": 1})
    assert answer.status_code == 201, answer.text
    return f"/api/bookings/{answer.json()['id']}"


@pytest.mark.parametrize("headers", [{}, {"Origin": SHOP}], ids=["fast path", "ASGI"])
async def test_a_body_that_says_nothing_is_no_body(
    staff: httpx.AsyncClient, show: str, headers: dict[str, str]
) -> None:
    for body in NOTHING:
        given = {"content": body, "headers": headers | {"Content-Type": JSON}}
        booking = await held(staff, show)
        for method, path in (("POST", f"{booking}/confirm"), ("POST", f"{booking}/cancel")):
            answer = await staff.request(method, path, **given)  # type: ignore[arg-type]
            assert answer.status_code == 200, (body, path, answer.text)
        answer = await staff.request("DELETE", await held(staff, show), **given)  # type: ignore[arg-type]
        assert (answer.status_code, answer.json()["status"]) == (200, "released"), body
        for call in ("close", "reopen"):
            answer = await staff.post(f"{show}/{call}", **given)  # type: ignore[arg-type]
            assert answer.status_code == 200, (body, call, answer.text)


async def test_a_show_is_cancelled_with_a_body_that_says_nothing(staff: httpx.AsyncClient) -> None:
    movie = await add_movie(staff)
    for body in (b"null", b"{\r\n}"):
        made = await add_show(staff, movie)
        answer = await staff.post(
            f"/api/shows/{made['id']}/cancel", content=body, headers={"Content-Type": JSON}
        )
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled"), body


@pytest.mark.parametrize("headers", [{}, {"Origin": SHOP}], ids=["fast path", "ASGI"])
async def test_a_body_that_says_something_is_refused(
    staff: httpx.AsyncClient, show: str, headers: dict[str, str]
) -> None:
    calls = [
        ("POST", f"/api/bookings/{uuid4()}/confirm"),
        ("POST", f"/api/bookings/{uuid4()}/cancel"),
        ("DELETE", f"/api/bookings/{uuid4()}"),
        ("POST", f"{show}/close"),
        ("POST", f"{show}/reopen"),
        ("POST", f"{show}/cancel"),
    ]
    for body, (code, fields) in SOMETHING.items():
        for method, path in calls:
            answer = await staff.request(method, path, content=body, headers=headers | {"Content-Type": JSON})
            problem = answer.json()
            assert (answer.status_code, problem["code"]) == (400, code), (body, path)
            assert [error["field"] for error in problem.get("errors", [])] == fields.split(), (body, path)


async def test_only_a_body_with_content_has_to_be_declared_as_json(
    staff: httpx.AsyncClient, show: str
) -> None:
    booking = await held(staff, show)
    for path in (f"{booking}/confirm", f"{show}/close", f"{show}/reopen"):
        for body, status in ((b"{}", 415), (b"null", 415), (b"a=1", 415), (b" \n", 200)):
            answer = await staff.post(path, content=body, headers={"Content-Type": "text/plain"})
            assert answer.status_code == status, (path, body)


async def test_an_empty_chunked_body_is_no_body(server: Server, staff: httpx.AsyncClient, show: str) -> None:
    booking = await held(staff, show)
    for path in (f"{booking}/confirm", f"{show}/close"):
        for chunks in (b"0\r\n\r\n", b"1\r\n \r\n0\r\n\r\n", b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token(1, 'staff')}\r\n"
            writer.write(head.encode())
            writer.write(b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n")
            writer.write(b"Connection: close\r\n\r\n" + chunks)
            status = (await asyncio.wait_for(reader.read(), 20)).split(b" ", 2)[1]
            writer.close()
            assert status in (b"200", b"409"), (path, chunks)
