"""The contract with clients: the shape of each response, and a record of the observed ones.

Written from the contract alone, not from the code: shapes are exact, so a missing or an additional field is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx

Shape = Any
"""A type, a predicate, a dict of fields (all of them), a list of one shape, a tuple of alternatives, or a value."""


def time(value: Any) -> bool:
    """RFC 3339, UTC, milliseconds."""
    return (
        isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", value) is not None
    )


def uuid(value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value) is not None
    )


def position(value: Any) -> bool:
    """`partition-offset`."""
    return isinstance(value, str) and re.fullmatch(r"\d+-\d+", value) is not None


def among(*words: str) -> Callable[[Any], bool]:
    return lambda value: value in words


def page(item: Shape) -> Shape:
    return {"items": [item], "next_cursor": (str, None)}


MONEY = {"amount": int, "currency": among("EUR")}
USER = {
    "id": int,
    "username": str,
    "email": str,
    "name": (str, None),
    "language": str,
    "role": among("customer", "staff", "admin"),
    "created_at": time,
    "email_confirmed": bool,
}
TOKENS = {"access": str, "refresh": str, "token_type": "Bearer", "expires_in": 3600}
SESSION = {"access": str, "token_type": "Bearer", "expires_in": 3600}
MOVIE = {
    "id": int,
    "title": str,
    "duration_minutes": int,
    "description": str,
    "genres": [str],
    "language": str,
    "rating": str,
    "poster_url": str,
}
SHOW = {
    "id": int,
    "movie": MOVIE,
    "screen_name": str,
    "starts_at": time,
    "timezone": str,
    "status": among("opening", "scheduled", "on_sale", "closed", "cancelled", "past"),
    "total_seats": int,
    "available_seats": int,
    "seats_per_customer": int,
    "prices": [{"section": str, "price": MONEY}],
    "sales_start_at": (time, None),
    "sales_end_at": (time, None),
}
SEAT_MAP = {
    "show_id": int,
    "version": int,
    "sections": [
        {"name": str, "price": MONEY, "rows": [{"name": str, "seats": [str], "aisles_after": [int]}]}
    ],
    "states": lambda value: re.fullmatch("[ahsb]+", value) is not None,
}
BOOKING = {
    "id": uuid,
    "show_id": int,
    "user_id": (int, None),
    "status": among("held", "confirmed", "cancelled", "expired", "released"),
    "seats": [str],
    "total": MONEY,
    "created_at": time,
    "expires_at": (time, None),
    "decided": {"partition": int, "offset": int},
}
WEBHOOK = {
    "id": int,
    "url": str,
    "events": [str],
    "active": bool,
    "disabled": (str, None),
    "public_key": lambda value: re.fullmatch(r"whpk_[A-Za-z0-9+/]{43}=", value) is not None,
    "created_at": time,
}
WEBHOOK_SECRET = WEBHOOK | {
    "secret": lambda value: re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", value) is not None
}
DELIVERY = {
    "id": int,
    "event_id": str,
    "type": str,
    "status": among("pending", "delivered", "failed"),
    "attempts": int,
    "created_at": time,
    "last_try_at": (time, None),
    "next_try_at": (time, None),
    "response_status": (int, None),
    "error": (str, None),
}
OWN_BOOKING = {"id": uuid, "status": among("held", "confirmed"), "seats": [str], "expires_at": (time, None)}
PENDING = {"command": position, "status": "pending"}
ACCEPTED = {"command": position, "status": "accepted", "booking": BOOKING}


def fits(value: Any, shape: Shape, at: str = "$") -> None:
    """Asserts the shape of a JSON value."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), f"{at}: {value!r}"
        assert set(value) == set(shape), f"{at}: {set(value) ^ set(shape)}"
        for name, inner in shape.items():
            fits(value[name], inner, f"{at}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{at}: {value!r}"
        for number, one in enumerate(value):
            fits(one, shape[0], f"{at}[{number}]")
    elif isinstance(shape, tuple):
        assert any(_is(value, one) for one in shape), f"{at}: {value!r}"
    else:
        assert _is(value, shape), f"{at}: {value!r}"


def _is(value: Any, shape: Shape) -> bool:
    if isinstance(shape, type):
        return type(value) is shape
    return bool(shape(value)) if callable(shape) else bool(value == shape)


class Seen:
    """Calls, codes and statuses that tests have observed."""

    def __init__(self) -> None:
        self.calls: set[str] = set()
        self.codes: set[str] = set()
        self.statuses: set[tuple[str, str]] = set()


_NAMES = (
    (r"/api/bookings/[0-9a-f-]{36}", "/api/bookings/{id}"),
    (r"/api/commands/\d+-\d+", "/api/commands/{position}"),
    (r"/(movies|shows|users|webhooks|deliveries)/\d+", r"/\1/{id}"),
)


class Caller:
    """A client that opens a connection for each request, so that any gateway accepts it."""

    def __init__(self, url: str, token: str | None, seen: Seen) -> None:
        self._url = url
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._seen = seen

    async def __call__(
        self, call: str, *, headers: dict[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Sends `METHOD /path` and asserts the rules for every response."""
        method, _, path = call.partition(" ")
        async with httpx.AsyncClient(base_url=self._url, timeout=40) as client:
            answer = await client.request(method, path, headers=self._headers | (headers or {}), **options)
        for pattern, name in _NAMES:
            path = re.sub(pattern, name, path)
        called = f"{method} {path.partition('?')[0]}"
        self._seen.calls.add(called)
        self._seen.statuses.add((called, str(answer.status_code)))
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
        if answer.status_code >= 400:
            self._check_problem(answer)
        return answer

    async def ok(self, call: str, shape: Shape, status: int = 200, **options: Any) -> Any:
        """Returns the JSON of a response after asserting its status and shape."""
        answer = await self(call, **options)
        assert answer.status_code == status, (call, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/json"
        fits(answer.json(), shape)
        return answer.json()

    async def refused(self, call: str, status: int, code: str, **options: Any) -> dict[str, Any]:
        """Returns the problem of a response after asserting its status and code."""
        answer = await self(call, **options)
        assert answer.status_code == status, (call, answer.status_code, answer.text)
        problem: dict[str, Any] = answer.json()
        assert problem["code"] == code, (call, problem)
        return problem

    def _check_problem(self, answer: httpx.Response) -> None:
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"/problems/{problem['code']}"
        assert problem["status"] == answer.status_code < 500, problem
        assert problem["title"]
        assert len(problem["detail"]) > 10
        for error in problem.get("errors", []):
            fits(error, {"field": str, "message": str})
        fits(problem.get("seats", []), [str])
        fits(problem.get("yours", []), [OWN_BOOKING])
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
        if answer.status_code == 405:
            assert answer.headers["allow"]
        self._seen.codes.add(problem["code"])
