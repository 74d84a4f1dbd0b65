"""Every call and every error of the contract, through two gateways behind one port."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from gateway.http.problems import PROBLEMS
from tests.e2e.contract import (
    ACCEPTED,
    BOOKING,
    MOVIE,
    PENDING,
    SEAT_MAP,
    SHOW,
    fits,
    page,
)
from tests.e2e.contract_accounts import life_of_an_account
from tests.e2e.contract_check_in import evening_at_the_door, public_keys
from tests.e2e.contract_emails import preferences, tickets_again
from tests.e2e.contract_instance import (
    ELSEWHERE,
    SOON_S,
    STAFF_ADDRESS,
    ContractInstance,
    calls,
    everywhere,
)
from tests.e2e.contract_webhooks import life_of_a_webhook
from tests.e2e.fuzzing import strict
from tests.e2e.running import RunningAisle
from tests.integration.live_sockets import live


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContractInstance]:
    home: Path = tmp_path_factory.mktemp("contract") / "home"
    settings = {
        "AISLE_GATEWAYS": "2",
        "AISLE_RATE_LIMITS": "off",
        "AISLE_WEBHOOK_PRIVATE_NETWORKS": "127.0.0.0/8",
    }
    aisle = RunningAisle(home, settings)
    asyncio.run(aisle.start())
    accounts = (
        "INSERT INTO users (user_id, username, email, role) VALUES"
        " (910, 'contract', 'contract@example.org', 'customer'),"
        f" (900, 'contract-staff', '{STAFF_ADDRESS}', 'staff')"
    )
    assert aisle.command("psql", "-c", accounts).returncode == 0
    try:
        yield ContractInstance(aisle)
        assert aisle.command("verify").returncode == 0
    finally:
        assert aisle.stop() == 0


@pytest.fixture
async def instance(made: ContractInstance) -> ContractInstance:
    """Yields an instance with a movie, a show that is sold out, and a hold that expires while the tests here run."""
    if not made.movie_id:
        new = {"title": "The Contract", "duration_minutes": 95}
        made.movie_id = (await made.staff.ok("POST /api/movies", MOVIE, 201, json=new))["id"]
        body = {"seats": ["1"], "hold_s": 30}
        sold_out = {"quantity": 10}
        await made.staff.ok(f"POST {await made.show()}/bookings", BOOKING, 201, json=sold_out)
        made.hold = await made.customer.ok(f"POST {await made.show()}/holds", BOOKING, 201, json=body)
    made.tests += 1
    return made


async def test_accounts(instance: ContractInstance) -> None:
    await life_of_an_account(instance)


async def test_movies(instance: ContractInstance) -> None:
    new = {"title": "Amélie und die Lücke", "duration_minutes": 122, "genres": ["Comedy"], "language": "fr"}
    answer = await instance.staff("POST /api/movies", json=new)
    movie = answer.json()
    fits(movie, MOVIE)
    path = f"/api/movies/{movie['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, path)
    await instance.customer.refused("POST /api/movies", 403, "forbidden", json=new)
    await instance.nobody.refused("POST /api/movies", 401, "unauthenticated", json=new)

    await instance.show(movie_id=movie["id"], starts_at="2098-03-04T20:00:00Z")

    async def known() -> bool:
        found = await instance.nobody.ok(f"GET {path}/shows", page(SHOW))
        return [one["status"] for one in found["items"]] == ["on_sale"]

    await everywhere(known, "a new show is known")
    for query in ("search=LUCKE", "genre=comedy&search=amelie", "on=2098-03-04", "language=FR&search=am"):
        found = await instance.nobody.ok(f"GET /api/movies?{query}", page(MOVIE))
        assert [one["id"] for one in found["items"]] == [movie["id"]], query
    tag = (await instance.nobody(f"GET {path}")).headers["etag"]
    assert (await instance.nobody(f"GET {path}", headers={"If-None-Match": tag})).status_code == 304
    changed = await instance.staff.ok(f"PATCH {path}", MOVIE, json={"rating": "12"})
    assert changed == movie | {"rating": "12"}
    await instance.staff.refused(f"DELETE {path}", 409, "in_use")
    lonely = (await instance.staff.ok("POST /api/movies", MOVIE, 201, json=new))["id"]
    assert (await instance.staff(f"DELETE /api/movies/{lonely}")).status_code == 204
    await instance.staff.refused(f"DELETE /api/movies/{lonely}", 404, "not_found")
    shows = await instance.nobody.ok(f"GET {path}/shows?from=2098-03-04&to=2098-03-04", page(SHOW))
    assert len(shows["items"]) == 1
    first = await instance.nobody.ok("GET /api/movies?limit=1", page(MOVIE))
    second = await instance.nobody.ok("GET /api/movies", page(MOVIE), params={"cursor": first["next_cursor"]})
    assert first["items"][0] not in second["items"]


async def test_shows(instance: ContractInstance) -> None:
    rows = [{"name": "A", "seats": 4, "aisles_after": [2]}, {"name": "B", "seats": ["B1", "Box"]}]
    layout = {"sections": [{"name": "Stalls", "price": {"amount": 900, "currency": "EUR"}, "rows": rows}]}
    path = await instance.show(layout=layout, total_seats=None, price=None, timezone="Asia/Kolkata")

    async def opened() -> bool:
        answer = await instance.nobody(f"GET {path}")
        return answer.status_code == 200 and answer.json()["status"] == "on_sale"

    await everywhere(opened, "a new show is on sale")
    show = await instance.nobody.ok(f"GET {path}", SHOW)
    assert (show["status"], show["total_seats"], show["seats_per_customer"]) == ("on_sale", 6, 10)
    seats = await instance.nobody.ok(f"GET {path}/seats", SEAT_MAP)
    assert seats["sections"][0]["rows"][1] == {"name": "B", "seats": ["B1", "Box"], "aisles_after": []}
    assert seats["states"] == "aaaaaa"
    tag = (await instance.nobody(f"GET {path}/seats")).headers["etag"]
    assert (await instance.nobody(f"GET {path}/seats", headers={"If-None-Match": tag})).status_code == 304
    listed = await instance.nobody.ok(f"GET /api/shows?movie={instance.movie_id}&available=true", page(SHOW))
    assert show["id"] in [one["id"] for one in listed["items"]]
    changed = await instance.staff.ok(
        f"PATCH {path}", SHOW, json={"screen_name": "9", "seats_per_customer": 2}
    )
    assert (changed["screen_name"], changed["seats_per_customer"]) == ("9", 2)

    await instance.customer.refused(
        f"POST {path}/bookings", 409, "limit_exceeded", json={"seats": ["A1", "A2", "A3"]}
    )
    await instance.staff.ok(f"POST {path}/block", SHOW, json={"seats": ["A1", "Box"], "note": "broken"})
    assert (await instance.nobody.ok(f"GET {path}/seats", SEAT_MAP))["states"] == "baaaab"
    problem = await instance.customer.refused(
        f"POST {path}/bookings", 409, "seat_blocked", json={"seats": ["A1", "A2"]}
    )
    assert problem["seats"] == ["A1"]
    await instance.staff.ok(f"POST {path}/unblock", SHOW, json={"seats": ["A1", "Box"]})
    await instance.staff.ok(f"POST {path}/close", SHOW)
    await instance.customer.refused(f"POST {path}/bookings", 409, "show_closed", json={"seats": ["A1"]})
    await instance.staff.ok(f"POST {path}/reopen", SHOW)
    booked = await instance.customer.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": ["A1"]})
    assert booked["total"] == {"amount": 900, "currency": "EUR"}
    assert (await instance.staff.ok(f"POST {path}/cancel", SHOW))["status"] == "cancelled"
    await instance.customer.refused(f"POST {path}/bookings", 409, "show_cancelled", json={"seats": ["A1"]})
    deadline = time.monotonic() + SOON_S
    while (await instance.customer.ok(f"GET /api/bookings/{booked['id']}", BOOKING))["status"] != "cancelled":
        assert time.monotonic() < deadline, "every booking of a cancelled show is cancelled"
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat(timespec="milliseconds")
    soon = await instance.show(sales_start_at=later)
    problem = await instance.customer.refused(
        f"POST {soon}/bookings", 409, "not_on_sale", json={"seats": ["1"]}
    )
    assert later[:19] in problem["detail"]


async def test_bookings(instance: ContractInstance) -> None:
    path = await instance.show()
    customer = instance.customer
    answer = await customer(f"POST {path}/bookings", json={"seats": ["3", "2"]}, headers={"Prefer": "wait=5"})
    booking = answer.json()
    fits(booking, BOOKING)
    where = f"/api/bookings/{booking['id']}"
    assert (answer.status_code, answer.headers["location"]) == (201, where)
    assert answer.headers["preference-applied"] == "wait=5"
    assert (booking["status"], booking["seats"], booking["expires_at"]) == ("confirmed", ["2", "3"], None)
    assert booking["total"] == {"amount": 2500, "currency": "EUR"}
    assert await instance.staff.ok(f"GET {where}", BOOKING) == booking
    ticket = await customer(f"GET {where}/ticket.pdf")
    assert (ticket.headers["content-type"], ticket.content[:5]) == ("application/pdf", b"%PDF-")
    code = await customer(f"GET {where}/ticket.svg?seat=2")
    assert (code.headers["content-type"], code.content[:4]) == ("image/svg+xml", b"<svg")
    entry = await customer(f"GET {where}/calendar.ics")
    assert (entry.headers["content-type"], entry.content[:15]) == (
        "text/calendar; charset=utf-8",
        b"BEGIN:VCALENDAR",
    )
    other = instance.acting(911)
    for call in (f"GET {where}", f"GET {where}/ticket.pdf", f"POST {where}/cancel", f"DELETE {where}"):
        await other.refused(call, 403, "not_yours")
    problem = await other.refused(f"POST {path}/bookings", 409, "seat_taken", json={"seats": ["1", "2", "3"]})
    assert problem["seats"] == ["2", "3"]
    problem = await other.refused(f"POST {path}/bookings", 400, "seat_unknown", json={"seats": ["1", "X"]})
    assert problem["seats"] == ["X"]
    many = [str(seat) for seat in range(1, 12)]
    await other.refused(f"POST {path}/bookings", 400, "too_many_seats", json={"seats": many})
    await other.refused(f"POST {path}/bookings", 409, "not_enough_seats", json={"quantity": 9})
    best = await other.ok(f"POST {path}/bookings", BOOKING, 201, json={"quantity": 3, "adjacent": True})
    assert len(best["seats"]) == 3
    for_somebody = await instance.staff.ok(
        f"POST {path}/bookings", BOOKING, 201, json={"seats": ["1"], "user_id": 910}
    )
    assert for_somebody["user_id"] == 910

    held = await customer.ok(f"POST {path}/holds", BOOKING, 201, json={"seats": ["10"]})
    assert held["status"] == "held"
    assert held["expires_at"] > held["created_at"]
    await customer.refused(f"GET /api/bookings/{held['id']}/ticket.pdf", 409, "not_confirmed")
    confirmed = await customer.ok(f"POST /api/bookings/{held['id']}/confirm", BOOKING)
    assert confirmed["status"] == "confirmed"
    await customer.refused(f"POST /api/bookings/{held['id']}/confirm", 409, "already_confirmed")
    assert (await customer.ok(f"POST {where}/cancel", BOOKING))["status"] == "cancelled"
    await customer.refused(f"DELETE {where}", 409, "already_cancelled")
    held = await customer.ok(f"POST {path}/holds", BOOKING, 201, json={"seats": ["2"]})
    assert (await customer.ok(f"DELETE /api/bookings/{held['id']}", BOOKING))["status"] == "released"

    mine = await customer.ok("GET /api/me/bookings?status=confirmed", page(BOOKING))
    assert [one["id"] for one in mine["items"][:2]] == [confirmed["id"], for_somebody["id"]], "newest first"
    assert await instance.staff.ok("GET /api/users/910/bookings?status=confirmed", page(BOOKING)) == mine
    await other.refused("GET /api/users/910/bookings", 403, "forbidden")


async def test_changes_of_bookings(instance: ContractInstance) -> None:
    cheap, dear = ({"amount": amount, "currency": "EUR"} for amount in (500, 900))
    sections = [
        {"name": "Stalls", "price": dear, "rows": [{"name": "A", "seats": 6}]},
        {"name": "Balcony", "price": cheap, "rows": [{"name": "B", "seats": 4}]},
    ]
    layout = {"sections": sections, "accessible": ["A2"], "companions": ["A3"]}
    body = {"movie_id": instance.movie_id, "screen_name": "1", "starts_at": "2098-01-01T20:00:00Z"}
    show = await instance.staff.ok("POST /api/shows", SHOW, 201, json=body | {"layout": layout})
    path, customer, staff = f"/api/shows/{show['id']}", instance.customer, instance.staff
    await customer.refused(f"POST {path}/holds", 409, "companion_only", json={"seats": ["A3"]})
    held = await customer.ok(f"POST {path}/holds", BOOKING, 201, json={"seats": ["A1"], "hold_s": 60})
    where = f"/api/bookings/{held['id']}"
    again = await customer.refused(f"POST {path}/holds", 409, "seat_taken", json={"seats": ["A1"]})
    assert [one["id"] for one in again["yours"]] == [held["id"]]
    await asyncio.sleep(0.05)
    extended = await customer.ok(f"POST {where}/extend", BOOKING)
    assert extended["expires_at"] > held["expires_at"]
    moved = await customer.ok(f"POST {where}/seats", BOOKING, json={"seats": ["B1"]})
    assert (moved["seats"], moved["total"], moved["expires_at"]) == (["B1"], cheap, extended["expires_at"])
    await customer.refused(f"POST {where}/seats", 400, "validation", json={"seats": ["B1", "B2"]})
    walk_in = await staff.ok(f"POST {path}/holds", BOOKING, 201, json={"seats": ["A5"], "hold_s": 7200})
    assert walk_in["user_id"] is None
    await staff.refused(f"POST /api/bookings/{walk_in['id']}/extend", 409, "hold_limit")
    await customer.refused(f"POST {where}/swap", 403, "forbidden", json={"with": walk_in["id"]})
    swapped = await staff.ok(f"POST {where}/swap", BOOKING, json={"with": walk_in["id"]})
    assert (swapped["id"], swapped["seats"], swapped["total"]) == (held["id"], ["A5"], dear)
    sale = {"seats": ["A6"], "user_id": 910, "paid": "cash", "note": "By the door"}
    sold = await staff.ok(f"POST {path}/bookings", BOOKING | {"paid": "cash", "note": str}, 201, json=sale)
    await customer.ok(f"GET /api/bookings/{sold['id']}", BOOKING)
    await customer.refused(
        f"POST /api/bookings/{sold['id']}/seats", 409, "price_differs", json={"seats": ["B3"]}
    )
    await customer.refused(f"POST {path}/bookings", 403, "forbidden", json=sale)


async def test_a_show_that_has_started(instance: ContractInstance) -> None:
    starts = (datetime.now(UTC) + timedelta(seconds=3)).isoformat(timespec="milliseconds")
    path = await instance.show(starts_at=starts)
    booked = [
        await instance.customer.ok(f"POST {path}/bookings", BOOKING, 201, json={"seats": [seat]})
        for seat in ("1", "2")
    ]
    deadline = time.monotonic() + SOON_S
    while (await instance.nobody.ok(f"GET {path}", SHOW))["status"] != "past":
        assert time.monotonic() < deadline, "a show starts when its time comes"
        await asyncio.sleep(0.1)
    await instance.customer.refused(f"POST {path}/bookings", 409, "show_started", json={"seats": ["3"]})
    await instance.customer.refused(f"POST /api/bookings/{booked[0]['id']}/cancel", 409, "show_started")
    await instance.staff.ok(f"POST /api/bookings/{booked[0]['id']}/cancel", BOOKING)


async def test_waiting_and_keys(instance: ContractInstance) -> None:
    path = f"{await instance.show()}/bookings"
    answer = await instance.customer(
        f"POST {path}", json={"seats": ["1"]}, headers={"Prefer": "respond-async", "Idempotency-Key": "c1"}
    )
    fits(answer.json(), PENDING)
    command = answer.headers["location"]
    assert (answer.status_code, command) == (202, f"/api/commands/{answer.json()['command']}")
    assert answer.headers["retry-after"]
    assert answer.headers["preference-applied"] == "respond-async"
    status = await instance.customer.ok(f"GET {command}", ACCEPTED, headers={"Prefer": "wait=10"})
    for seats in (["1"], ["1"]):
        again = await instance.customer(
            f"POST {path}", json={"seats": seats}, headers={"Idempotency-Key": "c1"}
        )
        assert (again.status_code, again.json()) == (201, status["booking"])
        assert again.headers["idempotency-replayed"] == "true"
    await instance.customer.refused(
        f"POST {path}", 422, "key_reused", json={"seats": ["2"]}, headers={"Idempotency-Key": "c1"}
    )
    await instance.acting(912).refused(f"GET {command}", 404, "not_found")
    await instance.staff.ok(f"GET {command}", ACCEPTED)
    partition, _, offset = command.rpartition("/")[2].partition("-")
    for beyond in (int(offset) + 50, int(offset) + 5000, 10**12):
        call = f"GET /api/commands/{partition}-{beyond}"
        await instance.acting(912).refused(call, 404, "not_found", headers={"Prefer": "wait=10"})
    taken = await instance.customer(
        f"POST {path}", json={"seats": ["1"]}, headers={"Prefer": "respond-async"}
    )
    refused = await instance.customer(f"GET {taken.headers['location']}", headers={"Prefer": "wait=10"})
    assert (refused.json()["status"], refused.json()["problem"]["code"]) == ("refused", "seat_taken")


async def test_sockets(instance: ContractInstance) -> None:
    path = await instance.show()
    show_id = int(path.rpartition("/")[2])
    async with (
        live(instance.aisle, f"{path}/live") as seats,
        live(instance.aisle, user_id=913) as mine,
        live(instance.aisle, f"/api/events/live?show={show_id}", user_id=900, role="staff") as events,
    ):
        first = await seats.next(lambda one: one["type"] == "seats")
        fits(first, {"type": "seats", "version": int, "states": "a" * 10})
        answer = await mine.ask(type="book", show_id=show_id, seats=["4"], key="s1")
        fits(answer, {"type": "accepted", "booking": BOOKING})
        change = await seats.next(lambda one: one["type"] == "changes")
        fits(change, {"type": "changes", "version": int, "changes": {"4": "s"}})
        await mine.change(answer["booking"]["id"], "confirmed")
        event = await events.next(lambda one: one.get("event", {}).get("type") == "BookingConfirmed")
        assert event["event"]["booking"]["booking_id"] == answer["booking"]["id"]
        taken = await mine.ask(type="hold", show_id=show_id, seats=["4"])
        assert (taken["type"], taken["problem"]["code"]) == ("refused", "seat_taken")
        gone = await mine.ask(type="cancel", booking_id=answer["booking"]["id"])
        assert gone["booking"]["status"] == "cancelled"
        over_http = await instance.acting(913)(
            f"POST {path}/bookings", json={"seats": ["4"]}, headers={"Idempotency-Key": "s1"}
        )
        assert over_http.headers["idempotency-replayed"] == "true"
        assert over_http.json() == answer["booking"]
        await instance.staff.ok(f"POST {path}/close", SHOW)
        assert (await seats.next(lambda one: one["type"] == "show"))["status"] == "closed"


async def test_reports(instance: ContractInstance) -> None:
    for name in ("sales?by=day", "sales?by=movie", "sales?by=show", "sales?by=screen", "occupancy"):
        answer = await instance.staff(f"GET /api/reports/{name}")
        assert (answer.status_code, set(answer.json()) >= {"items", "next_cursor"}) == (200, True)
    for name in ("sales", "occupancy", "cancellations", "customers"):
        table = await instance.staff(f"GET /api/reports/{name}", headers={"Accept": "text/csv"})
        assert table.headers["content-type"].startswith("text/csv")
        await instance.customer.refused(f"GET /api/reports/{name}", 403, "forbidden")
    await instance.staff.refused("GET /api/reports/sales?by=hour", 400, "validation")


async def test_webhooks(instance: ContractInstance) -> None:
    await life_of_a_webhook(instance)


async def test_the_door(instance: ContractInstance) -> None:
    await evening_at_the_door(instance)
    await public_keys(instance)


async def test_emails(instance: ContractInstance) -> None:
    await tickets_again(instance)
    await preferences(instance)


async def test_pages_and_probes(instance: ContractInstance) -> None:
    for path in ("/", "/docs", "/inbox"):
        answer = await instance.nobody(f"GET {path}", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["content-type"][:9]) == (200, "text/html"), path
    for path in ("/health/live", "/health/ready"):
        assert (await instance.nobody(f"GET {path}")).status_code == 200
    async with httpx.AsyncClient() as client:
        metrics = await client.get(f"http://127.0.0.1:{instance.aisle.port + 1}/metrics")
    assert (metrics.status_code, "# TYPE " in metrics.text) == (200, True)


async def test_status_codes_of_every_call(instance: ContractInstance) -> None:
    customer, path = instance.customer, f"{await instance.show()}/bookings"
    old = instance.aisle.token_of_age(910, 3_601)
    await instance.acting(910, token=old).refused("GET /api/me/bookings", 401, "token_expired")
    await instance.acting(910, token="a.b.c").refused("GET /api/me/bookings", 401, "token_invalid")
    await instance.nobody.refused("GET /api/me/bookings", 401, "unauthenticated")
    await customer.refused("GET /api/nothing", 404, "not_found")
    await customer.refused(f"PUT {path}", 405, "method_not_allowed")
    await customer.refused("GET /api/me/bookings", 406, "not_acceptable", headers={"Accept": "text/html"})
    await customer.refused(f"POST {path}", 400, "invalid_json", content=b"{")
    await customer.refused(f"POST {path}", 400, "validation", json={"seats": ["1", "1"]})
    await customer.refused(f"POST {path}", 413, "body_too_large", content=b" " * 16_385)
    await instance.staff.refused("POST /api/movies", 413, "body_too_large", content=b" " * (4 * 2**20 + 1))
    await customer.refused("GET /" + "x" * 9_000, 414, "uri_too_long")
    xml = {"Content-Type": "application/xml"}
    await customer.refused(f"POST {path}", 415, "unsupported_media_type", content=b"<a/>", headers=xml)
    await customer.refused("GET /api/me", 431, "headers_too_large", headers={"X-Long": "x" * 40_000})
    await customer.refused("GET /api/me/live", 426, "upgrade_required")
    for query in ("limit=0", "limit=101", "limit=1&limit=2", "cursor=x", "colour=red", "status=sold"):
        await customer.refused(f"GET /api/me/bookings?{query}", 400, "validation")
    mine = await customer("GET /api/me/bookings", headers={"X-Request-Id": "my-own.1"})
    assert mine.headers["x-request-id"] == "my-own.1"


async def test_a_hold_that_ran_out_is_expired(instance: ContractInstance) -> None:
    where = f"/api/bookings/{instance.hold['id']}"
    deadline = time.monotonic() + 40
    while (await instance.customer.ok(f"GET {where}", BOOKING))["status"] != "expired":
        assert time.monotonic() < deadline, "a hold of 30 s runs out"
        await asyncio.sleep(0.2)
    await instance.customer.refused(f"POST {where}/confirm", 409, "hold_expired")
    await instance.customer.refused(f"POST {where}/cancel", 409, "hold_expired")
    seats = await instance.nobody.ok(f"GET /api/shows/{instance.hold['show_id']}/seats", SEAT_MAP)
    assert seats["states"] == "a" * 10


async def test_every_call_and_code_was_exercised(
    request: pytest.FixtureRequest, instance: ContractInstance
) -> None:
    in_file = [item for item in request.session.items if item.path == request.path]
    if instance.tests < len(in_file):
        pytest.skip("only the whole file sees them all")
    document = strict((await instance.nobody("GET /openapi.json")).json())
    assert calls() <= instance.seen.calls
    described = {
        f"{method.upper()} {re.sub('{(movie|show|user|booking|webhook|delivery)_id}', '{id}', path)}": set(
            operation["responses"]
        )
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert {call for call in calls() if "/api/" in call or "/health/" in call} <= set(described)
    unsaid = {
        (call, status) for call, status in instance.seen.statuses if status not in described.get(call, status)
    }
    assert not unsaid, "the document names every status of every call"
    assert set(PROBLEMS) - instance.seen.codes <= set(ELSEWHERE)
    root = Path(__file__).parents[2]
    for code, place in ELSEWHERE.items():
        text = (root / place).read_text()
        assert code in text or code.upper() in text, (code, place)
