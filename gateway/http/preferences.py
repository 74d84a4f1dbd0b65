"""The headers by which a client says how long it waits and which request this is again."""

from __future__ import annotations

import re

from gateway.http.bodies import invalid

DEFAULT_WAIT_S = 10
MAX_WAIT_S = 30

_WAIT = re.compile(r"wait\s*=\s*\"?(\d{1,2})\"?\Z", re.ASCII)
_KEY = re.compile(r"[\x21-\x7e]{1,128}\Z")


def read_wait(prefer: str | None) -> tuple[float, str | None]:
    """How many seconds to wait for a decision, and what of Prefer was applied.

    As RFC 7240 has it, a preference that is unknown or out of range is passed over.
    """
    for part in (prefer or "").split(","):
        preference = part.partition(";")[0].strip().lower()
        if preference == "respond-async":
            return 0.0, "respond-async"
        wait = _WAIT.match(preference)
        if wait and int(wait[1]) <= MAX_WAIT_S:
            return float(wait[1]), f"wait={int(wait[1])}"
    return float(DEFAULT_WAIT_S), None


def read_key(key: str | None) -> str | None:
    """The Idempotency-Key. Raises Problem `validation` for one that cannot be used."""
    if key is not None and not _KEY.match(key):
        raise invalid(("Idempotency-Key", "1 to 128 visible ASCII characters are wanted"))
    return key
