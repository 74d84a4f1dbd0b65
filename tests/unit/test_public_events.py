"""The public form of events."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.live.public_events import public_event


def stored(status: str, at_ms: int = 1000, **terms: Any) -> bytes:
    event = {"type": "ShowChanged", "show_id": 7, "status": status}
    given = {"layout_id": 1, "layout_digest": "0", "starts_ms": 5000, "seats_per_customer": 10} | terms
    published = {
        "event_id": "0-1-0",
        "at_ms": at_ms,
        "event": event | {"terms": given},
        "of": "a later release",
    }
    return json.dumps(published).encode()


@pytest.mark.parametrize(
    ("status", "at_ms", "terms", "shown"),
    [
        ("open", 1000, {}, "on_sale"),
        ("open", 1000, {"sales_start_ms": 1001}, "scheduled"),
        ("open", 1001, {"sales_start_ms": 1001}, "on_sale"),
        ("open", 1000, {"sales_end_ms": 1000}, "closed"),
        ("open", 5000, {}, "past"),
        ("closed", 1000, {}, "closed"),
        ("closed", 5000, {}, "past"),
        ("cancelled", 6000, {}, "cancelled"),
    ],
)
def test_the_status_is_that_at_the_time_of_the_event(
    status: str, at_ms: int, terms: dict[str, int], shown: str
) -> None:
    body = stored(status, at_ms, **terms)
    before, after = json.loads(body), json.loads(public_event(body))
    assert after["event"]["status"] == shown
    before["event"]["status"] = shown
    assert after == before, "nothing else changes, and fields of later releases stay"


def test_events_of_bookings_and_seats_are_unchanged() -> None:
    for event in (
        {"type": "BookingHeld", "booking": {"status": "held", "seats": ['"terms"']}},
        {"type": "SeatsBlocked", "show_id": 7, "seats": ["open", "terms"]},
        {"type": "OfALaterRelease", "terms": 1},
    ):
        body = json.dumps({"event_id": "0-1-0", "at_ms": 1, "event": event}, separators=(",", ":")).encode()
        assert public_event(body) == body


def test_a_booking_without_an_owner_has_none_in_public() -> None:
    walk_in, owned = ({"booking_id": "b", "user_id": user_id, "seats": ["1"]} for user_id in (0, 7))
    shown: list[tuple[dict[str, Any], dict[str, int | None]]] = [
        ({"type": "BookingHeld", "booking": walk_in}, {"booking": None}),
        ({"type": "SeatsSwapped", "booking": owned, "other": walk_in}, {"booking": 7, "other": None}),
        ({"type": "SeatsSwapped", "booking": walk_in, "other": walk_in}, {"booking": None, "other": None}),
    ]
    for event, owners in shown:
        body = msgspec.json.encode({"event_id": "0-1-0", "at_ms": 1, "event": event})
        after = json.loads(public_event(body))["event"]
        assert {name: after[name]["user_id"] for name in owners} == owners
        assert after["booking"]["seats"] == ["1"]
