"""Every response has one well-formed Content-Type, and text has one charset."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest import mock

import httpx
import pytest

from gateway.framework import build_framework
from gateway.inbox.routes import FromThisMachine, inbox_routes
from gateway.openapi.fast_routes import fast_route_paths
from gateway.site.assets import load_assets
from runtime.settings import Settings
from tests.integration.gateway_server import KEYS, Server, serving

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
MEDIA_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}((; {_TOKEN}={_TOKEN})*)")
JSON, CSV, HTML = "application/json", "text/csv; charset=utf-8", "text/html; charset=utf-8"
PROBLEM = "application/problem+json"
TEXT = "text/plain; charset=utf-8"


@pytest.fixture
async def server(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[Server]:
    made = settings(
        database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=1, rate_limits=False
    )
    async with serving(made) as running:
        yield running


def check(answer: httpx.Response, wanted: str) -> None:
    """Checks that there is one well-formed Content-Type, without a repeated parameter, as expected."""
    given = [value for name, value in answer.headers.multi_items() if name == "content-type"]
    assert len(given) == 1, (answer.url, given)
    found = MEDIA_TYPE.fullmatch(given[0])
    assert found, (answer.url, given)
    names = re.findall(rf"; ({_TOKEN})=", found[1])
    assert len(names) == len(set(names)), (answer.url, given)
    assert given[0] == wanted, (answer.url, answer.status_code, answer.text[:200])


def every_get_path(settings: Settings) -> set[str]:
    """Templates of all paths that answer GET: the framework's, the fast routes', the inbox's."""
    parts: dict[str, Any] = dict.fromkeys(inspect.signature(build_framework).parameters)
    framework = build_framework(
        **parts | {"more_routes": inbox_routes(settings.home, FromThisMachine("http://a"), mock.MagicMock())}
    )
    paths = {route.path for route in framework.routes if "GET" in getattr(route, "methods", ())}
    return (
        {"/", "/docs"}
        | {re.sub(r":\w+}", "}", path) for path in paths}
        | {path for path, item in fast_route_paths().items() if "get" in item}
    )


