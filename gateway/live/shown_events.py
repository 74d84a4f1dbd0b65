"""Events as clients see them: the status of a show in the API's words. PURE.

Stored events keep the writer's word, which knows no clock: `open`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.picture import ShowTerms
from schemas.wire import encode

_decode = msgspec.json.Decoder(dict[str, Any]).decode


def shown_event(body: bytes) -> bytes:
    """The JSON of a stored PublishedEvent, with the status that the show has at the event's time."""
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
