"""Every request of the booking path, invalid in each of its parts: the response is the problem in the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.e2e.running import RunningAisle

UNKNOWN = "00000000-0000-8000-8000-000000000000"
NEVER_MADE = "0192f0c0-0000-8000-8000-1c0000000000"


@pytest.fixture(scope="module")
def show_ids() -> dict[str, int]:
    return {}


async def _send(laptop: RunningAisle, user: int, method: str, path: str, **options: Any) -> httpx.Response:
    async with laptop.client(user) as client:
        headers = options.pop("headers", {})
        answer = await client.request(method, path, headers=headers, **options)
        live = await client.get("/health/live")
        assert live.status_code == 200, "the service goes on"
        return answer


def _checked(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), (
        answer.text
    )
    problem: dict[str, Any] = answer.json()
    assert problem["code"] == code, problem
    assert problem["type"] == f"/problems/{code}"
    assert problem["status"] == status
    assert problem["detail"]
    assert answer.headers["x-request-id"]
    return problem


BODIES: list[tuple[Any, int, str, str | None]] = [
    (b"", 400, "invalid_json", None),
    (b"{", 400, "invalid_json", None),
    (b"nonsense", 400, "invalid_json", None),
    (b'{"seats": ["\xff"]}', 400, "invalid_json", None),
    (b"[" * 10_000, 400, "invalid_json", None),
    (b"\x00", 400, "invalid_json", None),
    (b"[]", 400, "validation", None),
    (b"null", 400, "validation", None),
    (b"{}", 400, "validation", "seats"),
    (b'{"seats": null}', 400, "validation", "seats"),
    (b'{"seats": []}', 400, "validation", "seats"),
    (b'{"seats": "1"}', 400, "validation", "seats"),
    (b'{"seats": 1}', 400, "validation", "seats"),
    (b'{"seats": [1]}', 400, "validation", "seats[0]"),
    (b'{"seats": ["1", null]}', 400, "validation", "seats[1]"),
    (b'{"seats": [""]}', 400, "validation", "seats[0]"),
    (b'{"seats": ["1", "2", "1"]}', 400, "validation", "seats[2]"),
    (b'{"seats": ["12345678901234567"]}', 400, "validation", "seats[0]"),
    (b'{"seats": ["\\u0000"]}', 400, "validation", "seats[0]"),
    (b'{"seats": ["1\\u0007"]}', 400, "validation", "seats[0]"),
    (b'{"seats": ["1"], "colour": "red"}', 400, "validation", "colour"),
    (b'{"seats": ["1"], "user_id": "x"}', 400, "validation", "user_id"),
    (b'{"seats": ["1"], "user_id": 1000000000000000000000}', 400, "validation", "user_id"),
    (b'{"seats": ["1"], "user_id": 1}', 403, "forbidden", None),
    (b'{"seats": ["1","2","3","4","5","6","7","8","9","10","11"]}', 400, "too_many_seats", "seats"),
    (b'{"seats": ["X1"]}', 400, "seat_unknown", None),
    (b'{"seats": ["' + b"1" * 17_000 + b'"]}', 413, "body_too_large", None),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), BODIES)
async def test_the_response_to_an_invalid_body_names_the_error(
    laptop: RunningAisle,
    new_user: Callable[[], int],
    show_ids: dict[str, int],
    body: bytes,
    status: int,
    code: str,
    field: str | None,
) -> None:
    if not show_ids:
        show_ids["show"] = await laptop.make_show(20)
    path = f"/api/shows/{show_ids['show']}/bookings"
    headers = {"Content-Type": "application/json"}
    problem = _checked(
        await _send(laptop, new_user(), "POST", path, content=body, headers=headers), status, code
    )
    if field is not None:
        assert field in [error["field"] for error in problem["errors"]], problem
    if code == "seat_unknown":
        assert problem["seats"] == ["X1"]


REQUESTS: list[tuple[str, str, dict[str, str], int, str]] = [
    ("POST", "/api/shows/2147483647/bookings", {}, 404, "not_found"),
    ("POST", "/api/shows/2147483648/bookings", {}, 404, "not_found"),
    ("POST", "/api/shows/0/bookings", {}, 404, "not_found"),
    ("POST", "/api/shows/x/bookings", {}, 404, "not_found"),
    ("GET", "/api/shows/{show}/bookings", {}, 405, "method_not_allowed"),
    ("POST", "/api/shows/{show}/bookings?x=1", {}, 400, "validation"),
    ("DELETE", f"/api/bookings/{NEVER_MADE}?x=1", {}, 400, "validation"),
    ("POST", "/api/shows/{show}/bookings", {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
    ("POST", "/api/shows/{show}/bookings", {"Idempotency-Key": "a b"}, 400, "validation"),
    ("POST", "/api/shows/{show}/bookings", {"Idempotency-Key": ""}, 400, "validation"),
    ("POST", "/api/shows/{show}/bookings", {"Idempotency-Key": "k" * 129}, 400, "validation"),
    ("POST", "/api/shows/{show}/bookings", {"Authorization": ""}, 401, "unauthenticated"),
    ("POST", "/api/shows/{show}/bookings", {"Authorization": "Basic YTpi"}, 401, "unauthenticated"),
    ("POST", "/api/shows/{show}/bookings", {"Authorization": "Bearer x"}, 401, "token_invalid"),
    ("POST", "/api/shows/{show}/bookings", {"Authorization": "Bearer a.b.c"}, 401, "token_invalid"),
    ("GET", "/api/shows/2147483647/seats", {}, 404, "not_found"),
    ("GET", "/api/shows/{show}/seats?colour=red", {}, 400, "validation"),
    ("POST", "/api/shows/{show}/seats", {}, 405, "method_not_allowed"),
    ("GET", f"/api/bookings/{UNKNOWN}", {}, 404, "not_found"),
    ("GET", "/api/bookings/nonsense", {}, 404, "not_found"),
    ("POST", f"/api/bookings/{UNKNOWN}/cancel", {}, 404, "not_found"),
    ("POST", f"/api/bookings/{NEVER_MADE}/cancel", {}, 404, "not_found"),
    ("DELETE", f"/api/bookings/{NEVER_MADE}", {}, 404, "not_found"),
    ("PUT", f"/api/bookings/{NEVER_MADE}", {}, 405, "method_not_allowed"),
    ("GET", "/api/me/bookings?limit=0", {}, 400, "validation"),
    ("GET", "/api/me/bookings?limit=101", {}, 400, "validation"),
    ("GET", "/api/me/bookings?limit=ten", {}, 400, "validation"),
    ("GET", "/api/me/bookings?limit=1&limit=2", {}, 400, "validation"),
    ("GET", "/api/me/bookings?cursor=%00", {}, 400, "validation"),
    ("GET", "/api/me/bookings?cursor=abc", {}, 400, "validation"),
    ("GET", "/api/me/bookings?status=sold", {}, 400, "validation"),
    ("GET", "/api/me/bookings?%ff=1", {}, 400, "validation"),
    ("GET", "/api/me/bookings", {"Authorization": ""}, 401, "unauthenticated"),
    ("GET", "/api/users/1/bookings", {}, 403, "forbidden"),
    ("GET", "/api/commands/0-99999999999", {}, 404, "not_found"),
    ("GET", "/api/commands/99-0", {}, 404, "not_found"),
    ("GET", "/api/commands/x", {}, 404, "not_found"),
    ("GET", "/api/commands/0-9223372036854775808", {}, 404, "not_found"),
    ("GET", "/api/commands/0-0", {"Authorization": ""}, 401, "unauthenticated"),
    ("GET", "/api/nothing", {}, 404, "not_found"),
]


@pytest.mark.parametrize(("method", "path", "headers", "status", "code"), REQUESTS)
async def test_the_response_to_an_invalid_request_names_the_error(
    laptop: RunningAisle,
    new_user: Callable[[], int],
    show_ids: dict[str, int],
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    code: str,
) -> None:
    if not show_ids:
        show_ids["show"] = await laptop.make_show(20)
    body = {}
    if method == "POST" and path.endswith("/bookings"):
        headers = {"Content-Type": "application/json", **headers}
        body = {"content": b'{"seats": ["20"]}'}
    path = path.format(show=show_ids["show"])
    answer = await _send(laptop, new_user(), method, path, headers=headers, **body)
    _checked(answer, status, code)
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")
    if status == 405:
        assert answer.headers["allow"]


async def test_a_body_of_unknown_length_is_counted(laptop: RunningAisle, new_user: Callable[[], int]) -> None:
    async def endless() -> Any:
        for _ in range(17):
            yield b"x" * 1024

    show_id = await laptop.make_show(20)
    headers = {"Content-Type": "application/json"}
    answer = await _send(
        laptop, new_user(), "POST", f"/api/shows/{show_id}/bookings", content=endless(), headers=headers
    )
    _checked(answer, 413, "body_too_large")
