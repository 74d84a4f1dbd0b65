"""Contract tests of webhooks."""

from __future__ import annotations

from typing import Any

from tests.e2e.contract import BOOKING, DELIVERY, WEBHOOK, WEBHOOK_SECRET, page, time
from tests.e2e.contract_instance import ContractInstance, everywhere, for_staff_only
from tests.integration.webhook_receiver import WebhookReceiver


async def life_of_a_webhook(instance: ContractInstance) -> None:
    """Exercises a webhook from its making to its end, and its refusals."""
    receiver = WebhookReceiver()
    await receiver.open()
    try:
        staff, wanted = instance.staff, {"url": receiver.url, "events": ["booking.confirmed"]}
        private = wanted | {"url": "http://10.0.0.1/"}
        await staff.refused("POST /api/webhooks", 400, "webhook_address", json=private)
        made = await staff.ok("POST /api/webhooks", WEBHOOK_SECRET, 201, json=wanted)
        path = f"/api/webhooks/{made['id']}"
        assert made in [
            one | {"secret": made["secret"]} for one in await _listed(instance, "/api/webhooks", WEBHOOK)
        ]
        await staff.ok(f"GET {path}", WEBHOOK)
        await instance.admin.ok(f"GET {path}", WEBHOOK)
        booked = await instance.customer.ok(
            f"POST {await instance.show()}/bookings", BOOKING, 201, json={"seats": ["1"]}
        )
        (received,) = await receiver.until(1)
        received.verify(made["secret"], made["public_key"])
        assert received.json["data"]["booking"] == booked
        position = booked["decided"]
        assert received.id.startswith(f"{position['partition']}-{position['offset']}-")
        new = await staff.ok(f"POST {path}/rotate", WEBHOOK_SECRET)
        await staff.ok(f"POST {path}/test", DELIVERY, 202)
        test = (await receiver.until(2))[1]
        for keys in (made, new):
            test.verify(keys["secret"], keys["public_key"])
        await everywhere(lambda: _delivered(instance, path), "both deliveries are done")
        deliveries = await _listed(instance, f"{path}/deliveries", DELIVERY)
        again = f"{path}/deliveries/{deliveries[-1]['id']}/replay"
        await staff.ok(f"POST {again}", DELIVERY, 202)
        assert (await receiver.until(3))[2].id == received.id
        period = {"from": "2026-01-01T00:00:00Z"}
        replayed = {"replayed": int, "more": bool, "next_from": (time, None)}
        await staff.ok(f"POST {path}/replay", replayed, 202, json=period)
        for call, body in (
            ("POST /api/webhooks", wanted),
            ("GET /api/webhooks", None),
            (f"GET {path}", None),
            (f"PATCH {path}", {"active": False}),
            (f"DELETE {path}", None),
            (f"POST {path}/rotate", None),
            (f"POST {path}/test", None),
            (f"GET {path}/deliveries", None),
            (f"POST {again}", None),
            (f"POST {path}/replay", period),
        ):
            await for_staff_only(instance, call, body)
        await staff.ok(f"PATCH {path}", WEBHOOK, json={"active": False})
        await staff.refused(f"POST {path}/test", 409, "webhook_inactive")
        assert (await staff(f"DELETE {path}")).status_code == 204
        await staff.refused(f"GET {path}", 404, "not_found")
    finally:
        await receiver.close()


async def _listed(instance: ContractInstance, path: str, item: object) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await instance.staff.ok(f"GET {path}", page(item)))["items"]
    return items


async def _delivered(instance: ContractInstance, path: str) -> bool:
    return len(await _listed(instance, f"{path}/deliveries?status=delivered", DELIVERY)) == 2
