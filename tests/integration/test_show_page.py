"""The page of a show over HTTP: what it says without its scripts."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, serving

BROWSER = {"Accept": "text/html"}
TITLE = "</script><b>Ink & Co"


@pytest.fixture
async def staff(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[httpx.AsyncClient]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, rate_limits=False)
    async with serving(made) as server:
        await server.add_users(1)
        async with server.client(1, "staff") as client:
            yield client


async def make_show(staff: httpx.AsyncClient, **fields: Any) -> int:
    movie = await staff.post("/api/movies", json={"title": TITLE, "duration_minutes": 90})
    wanted = {
        "movie_id": movie.json()["id"],
        "screen_name": "Hall 1",
        "starts_at": "2099-05-01T18:00:00Z",
        "total_seats": 12,
    } | fields
    answer = await staff.post("/api/shows", json=wanted)
    assert answer.status_code == 201, answer.text
    show_id: int = answer.json()["id"]
    return show_id


async def test_a_title_with_markup_is_text_everywhere(staff: httpx.AsyncClient) -> None:
    show_id = await make_show(staff)
    page = (await staff.get(f"/shows/{show_id}", headers=BROWSER)).text
    assert "<b>Ink" not in page
    assert "&lt;b&gt;Ink &amp; Co" in page
    data = re.search(r'<script type="application/json" id="show-data">(.*?)</script>', page)
    assert data is not None
    assert json.loads(data[1])["id"] == show_id


async def test_an_unknown_show_is_a_page_of_its_own(staff: httpx.AsyncClient) -> None:
    page = await staff.get("/shows/123456", headers=BROWSER)
    assert page.status_code == 404
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert 'href="/"' in page.text


async def test_a_show_whose_sales_have_not_started_says_when(staff: httpx.AsyncClient) -> None:
    show_id = await make_show(staff, sales_start_at="2099-04-01T08:30:00Z")
    page = (await staff.get(f"/shows/{show_id}", headers=BROWSER)).text
    assert "Sales start" in page or "being prepared" in page


async def test_a_cancelled_show_has_a_way_on_and_no_seats_to_choose(staff: httpx.AsyncClient) -> None:
    show_id = await make_show(staff)
    assert (await staff.post(f"/api/shows/{show_id}/cancel")).status_code == 200
    page = (await staff.get(f"/shows/{show_id}", headers=BROWSER)).text
    assert "This show is cancelled." in page
    assert "Other shows of this film" in page
    assert 'id="choosing"' not in page
