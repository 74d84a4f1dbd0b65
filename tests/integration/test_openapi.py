"""The OpenAPI document and the pages: complete, consistent with the routes, no external resources."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urljoin

import httpx
import jsonschema
import pytest

from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

CALLS = """
POST /api/signup · POST /api/login · POST /api/token/refresh · POST /api/logout
POST /api/session · POST /api/session/refresh · DELETE /api/session
GET /api/me · PATCH /api/me · DELETE /api/me · POST /api/password/forgot · POST /api/password/reset
GET /api/users · GET /api/users/{user_id} · PATCH /api/users/{user_id}
GET /api/movies · POST /api/movies · GET /api/movies/{movie_id} · PATCH /api/movies/{movie_id}
DELETE /api/movies/{movie_id} · GET /api/movies/{movie_id}/shows
GET /api/shows · POST /api/shows · GET /api/shows/{show_id} · GET /api/shows/{show_id}/seats
POST /api/shows/{show_id}/bookings · GET /api/bookings/{booking_id} · DELETE /api/bookings/{booking_id}
POST /api/bookings/{booking_id}/cancel · GET /api/me/bookings · GET /api/users/{user_id}/bookings
PATCH /api/shows/{show_id} · POST /api/shows/{show_id}/close · POST /api/shows/{show_id}/reopen
POST /api/shows/{show_id}/cancel · POST /api/shows/{show_id}/block · POST /api/shows/{show_id}/unblock
GET /api/bookings/{booking_id}/ticket.svg · GET /api/bookings/{booking_id}/calendar.ics
GET /api/bookings/{booking_id}/ticket.pdf · POST /api/bookings/{booking_id}/extend
POST /api/bookings/{booking_id}/seats · POST /api/bookings/{booking_id}/swap
GET /api/commands/{position} · GET /health/live · GET /health/ready
GET /.well-known/jwks.json · POST /api/checkin · POST /api/checkin/undo · GET /api/shows/{show_id}/checkin
"""


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1)
    async with serving(made) as running:
        yield running


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with server.client() as client:
        yield client


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.get("/openapi.json")
    assert response.status_code == 200
    found: dict[str, Any] = response.json()
    return found


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def test_every_operation_of_the_contract_is_documented(document: dict[str, Any]) -> None:
    wanted = {call.strip() for call in re.split(r"·|\n", CALLS) if call.strip()}
    assert wanted <= set(operations(document))


def test_references_resolve_and_operation_ids_are_unique(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert referred <= set(document["components"]["schemas"])
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))


def test_every_operation_documents_body_security_and_problems(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for call, operation in operations(document).items():
        assert operation["summary"], call
        assert "application/problem+json" in operation["responses"]["default"]["content"], call
        if call.startswith(("POST", "PATCH")) and not call.endswith(
            (
                "/cancel",
                "/confirm",
                "/extend",
                "/close",
                "/reopen",
                "/session/refresh",
                "/send",
                "/unsubscribe",
                "/rotate",
                "/test",
                "{delivery_id}/replay",
            )
        ):
            assert operation["requestBody"]["content"]["application/json"]["schema"]["$ref"], call
            assert {"400", "413", "415"} <= set(operation["responses"]), call
        if operation.get("security"):
            assert "401" in operation["responses"], call
        path_names = set(re.findall(r"{(\w+)}", call))
        assert path_names == {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}, call
    public = {call for call, operation in operations(document).items() if not operation.get("security")}
    assert "GET /api/shows/{show_id}/seats" in public
    assert "POST /api/shows/{show_id}/bookings" not in public
    assert "POST /api/shows" not in public


def test_examples_match_their_schemas(document: dict[str, Any]) -> None:
    seen = 0
    for call, operation in operations(document).items():
        parts = [operation.get("requestBody", {}), *operation["responses"].values()]
        for content in (content for one in parts for content in one.get("content", {}).values()):
            if "example" in content:
                schema = content["schema"] | {"components": document["components"]}
                errors = list(jsonschema.Draft202012Validator(schema).iter_errors(content["example"]))
                assert not errors, (call, errors)
                seen += 1
    assert seen > 20


async def test_responses_match_the_document(
    server: Server, client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    def check(response: httpx.Response, name: str) -> Any:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        jsonschema.Draft202012Validator(schema).validate(response.json())
        return response.json()

    new = {"username": "ada", "email": "ada@example.com", "password": "correct horse 1"}
    user = check(await client.post("/api/signup", json=new), "UserBody")
    login = {"username": "ada", "password": "correct horse 1"}
    check(await client.post("/api/login", json=login), "TokensBody")
    check(await client.post("/api/login", json={}), "ProblemBody")
    async with server.client(user["id"]) as me, server.client(99, "admin") as admin:
        movie = check(
            await admin.post("/api/movies", json={"title": "M", "duration_minutes": 9}), "MovieBody"
        )
        show = {
            "movie_id": movie["id"],
            "screen_name": "1",
            "starts_at": "2098-01-01T00:00:00Z",
            "total_seats": 9,
        }
        path = f"/api/shows/{check(await admin.post('/api/shows', json=show), 'ShowBody')['id']}"
        late = await admin.post("/api/shows", json=show, headers={"Prefer": "respond-async"})
        check(late, "PendingShowBody")
        booking = check(await me.post(f"{path}/bookings", json={"seats": ["1"]}), "BookingBody")
        check(await me.post(f"{path}/bookings", json={"seats": ["1"]}), "ProblemBody")
        check(await me.get(f"/api/bookings/{booking['id']}"), "BookingBody")
        decided = booking["decided"]
        check(await me.get(f"/api/commands/{decided['partition']}-{decided['offset']}"), "AcceptedBody")
        check(await me.get(f"{path}/seats"), "SeatMapBody")
        check(await admin.patch(path, json={"screen_name": "2"}), "ShowBody")
        check(await admin.post(f"{path}/block", json={"seats": ["9"]}), "ShowBody")
        late = await admin.post(f"{path}/close", headers={"Prefer": "respond-async"})
        check(late, "PendingBody")
        check(await me.get(path), "ShowBody")
        check(await me.get(f"/api/movies/{movie['id']}"), "MovieBody")
        check(await me.get("/api/me/bookings"), "BookingsPage")
        check(await me.get("/api/movies"), "MoviesPage")
        check(await me.get("/api/shows"), "ShowsPage")
        check(await me.get("/api/me"), "UserBody")
        check(await admin.get("/api/users"), "UsersPage")
        check(await me.get("/health/ready"), "Ready")


async def test_pages_load_no_external_resources_and_no_inline_scripts(
    server: Server, client: httpx.AsyncClient
) -> None:
    for page in ("/", "/docs", "/problems", "/problems/seat_taken"):
        response = await client.get(page)
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/html")
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'unsafe-inline'" not in policy
        assert not re.search(r"<script(?![^>]*src=)|<[^>]* on\w+=|<style", response.text)
        for address in re.findall(r'(?:src|href)="([^"]+)"', response.text):
            address = urljoin(page, address.removeprefix(server.settings.public_url))
            assert address.startswith("/"), address
            assert not address.startswith("//"), address
            assert (await client.get(address)).status_code == 200, address
    for name in ("/docs/nothing.js", "/docs/..%2fapp.py", "/docs/index.css"):
        assert (await client.get(name)).status_code == 404


async def test_the_front_page_escapes_what_it_shows(server: Server, client: httpx.AsyncClient) -> None:
    assert "There are no upcoming shows" in (await client.get("/")).text
    async with server.client(1, "staff") as staff:
        title = "<script>alert(1)</script> & बारिश"
        movie = (await staff.post("/api/movies", json={"title": title, "duration_minutes": 9})).json()["id"]
        show = {"movie_id": movie, "screen_name": "Hall", "starts_at": "2098-01-01T20:00:00Z"}
        show |= {"total_seats": 7, "timezone": "Asia/Kolkata"}
        assert (await staff.post("/api/shows", json=show)).status_code == 201
    text = (await client.get("/?from=elsewhere")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; बारिश" in text
    assert "Thu 2 Jan<" in text
    assert ">01:30<" in text
    assert "7 seats left" in text
