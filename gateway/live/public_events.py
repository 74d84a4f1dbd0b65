"""Public form of events, with the status of a show and the owner of a booking in the API's words. Pure.

Stored events have the seat worker's words: the status `open`, which does not depend on the clock, and 0 for no owner.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.seat_maps.snapshot import ShowTerms
from schemas.trace_context import without_trace
from schemas.wire import encode

_decode = msgspec.json.Decoder(dict[str, Any]).decode


# A quotation mark within a text is escaped, so that these bytes are a field and nothing else.
_NO_OWNER = b'"user_id":0,'


def public_event(body: bytes) -> bytes:
    """Returns the JSON of a stored PublishedEvent, with the show's status at its time, and null for no owner."""
    body = without_trace(body)
    if b'"terms"' not in body and _NO_OWNER not in body:
        return body
    published = _decode(body)
    event = published["event"]
    for name in ("booking", "other"):
        booking = event.get(name)
        if isinstance(booking, dict) and booking.get("user_id") == 0:
            booking["user_id"] = None
    if "terms" in event and "status" in event:
        terms = event["terms"]
        show = ShowTerms(
            event["status"], terms["starts_ms"], terms.get("sales_start_ms"), terms.get("sales_end_ms")
        )
        event["status"] = show.status_at(published["at_ms"])
    return encode(published)
