"""The front page is rendered once for concurrent requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from gateway.catalogue.shows import Shows
from gateway.site.programme_data import DATA_AGE_S
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving


async def test_concurrent_requests_share_one_front_page(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    page = Shows.upcoming

    async def counted(shows: Shows, *arguments: object) -> object:
        read.append(arguments)
        await asyncio.sleep(0.05)
        return await page(shows, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Shows, "upcoming", counted)
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made, worker=False) as server, server.client() as client:
        answers: list[httpx.Response] = await asyncio.gather(*(client.get("/?lang=de") for _ in range(64)))
        assert {answer.status_code for answer in answers} == {200}
        assert {answer.headers["content-type"] for answer in answers} == {"text/html; charset=utf-8"}
        assert "script-src 'self';" in answers[0].headers["content-security-policy"]
        assert len(read) == 1
        etag = answers[0].headers["etag"]
        assert (await client.get("/", headers={"If-None-Match": etag})).status_code == 304
        head = await client.head("/")
        assert (head.status_code, head.content) == (200, b"")
        await asyncio.sleep(DATA_AGE_S)
        before = len(read)
        await client.get("/")
        assert len(read) == before + 1


async def test_a_failed_page_is_a_problem_and_the_next_request_retries(
    settings: Callable[..., Settings], database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made, worker=False) as server, server.client() as client:
        with monkeypatch.context() as broken:

            async def away(*_arguments: object) -> object:
                raise ConnectionRefusedError

            broken.setattr(Shows, "upcoming", away)
            answer = await client.get("/")
            assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert (await client.get("/")).status_code == 200
