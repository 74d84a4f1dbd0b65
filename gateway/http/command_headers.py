"""What a client says about waiting and repeating: the headers Prefer and Idempotency-Key."""

from __future__ import annotations

import random
import time
from uuid import UUID

import msgspec

from gateway.http.exchange import Headers
from gateway.http.preferences import DEFAULT_WAIT_S, read_key, read_wait
from schemas.ids import fresh_command_id, keyed_command_id


class Preference(msgspec.Struct, frozen=True):
    """How long to wait for the decision, and what to say in Preference-Applied."""

    wait_s: float
    applied: bytes | None = None


def read_preference(headers: Headers, default_s: float = DEFAULT_WAIT_S) -> Preference:
    """The client's preference, or ours where it has none."""
    header = headers.get(b"prefer")
    if header is None:
        return Preference(default_s)
    wait_s, applied = read_wait(header.decode("latin-1"))
    return Preference(default_s) if applied is None else Preference(wait_s, applied.encode())


def command_id_for(headers: Headers, user_id: int) -> UUID:
    """The command's id: derived from the Idempotency-Key where there is one, else a new one."""
    header = headers.get(b"idempotency-key")
    return command_id_of(None if header is None else read_key(header.decode("latin-1")), user_id)


def command_id_of(key: str | None, user_id: int) -> UUID:
    """The id of the command that this customer's key names; without a key, a new one."""
    if key is None:
        return fresh_command_id(int(time.time() * 1000), random.getrandbits(74))
    return keyed_command_id(user_id, key)
