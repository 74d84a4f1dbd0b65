"""Time zones: which names are known, and a zone for every stored name."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.catalogue import zones as zones_module
from gateway.catalogue.zones import read_zones
from schemas.zones import portable_zones, zone_of

VENUE_ZONE = "Europe/Berlin"


def test_every_known_zone_is_found_and_none_is_of_this_machine() -> None:
    names = portable_zones()
    assert {"UTC", "Europe/Berlin", "NZ", "Singapore", "US/Eastern", "Etc/GMT+12"} <= names
    assert not names & {"localtime", "posixrules", "Factory", "posix/UTC", "right/UTC", "europe/berlin"}
    assert all(zone_of(name, VENUE_ZONE).key == name for name in names)


@given(
    name=st.text() | st.sampled_from(["localtime", "Europe", "../UTC", "/etc/localtime", "\0", "x" * 5000])
)
def test_a_stored_name_always_gives_a_zone(name: str) -> None:
    assert zone_of(name, VENUE_ZONE).key == (name if name in portable_zones() else VENUE_ZONE)


async def test_zones_are_read_again_and_a_database_that_is_away_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers: list[Any] = [["UTC", "Europe/Berlin", "localtime", "Nowhere/AtAll"], OSError("away"), ["UTC"]]
    read_all = asyncio.Event()

    class Database:
        async def fetchval(self, _sql: str) -> Any:
            if not answers:
                read_all.set()
                return ["UTC"]
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    monkeypatch.setattr(zones_module, "_REFRESH_EVERY_S", 0.0)
    zones = await read_zones(Database(), VENUE_ZONE)
    assert zones.known == ["Europe/Berlin", "UTC"]
    watching = asyncio.create_task(zones.watch())
    try:
        async with asyncio.timeout(10):
            await read_all.wait()
    finally:
        watching.cancel()
    assert zones.known == ["UTC"]
    assert [field for field, _ in zones.errors("Europe/Berlin")] == ["timezone"]
