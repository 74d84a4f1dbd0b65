"""`aisle checkin list`: the valid tickets of a show and the public keys, for scanners without a connection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.check_in.tickets import MAX_SEATS
from gateway.tickets.public_keys import PublicKey, public_key
from runtime.process import CannotStart
from schemas.api import timestamp
from schemas.layout import decode_layout
from schemas.seating import Seating
from seat_workers.check_in_rules import CLOSES_AFTER_MS, OPENS_BEFORE_MS

_SHOW = """
    SELECT m.title, m.duration_minutes, s.screen_name, l.body,
           coalesce(st.starts_ms, (extract(epoch FROM s.starts_at) * 1000)::bigint) AS starts_ms
      FROM shows s JOIN movies m USING (movie_id) JOIN layouts l USING (layout_id)
      LEFT JOIN show_states st USING (show_id)
     WHERE s.show_id = $1"""
_TICKETS = f"""
    SELECT c.seat, c.booking_id, b.checked_in
      FROM claims c JOIN bookings b USING (booking_id)
     WHERE c.show_id = $1 AND c.state = 's' ORDER BY c.seat LIMIT {MAX_SEATS}"""
_GATES = "SELECT seat, booking_id, at_ms, gate FROM check_ins WHERE show_id = $1 AND used_ms IS NULL"


class ListedTicket(msgspec.Struct, frozen=True):
    """A valid ticket. Its token names the booking and the index of the seat."""

    booking_id: str
    seat_index: int
    seat: str
    used_at: str | None
    gate: str | None


class ScannerList(msgspec.Struct, frozen=True):
    """What a scanner needs to check tickets of a show without a connection."""

    show_id: int
    title: str
    screen_name: str
    starts_at: str
    valid_from: str
    valid_until: str
    keys: tuple[PublicKey, ...]
    """As at /.well-known/jwks.json."""
    tickets: tuple[ListedTicket, ...]
    """In layout order."""


async def scanner_list(database: Any, keys: Mapping[str, Ed25519PublicKey], show_id: int) -> ScannerList:
    """Reads the list of a show. Raises CannotStart for an unknown one."""
    async with database.transaction(isolation="repeatable_read", readonly=True):
        show = await database.fetchrow(_SHOW, show_id)
        if show is None:
            raise CannotStart(f"there is no show {show_id}; GET /api/shows lists them")
        rows = await database.fetch(_TICKETS, show_id)
        gates = {
            (row["seat"], row["booking_id"], row["at_ms"]): row["gate"]
            for row in await database.fetch(_GATES, show_id)
        }
    seating = Seating(decode_layout(show["body"]))
    starts_ms = show["starts_ms"]
    ends_ms = starts_ms + show["duration_minutes"] * 60_000
    return ScannerList(
        show_id,
        show["title"],
        show["screen_name"],
        timestamp(starts_ms),
        timestamp(starts_ms - OPENS_BEFORE_MS),
        timestamp(ends_ms + CLOSES_AFTER_MS),
        tuple([public_key(kid, key) for kid, key in keys.items()]),
        tuple([_listed(row, seating, gates) for row in rows]),
    )


def list_lines(found: ScannerList) -> Iterator[str]:
    """The list as text."""
    used = sum(one.used_at is not None for one in found.tickets)
    yield f"Show {found.show_id}: {found.title}, {found.screen_name}, starts {found.starts_at}"
    yield f"Tickets are valid from {found.valid_from} to {found.valid_until}."
    for key in found.keys:
        yield f"Public key {key.kid}: {key.x}"
    yield f"{len(found.tickets)} tickets, {used} of them used:"
    for one in found.tickets:
        gate = f" at gate {one.gate}" if one.gate is not None else ""
        state = f"  used {one.used_at}{gate}" if one.used_at is not None else ""
        yield f"{one.booking_id}  {one.seat_index:6}  {one.seat}{state}"


def _listed(row: Any, seating: Seating, gates: Mapping[Any, str | None]) -> ListedTicket:
    label = seating.label(row["seat"])
    used = msgspec.json.decode(row["checked_in"], type=dict[str, int]) if row["checked_in"] else {}
    used_ms = used.get(label)
    return ListedTicket(
        str(row["booking_id"]),
        row["seat"],
        label,
        None if used_ms is None else timestamp(used_ms),
        gates.get((label, row["booking_id"], used_ms)),
    )
