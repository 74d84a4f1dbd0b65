"""Strings of answers that have a format in the OpenAPI document; at run time they stay plain strings."""

from __future__ import annotations

from typing import Annotated

import msgspec

Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.123Z`."""

Day = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date"})]
"""A calendar day: `2026-11-21`."""

EmailAddress = Annotated[str, msgspec.Meta(extra_json_schema={"format": "email"})]