async def test_every_response_has_one_media_type(server: Server) -> None:
    async with server.client(1, "admin") as admin, server.client() as nobody:
        new = {"username": "ada", "email": "ada@example.com", "password": "correct horse 1"}
        user = (await nobody.post("/api/signup", json=new)).json()["id"]
        movie = (await admin.post("/api/movies", json={"title": "M", "duration_minutes": 9})).json()["id"]
        show_fields = {"movie_id": movie, "screen_name": "1", "starts_at": "2098-01-01T00:00:00Z"}
        show = (await admin.post("/api/shows", json=show_fields | {"total_seats": 9})).json()["id"]
        hook = {"url": "https://93.184.215.14/hook", "events": ["*"]}
        webhook = (await admin.post("/api/webhooks", json=hook)).json()["id"]
        async with server.client(user) as customer:
            booking = (await customer.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]})).json()
            decided = booking["decided"]
            reports = dict.fromkeys(("sales", "occupancy", "cancellations", "customers"), "")
            reports["holds"] = f"?show={show}"
            wanted: dict[str, tuple[str, str]] = {
                "/": ("/", HTML),
                "/docs": ("/docs", HTML),
                "/docs/{name}": ("/docs/docs.css", "text/css; charset=utf-8"),
                "/openapi.json": ("/openapi.json", JSON),
                "/openapi.json/openapi.json": (
                    "/openapi.json/openapi.json",
                    PROBLEM,
                ),
                "/openapi.json/{path}": ("/openapi.json/nothing", PROBLEM),
                "/problems": ("/problems", HTML),
                "/problems/{code}": ("/problems/seat_taken", HTML),
                "/health/live": ("/health/live", JSON),
                "/health/ready": ("/health/ready", JSON),
                "/inbox": ("/inbox", HTML),
                "/inbox/{email_id}": ("/inbox/nothing", PROBLEM),
                "/inbox/{email_id}/body": ("/inbox/nothing/body", PROBLEM),
                "/inbox/{email_id}/raw": ("/inbox/nothing/raw", PROBLEM),
                "/inbox/{email_id}/attachments/{number}": ("/inbox/nothing/attachments/1", PROBLEM),
                "/inbox/{email_id}/attachments/{number}/view": ("/inbox/nothing/attachments/1/view", PROBLEM),
                "/api/me": ("/api/me", JSON),
                "/api/me/emails": ("/api/me/emails", JSON),
                "/api/email/unsubscribe": ("/api/email/unsubscribe?token=x", TEXT),
                "/api/users": ("/api/users", JSON),
                "/api/users/{user_id}": (f"/api/users/{user}", JSON),
                "/api/users/{user_id}/bookings": (f"/api/users/{user}/bookings", JSON),
                "/api/me/bookings": ("/api/me/bookings", JSON),
                "/api/bookings/{booking_id}": (f"/api/bookings/{booking['id']}", JSON),
                "/api/bookings/{booking_id}/ticket.pdf": (
                    f"/api/bookings/{booking['id']}/ticket.pdf",
                    "application/pdf",
                ),
                "/api/bookings/{booking_id}/ticket.svg": (
                    f"/api/bookings/{booking['id']}/ticket.svg?seat={booking['seats'][0]}",
                    "image/svg+xml",
                ),
                "/api/bookings/{booking_id}/calendar.ics": (
                    f"/api/bookings/{booking['id']}/calendar.ics",
                    "text/calendar; charset=utf-8",
                ),
                "/api/commands/{position}": (
                    f"/api/commands/{decided['partition']}-{decided['offset']}",
                    JSON,
                ),
                "/api/shows/{show_id}/seats": (f"/api/shows/{show}/seats", JSON),
                "/api/shows/{show_id}/notes": (f"/api/shows/{show}/notes", JSON),
                "/api/shows/{show_id}/checkin": (f"/api/shows/{show}/checkin", JSON),
                "/api/deliveries": ("/api/deliveries", JSON),
                "/api/webhooks": ("/api/webhooks", JSON),
                "/api/webhooks/{webhook_id}": (f"/api/webhooks/{webhook}", JSON),
                "/api/webhooks/{webhook_id}/deliveries": (f"/api/webhooks/{webhook}/deliveries", JSON),
                **{
                    f"/api/reports/{name}": (f"/api/reports/{name}{query}", JSON)
                    for name, query in reports.items()
                },
            }
            missing = every_get_path(server.settings) - set(wanted)
            assert not missing, "every path has to be covered here"
            for path, media_type in wanted.values():
                caller = customer if path in ("/api/me", "/api/me/emails") else admin
                check(await caller.get(path), media_type)
            for path in ("/api/movies", f"/api/movies/{movie}", f"/api/movies/{movie}/shows", "/api/shows"):
                check(await nobody.get(path), JSON)
            check(await nobody.get(f"/api/shows/{show}"), JSON)
            for name, query in reports.items():
                check(await admin.get(f"/api/reports/{name}{query}", headers={"Accept": "text/csv"}), CSV)
        check(await nobody.get(load_assets().address("css/aisle.css")), "text/css; charset=utf-8")
        check(await nobody.get(load_assets().address("js/words.js")), "text/javascript; charset=utf-8")
        check(await nobody.get(load_assets().address("images/icon.svg")), "image/svg+xml")
        check(await nobody.get("/docs/docs.js"), "text/javascript; charset=utf-8")
        check(await nobody.get("/docs/swagger-ui-bundle.js"), "text/javascript; charset=utf-8")
        check(await nobody.get("/docs/swagger-ui.css"), "text/css; charset=utf-8")
        check(await nobody.get("/docs/favicon-32x32.png"), "image/png")
        check(await nobody.get("/problems", headers={"Accept": "application/json"}), JSON)
        check(await nobody.get("/nothing"), PROBLEM)
        check(await nobody.get("/api/me"), PROBLEM)
        check(await nobody.put("/api/movies"), PROBLEM)
        check(await nobody.post("/api/login", json={}), PROBLEM)
        check(await nobody.get("/api/me/live"), PROBLEM)
