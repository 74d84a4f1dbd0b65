"""Contract tests of tickets at the door."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pypdfium2
import zxingcpp

from tests.e2e.contract import BOOKING, fits, time, uuid
from tests.e2e.contract_instance import ContractInstance, everywhere, for_staff_only

SCANNED = {"result": str, "booking": BOOKING, "seat": str, "used_at": time, "gate": str}
UNDONE = {"result": str, "booking": BOOKING, "seat": str}
CONFLICT = {
    "booking_id": uuid,
    "seat": str,
    "used_at": time,
    "used_gate": (str, None),
    "at": time,
    "gate": (str, None),
    "decided": {"partition": int, "offset": int},
}
DOOR = {"show_id": int, "sold": int, "checked_in": int, "conflicts": [CONFLICT]}
KEY = {
    "kid": str,
    "x": str,
    "fingerprint": str,
    "kty": "OKP",
    "crv": "Ed25519",
    "use": "sig",
    "alg": "EdDSA",
}


async def evening_at_the_door(instance: ContractInstance) -> None:
    """Exercises scans of printed tickets, by every role."""
    staff, customer = instance.staff, instance.customer
    path = await instance.show(starts_at=_from_now(hours=1))
    show_id = int(path.rpartition("/")[2])
    booked = await customer.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": ["1", "2"]})
    one, two = await _printed(instance, booked)
    for call, body in (
        ("POST /api/checkin", {"token": one}),
        ("POST /api/checkin/undo", {"token": one}),
        (f"GET {path}/checkin", None),
    ):
        await for_staff_only(instance, call, body)

    scan = {"token": one, "show_id": show_id, "gate": "north", "nonce": "n1"}
    first = await staff.ok("POST /api/checkin", SCANNED, json=scan)
    assert (first["result"], first["booking"]["id"], first["seat"]) == ("valid", booked["id"], "1")
    again = await instance.admin("POST /api/checkin", json=scan | {"token": f" {one.lower()}\r\n"})
    assert (again.status_code, again.json()) == (200, first)
    assert again.headers["idempotency-replayed"] == "true"
    late = {"token": one, "gate": "south", "at": _from_now(minutes=-1), "nonce": "n2"}
    used = await staff.ok("POST /api/checkin", SCANNED, json=late)
    assert (used["result"], used["used_at"], used["gate"]) == ("already_used", first["used_at"], "north")

    async def counted() -> bool:
        door = await staff.ok(f"GET {path}/checkin", DOOR)
        found = [(one["booking_id"], one["used_gate"], one["gate"]) for one in door["conflicts"]]
        return (door["sold"], door["checked_in"], found) == (2, 1, [(booked["id"], "north", "south")])

    await everywhere(counted, "the door counts who is in, and lists the late scan")
    assert (await instance.admin.ok(f"GET {path}/checkin", DOOR))["show_id"] == show_id

    whole = {"result": str, "booking": BOOKING}
    other = await staff.ok("POST /api/checkin", whole, json={"token": two, "show_id": show_id + 1})
    assert other["result"] == "wrong_show"
    await staff.ok("POST /api/checkin", {"result": "invalid"}, json={"token": one[:-1] + "ÄB"})
    await staff.ok("POST /api/checkin/undo", {"result": "invalid"}, json={"token": "nothing of ours"})
    undone = await staff.ok("POST /api/checkin/undo", UNDONE, json={"token": one, "nonce": "u1"})
    assert (undone["result"], undone["seat"]) == ("undone", "1")
    twice = await staff.ok("POST /api/checkin/undo", UNDONE, json={"token": one})
    assert twice["result"] == "not_checked_in"
    await customer.ok(f"POST /api/bookings/{booked['id']}/cancel", BOOKING)
    gone = await staff.ok("POST /api/checkin", whole, json={"token": two})
    assert (gone["result"], gone["booking"]["status"]) == ("cancelled", "cancelled")
    await _bad_input(instance, two)


async def _bad_input(instance: ContractInstance, token: str) -> None:
    for fields in (
        {},
        {"token": ""},
        {"token": 5},
        {"token": token, "gate": "by the door"},
        {"token": token, "at": "soon"},
        {"token": token, "nonce": ""},
        {"token": token, "show_id": 0},
        {"token": token, "seat": "1"},
    ):
        await instance.staff.refused("POST /api/checkin", 400, "validation", json=fields)
    for fields in ({}, {"token": token, "gate": "north"}, {"token": token, "nonce": "ä"}):
        await instance.staff.refused("POST /api/checkin/undo", 400, "validation", json=fields)
    key = {"Idempotency-Key": "door-1"}
    await instance.staff.ok(
        "POST /api/checkin/undo",
        {"result": "cancelled", "booking": BOOKING},
        json={"token": token},
        headers=key,
    )
    await instance.staff.refused("POST /api/checkin", 422, "key_reused", json={"token": token}, headers=key)
    for show_id in (0, 2**31 - 1):
        await instance.staff.refused(f"GET /api/shows/{show_id}/checkin", 404, "not_found")


async def public_keys(instance: ContractInstance) -> None:
    """Reads the keys, which everybody may."""
    for caller in (instance.nobody, instance.customer, instance.staff, instance.admin):
        answer = await caller("GET /.well-known/jwks.json")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        fits(answer.json(), {"keys": [KEY]})
        assert len(answer.json()["keys"]) == 1


async def _printed(instance: ContractInstance, booked: dict[str, Any]) -> list[str]:
    """The codes on the pages of the ticket, one a seat."""
    answer = await instance.customer(f"GET /api/bookings/{booked['id']}/ticket.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    pages = pypdfium2.PdfDocument(answer.content)
    return [zxingcpp.read_barcodes(page.render(scale=2).to_numpy())[0].text for page in pages]


def _from_now(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat(timespec="milliseconds")
