"""docs/alerts.md names only metrics that a running Aisle has."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
from websockets.asyncio.client import connect

from tests.e2e.running import RunningAisle

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
NAMES = set(re.findall(r"\b(?:aisle|process)_[a-z_]+", PAGE))


async def names(aisle: RunningAisle, client: httpx.AsyncClient) -> set[str]:
    """Metrics that are exposed now, histograms also without their suffix."""
    exposed = (await client.get(f"http://127.0.0.1:{aisle.port + 1}/metrics")).text
    found = set(re.findall(r"^(\w+)[{ ]", exposed, re.MULTILINE))
    return found | {name.removesuffix("_bucket") for name in found}


async def test_the_metrics_of_all_alerts_exist(laptop: RunningAisle) -> None:
    show_id = await laptop.make_show(10)
    async with laptop.client(1000) as client:
        answer = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert answer.status_code == 201, answer.text
        async with connect(f"ws://127.0.0.1:{laptop.port}/api/shows/{show_id}/live"):
            deadline = time.monotonic() + 20
            while missing := NAMES - await names(laptop, client):  # some are counted in the background
                assert time.monotonic() < deadline, missing
                await asyncio.sleep(0.5)


async def test_the_labels_of_all_alerts_exist(laptop: RunningAisle) -> None:
    await laptop.make_show(10)
    async with httpx.AsyncClient() as client:
        exposed = (await client.get(f"http://127.0.0.1:{laptop.port + 1}/metrics")).text
    for name, label in re.findall(r'(aisle_\w+)\{(\w+)=~?"', PAGE):
        assert re.search(rf"^{name}\{{[^}}]*\b{label}=", exposed, re.MULTILINE), (
            f"{name} has no label {label}"
        )
