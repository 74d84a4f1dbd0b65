"""Blocked seats with a code and a release time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from runtime.settings import Settings
from tests.integration.box_office import BoxOffice, code, fields_at_fault
from tests.integration.gateway_server import KEYS, serving

LATER = "2097-05-01T10:00:00.000Z"


@pytest.fixture
async def house(
    settings: Callable[..., Settings], database_url: str, redis_url: str
) -> AsyncIterator[BoxOffice]:
    made = settings(database_url=database_url, redis_url=redis_url, jwt_keys=KEYS, partitions=2)
    async with serving(made) as running:
        house = BoxOffice(running)
        await house.open()
        yield house
        await house.close()


async def block(house: BoxOffice, headers: Any = None, **body: Any) -> httpx.Response:
    return await house.staff.post(f"/api/shows/{house.show_id}/block", json=body, headers=headers)


async def notes(house: BoxOffice) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.staff.get(f"/api/shows/{house.show_id}/notes")).json()["items"]
    return items


async def test_code_and_release_are_listed_with_the_note(house: BoxOffice) -> None:
    await house.manage(
        "block", seats=["A1", "A2"], note="Camera", code="press", release_at="2097-05-01T12:00:00+02:00"
    )
    await house.manage("block", seats=["A3"])
    await house.manage("unblock", seats=["A1"])
    listed = [
        (one["action"], one["seats"], one["code"], one["release_at"], one["note"])
        for one in await notes(house)
    ]
    assert listed == [
        ("unblock", ["A1"], None, None, ""),
        ("block", ["A3"], None, None, ""),
        ("block", ["A1", "A2"], "press", LATER, "Camera"),
    ]
    assert (await house.states()).startswith("abba")


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"release_at": "2020-01-01T00:00:00Z"}, "release_at"),
        ({"release_at": "2097-05-01T10:00:00"}, "release_at"),
        ({"release_at": "9999-05-01T10:00:00Z"}, "release_at"),
        ({"code": ""}, "code"),
        ({"code": "two words"}, "code"),
        ({"code": "x" * 33}, "code"),
        ({"code": "press\n"}, "code"),
        ({"until": LATER}, "until"),
    ],
)
async def test_invalid_codes_and_times_are_refused(
    house: BoxOffice, fields: dict[str, str], at_fault: str
) -> None:
    refused = await block(house, seats=["A1"], **fields)
    assert (code(refused), fields_at_fault(refused)) == ((400, "validation"), [at_fault])
    assert (await house.states()).startswith("aa")


@pytest.mark.parametrize("field", [{"code": "press"}, {"release_at": LATER}])
async def test_unblocking_takes_neither(house: BoxOffice, field: dict[str, str]) -> None:
    refused = await house.staff.post(f"/api/shows/{house.show_id}/unblock", json={"seats": ["A1"]} | field)
    assert (code(refused), fields_at_fault(refused)) == ((400, "validation"), [*field])


async def test_customers_block_nothing(house: BoxOffice) -> None:
    refused = await house.ada.post(
        f"/api/shows/{house.show_id}/block", json={"seats": ["A1"], "code": "press"}
    )
    assert code(refused) == (403, "forbidden")


async def test_seats_are_released_by_themselves_and_a_repeat_after_that_is_answered_as_before(
    house: BoxOffice,
) -> None:
    key = {"Idempotency-Key": "k"}
    release_at = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
    wanted = {"seats": ["A1", "A2"], "code": "house", "release_at": release_at}
    assert (await block(house, key, **wanted)).status_code == 200
    await house.manage("block", seats=["A3"])
    assert (await house.states()).startswith("bbba")
    async with asyncio.timeout(20):
        while True:
            if (await house.states()).startswith("aaba"):
                break
            await asyncio.sleep(0.1)
    again = await block(house, key, **wanted)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (200, "true")
    late = await block(house, **wanted)
    assert (code(late), fields_at_fault(late)) == ((400, "validation"), ["release_at"])
    for other in ({"code": "press"}, {"release_at": LATER}, {"note": "Another"}):
        assert code(await block(house, key, **wanted | other)) == (422, "key_reused")
    assert (await house.book(house.ada, "A1"))["seats"] == ["A1"]


async def test_blocking_again_changes_code_and_time(house: BoxOffice) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    await house.manage("block", seats=["A1", "A2"], code="press", release_at=soon)
    await house.manage("block", seats=["A1"], code="house", release_at=LATER)
    async with asyncio.timeout(20):
        while True:
            if (await house.states()).startswith("ba"):
                return
            await asyncio.sleep(0.1)
