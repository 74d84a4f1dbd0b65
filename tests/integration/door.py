"""A show that is about to start, and scans of its tickets, for tests of the door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from runtime.signing_keys import read_ticket_keys
from tests.conftest import TICKET_KEYS
from tests.integration.box_office import LAYOUT, BoxOffice
from tickets.tokens import TicketSigner

SIGNER = TicketSigner(read_ticket_keys(TICKET_KEYS).private)
LABELS = [
    f"{row['name']}{n}" for s in LAYOUT["sections"] for row in s["rows"] for n in range(1, row["seats"] + 1)
]


def soon(**time: float) -> str:
    """A time from now on."""
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


def ticket(booking: dict[str, Any], label: str) -> str:
    """The token of a seat of a booking."""
    return SIGNER.sign(UUID(booking["id"]), booking["show_id"], LABELS.index(label))


async def scan(house: BoxOffice, token: str, **fields: Any) -> dict[str, Any]:
    """The result of a scan by staff."""
    answer = await house.staff.post("/api/checkin", json={"token": token} | fields)
    return body_of(answer)


async def undo(house: BoxOffice, token: str, **fields: Any) -> dict[str, Any]:
    return body_of(await house.staff.post("/api/checkin/undo", json={"token": token} | fields))


async def door(house: BoxOffice) -> dict[str, Any]:
    return body_of(await house.staff.get(f"/api/shows/{house.show_id}/checkin"))


def body_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body
