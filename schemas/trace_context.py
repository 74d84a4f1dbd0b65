"""The W3C trace context of a record: an optional last field of its JSON, on every log alike.

Only a sampled request has one. Decoders of commands and events do not know the field and ignore it, those of earlier
releases too, so that no decision can depend on it.
"""

from __future__ import annotations

import re

_START = b',"trace":"'
_TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01")
_SAMPLED_END = b'-01"}'
_LENGTH = 55
_FIELD_LENGTH = len(_START) + _LENGTH + len(b'"}')


def with_trace(body: bytes, traceparent: str) -> bytes:
    """Returns the JSON object with this context, in the place of one that it has. It must have another field."""
    return without_trace(body)[:-1] + _START + traceparent.encode() + b'"}'


def trace_of(body: bytes) -> str | None:
    """Returns the context of a JSON object; None for most: they have none."""
    if not body.endswith(_SAMPLED_END) or not body.startswith(_START, len(body) - _FIELD_LENGTH):
        return None
    context = body[-_LENGTH - 2 : -2].decode("latin-1")
    return context if _TRACEPARENT.fullmatch(context) else None


def without_trace(body: bytes) -> bytes:
    """Returns the JSON object without its context."""
    return body if trace_of(body) is None else body[:-_FIELD_LENGTH] + b"}"


def read_traceparent(header: bytes | None) -> str | None:
    """Returns the header `traceparent` of a request, if it is a sampled context of version 00."""
    if header is None:
        return None
    context = header.decode("latin-1")
    return context if _TRACEPARENT.fullmatch(context) else None
