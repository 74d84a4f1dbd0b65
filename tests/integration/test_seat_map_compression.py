"""GET /api/shows/{id}/seats as Brotli or gzip: the same map, entity tags of their own, and 304 for each tag."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Callable

import aiohttp
import brotli
import msgspec
import pytest

from ops.sample.theatre import theatre
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving
from tests.integration.live_sockets import make_show

THEATRE = msgspec.to_builtins(theatre("EUR"))


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2, rate_limits=False
    )
    async with serving(made) as running:
        yield running


async def fetch(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Sends a request with exactly these headers. Returns the response as it came."""
    skipped = ("Accept-Encoding", "Accept", "User-Agent")
    async with (
        aiohttp.ClientSession(server.url, auto_decompress=False, skip_auto_headers=skipped) as client,
        client.request(
            method, path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        ) as response,
    ):
        return (
            response.status,
            {k.lower(): v for k, v in response.headers.items()},
            await response.read(),
        )


ENCODINGS = {
    "br": "br",
    "gzip": "gzip",
    "gzip, deflate, br, zstd": "br",
    "gzip, br;q=0": "gzip",
    "br;q=0.0, *": "gzip",
    "*;q=0.5": "br",
    "gzip;q=0, br;q=0.1": "br",
}
UNPACK: dict[str, Callable[[bytes], bytes]] = {"br": brotli.decompress, "gzip": gzip.decompress}


async def test_the_same_map_plain_and_compressed(server: Server) -> None:
    show_id = await make_show(server, layout=THEATRE)
    path = f"/api/shows/{show_id}/seats"
    for seats in ([], ["A5", "A6"]):
        if seats:
            async with server.client(7) as customer:
                assert (
                    await customer.post(f"/api/shows/{show_id}/bookings", json={"seats": seats})
                ).is_success
        status, plain, body = await fetch(server, path)
        assert status == 200
        assert "content-encoding" not in plain
        for accepted, encoding in ENCODINGS.items():
            status, packed, small = await fetch(server, path, Accept_Encoding=accepted)
            assert (status, packed["content-encoding"]) == (200, encoding)
            assert UNPACK[encoding](small) == body
            assert packed["content-length"] == str(len(small))
            assert len(small) < len(body) / 3
            assert packed["etag"] == plain["etag"].removesuffix('"') + f'-{encoding}"'
            assert plain["vary"] == packed["vary"] == "Accept-Encoding"
            _, head, nothing = await fetch(server, path, "HEAD", Accept_Encoding=accepted)
            assert (head["etag"], head["content-length"], nothing) == (packed["etag"], str(len(small)), b"")
        for refused in ("identity", "zstd", "gzip;q=0", "br;q=0, gzip;q=0.000", "*;q=0", ""):
            _, unpacked, same = await fetch(server, path, Accept_Encoding=refused)
            assert same == body
            assert "content-encoding" not in unpacked


async def test_each_entity_tag_is_304_until_a_seat_changes(server: Server) -> None:
    show_id = await make_show(server, layout=THEATRE)
    path = f"/api/shows/{show_id}/seats"
    tags = [
        (await fetch(server, path))[1]["etag"],
        (await fetch(server, path, Accept_Encoding="gzip"))[1]["etag"],
        (await fetch(server, path, Accept_Encoding="br"))[1]["etag"],
    ]
    assert len(set(tags)) == len(tags)
    for tag in tags:
        for accepted in ("br", "gzip", "identity"):
            for given in (tag, f"W/{tag}", f'"x", {tag}'):
                status, headers, body = await fetch(
                    server, path, Accept_Encoding=accepted, If_None_Match=given
                )
                assert (status, body, headers["etag"]) == (304, b"", tag)
                assert headers["vary"] == "Accept-Encoding"
    async with server.client(7) as customer:
        assert (await customer.post(f"/api/shows/{show_id}/bookings", json={"seats": ["A5"]})).is_success
    for tag in tags:
        status, headers, _ = await fetch(server, path, Accept_Encoding="br, gzip", If_None_Match=tag)
        assert status == 200
        assert headers["etag"] not in tags
