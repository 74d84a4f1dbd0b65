"""Scanners without a connection: `aisle checkin list` and `aisle checkin offline`, and two gates at one show."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from runtime.settings import Settings
from tests.conftest import TICKET_KEYS
from tests.integration.box_office import BoxOffice
from tests.integration.door import SIGNER, door, scan, soon, ticket
from tests.integration.gateway_server import KEYS, serving
from tickets.tokens import TicketToken, read

SEATS = 500


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open(starts_at=soon(hours=1))
        yield house
        await house.close()


async def aisle(house: BoxOffice, *arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """Exit status, output and errors of `aisle checkin …`."""
    settings = house.server.settings
    environment = {
        **os.environ,
        "AISLE_HOME": str(settings.home),
        "AISLE_DATABASE_URL": settings.database_url or "",
        "AISLE_TICKET_KEYS": TICKET_KEYS,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ops", "checkin", *arguments),
        env=environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(120):
        out, errors = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def test_the_list_has_keys_and_tickets_that_a_scanner_can_check(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    await house.hold(house.bob, "A3")
    used = await scan(house, ticket(booking, "A1"), gate="north")
    status, out, _ = await aisle(house, "list", "--show", str(house.show_id), "--json")
    assert status == 0
    found = json.loads(out)
    keys = (await house.staff.get("/.well-known/jwks.json")).json()["keys"]
    assert found["keys"] == keys
    public = {one["kid"]: Ed25519PublicKey.from_public_bytes(_bytes(one["x"])) for one in found["keys"]}
    token = read(ticket(booking, "A1"), public)
    assert isinstance(token, TicketToken)
    assert found["tickets"] == [
        {
            "booking_id": str(token.booking_id),
            "seat_index": token.seat,
            "seat": "A1",
            "used_at": used["used_at"],
            "gate": "north",
        },
        {"booking_id": booking["id"], "seat_index": 1, "seat": "A2", "used_at": None, "gate": None},
    ]
    status, out, _ = await aisle(house, "list", "--show", str(house.show_id))
    assert status == 0
    assert "2 tickets, 1 of them used:" in out
    assert "A1  used" in out


async def test_an_unknown_show_and_bad_files_are_one_line(house: BoxOffice, tmp_path: Path) -> None:
    status, _, errors = await aisle(house, "list", "--show", "999")
    assert (status, errors.count("\n")) == (1, 1)
    assert "there is no show 999" in errors
    good = {"token": "BC", "at": soon()}
    for lines, said in (
        ('{"token": "BC"}', "line 1: Object missing required field `at`"),
        (json.dumps(good) + "\n{", "line 2: JSON objects are wanted"),
        (json.dumps(good | {"at": "2026-11-01T10:00:00"}), "line 1: at: "),
        (json.dumps(good | {"gate": "two words"}), "line 1: gate: 1 to 32 of the characters"),
        (json.dumps([good, good | {"seat": 1}]), "scan 2: Object contains unknown field `seat`"),
        ("[", "JSON objects are wanted"),
        ("7", "line 1: Expected `object`, got `int`"),
    ):
        path = tmp_path / "scans.json"
        path.write_text(lines)
        status, out, errors = await aisle(house, "offline", str(path))
        assert (status, out, errors.count("\n")) == (1, "", 1), errors
        assert said in errors
    status, _, errors = await aisle(house, "offline", str(tmp_path / "none.json"))
    assert (status, errors.count("\n")) == (1, 1)
    assert (await house.server.sql("SELECT count(*) FROM check_ins"))[0][0] == 0


async def test_late_scans_are_merged_in_the_order_of_time_and_device_and_count_once(house: BoxOffice) -> None:
    booking = await house.book(house.ada, "A1", "A2")
    await asyncio.sleep(0.1)
    scans = [
        {"token": ticket(booking, "A1"), "at": soon(seconds=-0.02), "device": "b", "gate": "south"},
        {"token": ticket(booking, "A1"), "at": soon(seconds=-0.05), "device": "a", "gate": "north"},
        {"token": "XXXX", "at": soon(seconds=-0.01), "device": "a"},
        {"token": ticket(booking, "A2"), "at": soon(), "device": "a", "show_id": house.show_id + 1},
    ]
    given = "\n".join(json.dumps(one) for one in scans).encode()
    status, out, errors = await aisle(house, "offline", "-", "--json", given=given)
    assert status == 1, errors
    results = json.loads(out)
    assert [(one["number"], one["result"]) for one in results] == [
        (2, "valid"),
        (1, "already_used"),
        (3, "invalid"),
        (4, "wrong_show"),
    ]
    assert results[1]["used_gate"] == "north"
    again = await aisle(house, "offline", "-", "--json", given=given)
    assert json.loads(again[1]) == results, "a file can be sent again"
    [conflict] = (await door(house))["conflicts"]
    assert (conflict["seat"], conflict["used_gate"], conflict["gate"]) == ("A1", "north", "south")
    status, out, _ = await aisle(house, "offline", "-", given=given)
    assert out.splitlines()[-1] == "4 scans: 1 already_used, 1 invalid, 1 valid, 1 wrong_show."


async def test_two_gates_scan_the_same_500_tickets_and_one_is_offline_for_a_minute(
    house: BoxOffice, tmp_path: Path
) -> None:
    """North is online all the time. South loses its connection after 200 tickets, lets people in by signature for a
    minute, and sends these scans afterwards."""
    house.show_id = await house.another_show(starts_at=soon(hours=1), layout=None, total_seats=SEATS)
    tokens = []
    for first in range(0, SEATS, 100):
        labels = [str(n + 1) for n in range(first, first + 100)]
        booking = await house.book(house.staff, *labels)
        tokens += [SIGNER.sign(UUID(booking["id"]), house.show_id, n) for n in range(first, first + 100)]
    order = random.Random(19)
    north, south = order.sample(tokens, SEATS), order.sample(tokens, SEATS)
    online, offline = south[:200], south[200:]
    began = datetime.now(UTC)

    async def gate(name: str, some: list[str]) -> list[str]:
        results = []
        for n in range(0, len(some), 10):
            scanned = [scan(house, token, gate=name, nonce=f"{name}-{n}") for token in some[n : n + 10]]
            results += [one["result"] for one in await asyncio.gather(*scanned)]
        return results

    at_north, at_south = await asyncio.gather(gate("north", north), gate("south", online))
    assert Counter(at_north + at_south) == {"valid": SEATS, "already_used": 200}

    kept = tmp_path / "south.jsonl"
    with kept.open("w") as file:
        for n, token in enumerate(offline):
            at = began - timedelta(milliseconds=60_000 * n / len(offline))
            file.write(
                json.dumps({"token": token, "at": at.isoformat(), "device": "s", "gate": "south"}) + "\n"
            )
    status, out, errors = await aisle(house, "offline", str(kept), "--json")
    assert status == 1, errors
    late = [one["result"] for one in json.loads(out)]
    assert Counter(late) == {"already_used": 300}, "north has scanned every seat meanwhile"
    state = await door(house)
    assert (state["sold"], state["checked_in"]) == (SEATS, SEATS)
    assert len(state["conflicts"]) == len(offline)
    assert len({one["seat"] for one in state["conflicts"]}) == len(offline), "each seat once"
    assert {one["gate"] for one in state["conflicts"]} == {"south"}
    used = await house.server.sql(
        "SELECT count(*), count(DISTINCT seat) FROM check_ins WHERE show_id = $1 AND used_ms IS NULL",
        house.show_id,
    )
    assert tuple(used[0]) == (SEATS, SEATS)


async def test_scans_of_a_gate_that_was_offline_alone_are_valid_with_their_own_times(
    house: BoxOffice,
) -> None:
    booking = await house.book(house.ada, "A1", "A2", "A3")
    await asyncio.sleep(0.1)
    labels = ("A1", "A2", "A3")
    scans: list[dict[str, Any]] = [
        {"token": ticket(booking, label), "at": soon(seconds=-0.01 * n), "device": "s", "gate": "south"}
        for n, label in enumerate(labels)
    ]
    status, out, _ = await aisle(house, "offline", "-", "--json", given=json.dumps(scans).encode())
    assert status == 0
    assert [(one["seat"], one["used_gate"]) for one in json.loads(out)] == [
        ("A3", "south"),
        ("A2", "south"),
        ("A1", "south"),
    ]
    assert all(one["used_at"] == one["at"] for one in json.loads(out))
    assert (await door(house))["checked_in"] == 3


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
