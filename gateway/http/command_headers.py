"""Headers of command requests: Prefer (how long to wait for the decision) and Idempotency-Key."""

from __future__ import annotations

import random
import re
import time
from uuid import UUID

import msgspec

from gateway.http.bodies import invalid
from gateway.http.exchange import Headers
from schemas.ids import fresh_command_id, keyed_command_id

DEFAULT_WAIT_S = 10
MAX_WAIT_S = 30

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,2})\"?\Z", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,128}\Z")


class Preference(msgspec.Struct, frozen=True):
    """Seconds to wait for the decision, and the value of Preference-Applied."""

    wait_s: float
    applied: bytes | None = None


def read_preference(headers: Headers, default_s: float = DEFAULT_WAIT_S) -> Preference:
    """The first preference of Prefer that is known and in range, else the default wait.

    Unknown preferences and values out of range are ignored (RFC 7240).
    """
    header = headers.get(b"prefer")
    if header is None:
        return Preference(default_s)
    for part in header.decode("latin-1").split(","):
        preference = part.partition(";")[0].strip().lower()
        if preference == "respond-async":
            return Preference(0.0, b"respond-async")
        wait = _WAIT.match(preference)
        if wait and int(wait[1]) <= MAX_WAIT_S:
            return Preference(float(wait[1]), b"wait=%d" % int(wait[1]))
    return Preference(default_s)


def read_key(header: bytes) -> str:
    """The value of an Idempotency-Key header. Raises Problem `validation` for an invalid one."""
    key = header.decode("latin-1")
    if not _KEY.match(key):
        raise invalid(("Idempotency-Key", "1 to 128 visible ASCII characters are wanted"))
    return key


def command_id_for(headers: Headers, user_id: int) -> UUID:
    """The command id of a request: derived from its Idempotency-Key, random without one."""
    header = headers.get(b"idempotency-key")
    return command_id_of(None if header is None else read_key(header), user_id)


def command_id_of(key: str | None, user_id: int) -> UUID:
    """The command id of a customer's idempotency key; a random one without a key."""
    if key is None:
        return fresh_command_id(int(time.time() * 1000), random.getrandbits(74))
    return keyed_command_id(user_id, key)
