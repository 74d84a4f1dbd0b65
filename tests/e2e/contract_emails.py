"""Contract tests of e-mails: preferences, tickets sent again, and the list of deliveries."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote
from uuid import uuid4

from tests.e2e.contract import BOOKING, among, page, time, uuid
from tests.e2e.contract_instance import STAFF_ADDRESS, ContractInstance, email_to, everywhere, for_staff_only

WANTED = {"reminders": bool, "summaries": bool}
DELIVERY = {
    "id": int,
    "event_id": str,
    "channel": "email",
    "kind": str,
    "user_id": int,
    "booking_id": (uuid, None),
    "status": among("due", "sent", "failed", "skipped"),
    "held": bool,
    "attempts": int,
    "created_at": time,
    "due_at": (time, None),
    "sent_at": (time, None),
    "last_error": (str, None),
}


async def preferences(instance: ContractInstance) -> None:
    """Exercises what an account wants, with its login and with the link of an e-mail."""
    for caller in (instance.customer, instance.staff):
        both = await caller.ok("GET /api/me/emails", WANTED)
        assert both == {"reminders": True, "summaries": True}
    customer = instance.customer
    assert (await customer.ok("PATCH /api/me/emails", WANTED, json={"reminders": False}))["summaries"] is True
    assert (await customer.ok("GET /api/me/emails", WANTED))["reminders"] is False
    assert (await customer.ok("PATCH /api/me/emails", WANTED, json={"reminders": True}))["reminders"] is True
    for unfit in ({"reminders": None}, {"summaries": "no"}, {"receipts": False}):
        await customer.refused("PATCH /api/me/emails", 400, "validation", json=unfit)
    await instance.nobody.refused("GET /api/me/emails", 401, "unauthenticated")
    await instance.nobody.refused("PATCH /api/me/emails", 401, "unauthenticated", json={"reminders": False})

    sold_out = await email_to(instance, STAFF_ADDRESS, "Sold out")
    [found] = set(re.findall(r"/email/unsubscribe#(\S+)", sold_out["text"]))
    token, call = unquote(found), "POST /api/email/unsubscribe"
    opened = await instance.nobody("GET /api/email/unsubscribe", params={"token": token})
    assert (opened.status_code, opened.headers["location"]) == (303, f"/email/unsubscribe#{found}")
    assert (await instance.staff.ok("GET /api/me/emails", WANTED))["summaries"] is True
    for caller in (instance.nobody, instance.customer):
        form = {"List-Unsubscribe": "One-Click"}
        done = await caller(call, params={"token": token}, data=form)
        assert (done.status_code, done.content) == (204, b"")
    assert await instance.staff.ok("GET /api/me/emails", WANTED) == {"reminders": True, "summaries": False}
    for wrong in ("", token[:-2], f"{token}0", "x" * 201):
        await instance.nobody.refused(call, 400, "validation", params={"token": wrong})
    await instance.nobody.refused(call, 400, "validation")


async def tickets_again(instance: ContractInstance) -> None:
    """Exercises the e-mail with the tickets, by every role, and finds it in the list of deliveries."""
    customer, staff, path = instance.customer, instance.staff, await instance.show()
    booked = await customer.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": ["1"]})
    held = await customer.ok(f"POST {path}/holds", BOOKING, 201, json={"seats": ["2"]})
    walk_in = await staff.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": ["3"]})
    gone = await customer.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": ["4"]})
    await customer.ok(f"POST /api/bookings/{gone['id']}/cancel", BOOKING)
    call = f"POST /api/bookings/{booked['id']}/send"
    await instance.nobody.refused(call, 401, "unauthenticated")
    await instance.acting(912).refused(call, 403, "not_yours")
    for caller in (customer, staff, instance.admin):
        done = await caller(call)
        assert (done.status_code, done.content) == (202, b"")
    for caller, booking_id, status, code in (
        (customer, held["id"], 409, "not_confirmed"),
        (customer, gone["id"], 409, "already_cancelled"),
        (staff, walk_in["id"], 400, "validation"),
        (staff, str(uuid4()), 404, "not_found"),
    ):
        await caller.refused(f"POST /api/bookings/{booking_id}/send", status, code)
    await customer.refused(call, 400, "validation", json={"to": "x@y.example"})
    await email_to(instance, "contract@example.org", "Your tickets")

    async def listed() -> bool:
        items = (await staff.ok("GET /api/deliveries?limit=100", page(DELIVERY)))["items"]
        mine = [one for one in items if one["booking_id"] == booked["id"]]
        again = [one for one in items if one["kind"] == "tickets_again"]
        assert [one["id"] for one in items] == sorted((one["id"] for one in items), reverse=True)
        return [(one["kind"], one["status"]) for one in mine] == [("booking_confirmed", "sent")] and [
            one["status"] for one in again
        ] == ["sent"] * 3

    await everywhere(listed, "the e-mails are listed as sent")
    await _lists(instance)


async def _lists(instance: ContractInstance) -> None:
    await for_staff_only(instance, "GET /api/deliveries")
    first: dict[str, Any] = await instance.admin.ok("GET /api/deliveries?status=sent&limit=1", page(DELIVERY))
    following = {"status": "sent", "cursor": first["next_cursor"]}
    second = await instance.admin.ok("GET /api/deliveries", page(DELIVERY), params=following)
    assert first["items"][0]["id"] > second["items"][0]["id"]
    assert {one["status"] for one in second["items"]} == {"sent"}
    for query in (
        "status=open",
        "status=null",
        "limit=0",
        "limit=101",
        "cursor=x",
        "colour=red",
        "status=sent&status=due",
    ):
        await instance.staff.refused(f"GET /api/deliveries?{query}", 400, "validation")
