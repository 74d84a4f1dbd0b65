"""docs/metrics.md lists exactly the metrics that a running Aisle serves, with their types and labels."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from tests.e2e.running import RunningAisle

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
SOON_S = 20


class Described(NamedTuple):
    """A metric's type and its labels, without those that every metric of its type has."""

    kind: str
    labels: frozenset[str]


def documented() -> Iterator[tuple[str, Described]]:
    for names, kind, labels in re.findall(r"^\| (`.*?) \| (\w+) \| (.*?)\s*\|", PAGE, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            yield name, Described(kind, frozenset(re.findall(r"`(\w+)`", labels)))


async def served(aisle: RunningAisle) -> dict[str, Described]:
    """Metrics that have a sample now."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{aisle.port + 1}/metrics")).text
    return {
        family.name + ("_total" if family.type == "counter" else ""): Described(
            family.type,
            frozenset(label for one in family.samples for label in one.labels) - {"process", "le"},
        )
        for family in text_string_to_metric_families(text)
        if family.samples
    }


async def test_the_documented_metrics_are_those_of_a_running_aisle(laptop: RunningAisle) -> None:
    show_id = await laptop.make_show(10)
    listed = dict(documented())
    assert len(listed) > 30
    async with (
        laptop.client(1000) as client,
        connect(f"ws://127.0.0.1:{laptop.port}/api/shows/{show_id}/live"),
    ):
        booked = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert booked.status_code == 201, booked.text
        deadline = time.monotonic() + SOON_S
        while (now := await served(laptop)) != listed:  # some are counted in the background
            assert time.monotonic() < deadline, {
                "not served": listed.keys() - now.keys(),
                "not documented": now.keys() - listed.keys(),
                "differ": {name for name in listed.keys() & now.keys() if listed[name] != now[name]},
            }
            await asyncio.sleep(0.5)
