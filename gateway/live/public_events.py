"""Public form of events, with the status of a show in the API's words. Pure.

Stored events have the seat worker's word, which does not depend on the clock: `open`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.seat_maps.snapshot import ShowTerms
from schemas.wire import encode

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def public_event(body: bytes) -> bytes:
    """Returns the JSON of a stored PublishedEvent, with the status of the show at the event's time."""
    if b'"terms"' not in body:
        return body
    published = _decode(body)
    event = published["event"]
    if "terms" not in event or "status" not in event:
        return body
    terms = event["terms"]
    show = ShowTerms(
        event["status"], terms["starts_ms"], terms.get("sales_start_ms"), terms.get("sales_end_ms")
    )
    event["status"] = show.status_at(published["at_ms"])
    return encode(published)
