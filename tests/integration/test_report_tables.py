"""Long tables over HTTP: complete, or visibly cut; and no client occupies the slot of a report."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import socket
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from gateway.reports import query, table
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

CUSTOMERS = 50_000
LAST_CHUNK = b"0\r\n\r\n"
_CUSTOMERS_SQL = (
    "INSERT INTO users (user_id, username)"
    f" SELECT n, 'name' || n || repeat('x', 100) FROM generate_series(1, {CUSTOMERS}) n",
    "INSERT INTO report_customers (user_id, currency, first_day, bookings, seats, gross, cancelled_bookings,"
    " cancelled_seats, cancelled)"
    f" SELECT n, 'EUR', '2026-11-01', 1, 2, 2500 + n, 0, 0, 0 FROM generate_series(1, {CUSTOMERS}) n",
    "ANALYZE users, report_customers",
)
_READING = (
    "SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND application_name LIKE '%reports' AND state LIKE 'idle in transaction%'"
)


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=False
    )
    async with serving(made, worker=False) as running:
        for statement in _CUSTOMERS_SQL:
            await running.sql(statement)
        yield running


@contextlib.asynccontextmanager
async def half_read(server: Server, user_id: int = 1) -> AsyncIterator[asyncio.StreamReader]:
    """A connection that has read the beginning of a long table and reads no more by itself."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", server.port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1024)
    try:
        writer.write(
            b"GET /api/reports/customers HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n"
            b"Authorization: Bearer %b\r\n\r\n" % server.token(user_id, "staff").encode()
        )
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        yield reader
    finally:
        writer.transport.abort()


async def readers(server: Server, count: int) -> list[int]:
    """Waits until this number of backends read a table; returns their ids."""
    async with asyncio.timeout(30):
        while True:
            found = [row["pid"] for row in await server.sql(_READING)]
            if len(found) == count:
                return found
            await asyncio.sleep(0.05)


async def test_a_table_of_50000_customers_is_complete(server: Server) -> None:
    async with server.client(1, "staff") as staff:
        answer = await staff.get("/api/reports/customers", headers={"Accept": "text/csv"})
    assert answer.headers["transfer-encoding"] == "chunked"
    found = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert {int(row["user_id"]) for row in found} == set(range(1, CUSTOMERS + 1))
    assert len(found) == CUSTOMERS


async def test_a_table_whose_backend_ends_early_is_cut_and_the_next_one_is_complete(
    server: Server,
) -> None:
    async with half_read(server) as reader:
        [backend] = await readers(server, 1)
        await server.sql("SELECT pg_terminate_backend($1)", backend)
        async with asyncio.timeout(60):
            rest = await reader.read(-1)
    assert not rest.endswith(LAST_CHUNK)
    assert len(rest.splitlines()) < CUSTOMERS
    async with server.client(1, "staff") as staff:
        answer = await staff.get("/api/reports/customers", headers={"Accept": "text/csv"})
        assert len(answer.content.splitlines()) == CUSTOMERS + 1


async def test_an_http_client_raises_an_error_for_a_table_that_is_cut(server: Server) -> None:
    async def read() -> None:
        table = staff.stream("GET", "/api/reports/customers", headers={"Accept": "text/csv"})
        async with table as answer:
            async for _ in answer.aiter_raw(65536):
                for row in await server.sql(_READING):
                    await server.sql("SELECT pg_terminate_backend($1)", row["pid"])

    async with server.client(1, "staff") as staff:
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            await read()


async def test_clients_that_stop_reading_keep_neither_place_nor_connection(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CHUNK_TIMEOUT_S", 0.5)
    async with half_read(server) as one, half_read(server, 2) as two:
        await readers(server, 0)
        async with server.client(1, "staff") as staff:
            assert (await staff.get("/api/reports/customers")).status_code == 200
        for reader in (one, two):
            async with asyncio.timeout(60):
                rest = await reader.read(-1)
            assert rest
            assert not rest.endswith(LAST_CHUNK)


async def test_a_client_that_takes_piece_after_piece_slowly_keeps_its_place_for_a_bounded_time(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "TABLE_TIMEOUT_S", 1.0)
    began = time.monotonic()
    async with half_read(server) as reader, asyncio.timeout(60):
        while time.monotonic() < began + 1.5:
            await reader.read(1024)
            await asyncio.sleep(0.02)
        await readers(server, 0)
        assert not (await reader.read(-1)).endswith(LAST_CHUNK)


async def test_clients_that_go_in_the_middle_free_their_places_at_once(server: Server) -> None:
    for _ in range(3):
        async with half_read(server), half_read(server, 2):
            await readers(server, 2)
        began = time.monotonic()
        await readers(server, 0)
        assert time.monotonic() - began < table.CHUNK_TIMEOUT_S / 2


async def test_an_account_that_reads_slowly_leaves_a_place_to_others(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(query, "_WAIT_S", 0.5)
    csv_wanted = {"Accept": "text/csv"}
    async with server.client(1, "staff") as slow, server.client(2, "staff") as other:
        async with half_read(server):
            second = await slow.get("/api/reports/customers", headers=csv_wanted)
            assert (second.status_code, second.json()["code"]) == (503, "overloaded")
            await readers(server, 1)
            assert (await slow.get("/api/reports/customers")).status_code == 200
            table = await other.get("/api/reports/customers", headers=csv_wanted)
            assert len(table.content.splitlines()) == CUSTOMERS + 1
        again = [slow.get("/api/reports/sales", headers=csv_wanted) for _ in range(5)]
        assert {answer.status_code for answer in await asyncio.gather(*again)} == {200}


async def test_a_gateway_that_stops_while_a_client_reads_nothing_cuts_the_table(
    settings: Callable[..., Settings], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.server.serve.DRAIN_S", 1)
    made = settings(
        database_url=server.settings.database_url,
        redis_url=server.settings.redis_url,
        jwt_keys=KEYS,
        partitions=2,
    )
    async with contextlib.AsyncExitStack() as client:
        async with serving(made, worker=False) as other:
            reader = await client.enter_async_context(half_read(other))
            await readers(server, 1)
        await readers(server, 0)
        assert not (await reader.read(-1)).endswith(LAST_CHUNK)
