"""Conventions of the API on every path: request ids, methods, HEAD and OPTIONS, queries, decisions."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from gateway.site.assets import load_assets
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

PLACES = {
    "show_id": "1",
    "movie_id": "1",
    "user_id": "7",
    "booking_id": "01a1fd40-318b-8000-8000-05c8b1fac95c",
    "position": "0-0",
    "webhook_id": "1",
    "delivery_id": "1",
}
PAGES = [
    "/",
    "/docs",
    "/docs/docs.js",
    load_assets().address("css/aisle.css"),
    load_assets().address("js/words.js"),
    "/openapi.json",
    "/problems",
    "/problems/seat_taken",
    "/inbox",
]

WRONG_QUERIES = [
    "colour=red", "limit", "limit=%00", "limit=0", "limit=101", "limit=1&limit=1", "limit=+1", "limit=1e1",
    "limit=10.0", "limit=%D9%A1", "limit=" + "9" * 40, "cursor=%ED%A0%80", "cursor=%00", "cursor=!!", "%FF=1",
    "active=1", "active=on",
]  # fmt: skip


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with serving(made) as running:
        async with running.client(1, "staff") as staff:
            movie = (await staff.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
            show = {
                "movie_id": movie,
                "screen_name": "1",
                "starts_at": "2098-01-01T00:00:00Z",
                "total_seats": 9,
            }
            assert (await staff.post("/api/shows", json=show)).status_code == 201
        yield running


async def calls(client: httpx.AsyncClient) -> dict[str, set[str]]:
    """Every path with its methods: operations of the document, and pages."""
    document: dict[str, Any] = (await client.get("/openapi.json")).json()
    found = {
        re.sub(r"{(\w+)}", lambda place: PLACES[place[1]], path): {method.upper() for method in item}
        for path, item in document["paths"].items()
    }
    found["/api/email/unsubscribe"].add("GET")  # leads people to a page, and is no call of clients
    return found | {page: {"GET"} for page in PAGES}


async def test_every_path_answers_options_and_405_with_the_same_methods(server: Server) -> None:
    async with server.client(7, "admin") as client:
        for path, methods in (await calls(client)).items():
            allowed = {*methods, "OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
            asked = await client.options(path)
            assert (asked.status_code, asked.content) == (204, b""), path
            assert set(asked.headers["allow"].split(", ")) == allowed, path
            for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
                if method not in allowed:
                    refused = await client.request(method, path)
                    assert refused.status_code == 405, (method, path, refused.text)
                    assert set(refused.headers["allow"].split(", ")) == allowed, (method, path)
                    assert method == "HEAD" or refused.json()["code"] == "method_not_allowed"
                    assert refused.headers["x-request-id"]


async def test_head_is_get_without_its_body_on_every_path(server: Server) -> None:
    async with server.client(7, "admin") as client:
        for path, methods in (await calls(client)).items():
            if "GET" in methods:
                got, head = await client.get(path), await client.head(path)
                assert (head.status_code, head.content) == (got.status_code, b""), path
                for name in ("content-type", "etag", "cache-control", "content-length"):
                    assert head.headers.get(name) == got.headers.get(name), (path, name)


async def test_request_ids_are_on_every_response(server: Server) -> None:
    async with server.client(7, "admin") as client, server.client() as nobody:
        for path, methods in (await calls(client)).items():
            for method in sorted(methods | {"OPTIONS", "PUT"}):
                for caller in (client, nobody):
                    response = await caller.request(method, path, headers={"X-Request-Id": "mine-1"})
                    assert response.headers.get_list("x-request-id") == ["mine-1"], (method, path)
                    response = await caller.request(method, path, headers={"X-Request-Id": "not a sane one"})
                    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"]), (method, path)


async def test_unknown_and_invalid_query_parameters_are_rejected(server: Server) -> None:
    async with server.client(7, "admin") as client:
        for path, methods in (await calls(client)).items():
            if "GET" not in methods or not path.startswith("/api/"):
                continue
            for query in WRONG_QUERIES:
                response = await client.get(f"{path}?{query}")
                if response.status_code == 404:
                    continue  # an unknown resource, so its query is not checked
                assert (response.status_code, response.json().get("code")) == (400, "validation"), (
                    path,
                    query,
                )
                assert response.json()["errors"], (path, query)


async def test_decided_refusals_have_the_position_of_their_decision(server: Server) -> None:
    async with server.client(7) as client, server.client(1, "staff") as staff:
        path = "/api/shows/1/bookings"
        assert (await client.post(path, json={"seats": ["1"]})).status_code == 201
        keyed = {"Idempotency-Key": "a"}
        first = await client.post(path, json={"seats": ["1"]}, headers=keyed)
        at = first.json()["decided"]
        fate = (await client.get(f"/api/commands/{at['partition']}-{at['offset']}")).json()
        assert fate["problem"] == first.json()
        again = await client.post(path, json={"seats": ["1"]}, headers=keyed)
        assert (again.headers["idempotency-replayed"], again.json()) == ("true", first.json())
        other = await client.post(path, json={"seats": ["1"]})
        assert other.json()["decided"]["offset"] > at["offset"]
        assert other.json() | {"decided": at} == first.json()
        gone = await client.post(f"/api/bookings/{PLACES['booking_id']}/cancel")
        assert (gone.status_code, set(gone.json()["decided"])) == (404, {"partition", "offset"})
        blocked = await staff.post("/api/shows/1/block", json={"seats": ["1"]})
        assert (blocked.status_code, set(blocked.json()["decided"])) == (409, {"partition", "offset"})
        before = await client.post(path, json={"seats": "1"})
        assert "decided" not in before.json()


@pytest.mark.parametrize("text", ["\\u0000", "\\ud800", "\\udfff\\ud800", "a\\u0000b"])
async def test_nul_and_lone_surrogates_are_rejected_in_every_body(server: Server, text: str) -> None:
    bodies = {
        "POST /api/signup": ["username", "email", "password", "name", "language"],
        "POST /api/login": ["username", "password"],
        "POST /api/token/refresh": ["refresh"],
        "POST /api/password/forgot": ["email"],
        "POST /api/password/reset": ["token", "password"],
        "PATCH /api/me": ["name", "language", "email"],
        "POST /api/movies": ["title", "description", "language", "rating", "poster_url", "genres[]"],
        "PATCH /api/movies/1": ["title", "description", "language", "rating", "poster_url"],
        "POST /api/shows": ["screen_name", "timezone", "starts_at"],
        "POST /api/shows?": ["layout"],
        "PATCH /api/shows/1": ["screen_name", "timezone"],
        "POST /api/shows/1/block": ["seats[]", "note"],
        "POST /api/shows/1/bookings": ["seats[]", "section"],
        "POST /api/shows/1/holds": ["seats[]", "section"],
    }
    whole: dict[str, dict[str, Any]] = {
        "/api/signup": {"username": "abc", "email": "a@example.com", "password": "correct horse 1"},
        "/api/login": {"username": "abc", "password": "correct horse 1"},
        "/api/password/reset": {"token": "t", "password": "correct horse 1"},
        "/api/movies": {"title": "M", "duration_minutes": 9},
        "/api/shows": {
            "movie_id": 1,
            "screen_name": "1",
            "starts_at": "2098-01-01T00:00:00Z",
            "total_seats": 9,
        },
        "/api/shows/1/block": {"seats": ["9"]},
    }
    async with server.client(1, "admin") as client:
        for call, fields in bodies.items():
            method, path = call.split()
            for field in fields:
                name = field.removesuffix("[]")
                body = whole.get(path, {}) | {name: ["MARK"] if field.endswith("[]") else "MARK"}
                if name == "layout":
                    price = {"amount": 0, "currency": "EUR"}
                    sections = [{"name": "MARK", "price": price, "rows": [{"name": "A", "seats": 2}]}]
                    body = {**whole["/api/shows"], "layout": {"sections": sections}}
                    del body["total_seats"]
                if name == "section":
                    body["quantity"] = 1
                content = json.dumps(body).replace("MARK", text)
                headers = {"Content-Type": "application/json"}
                response = await client.request(method, path, content=content, headers=headers)
                assert response.status_code == 400, (call, field, response.status_code, response.text)
                assert response.json()["code"] in ("validation", "invalid_json"), (call, field)
