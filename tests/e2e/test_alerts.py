"""Alert rules, dashboard and docs/alerts.md name only metrics and labels that a running Aisle has."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect

from tests.e2e.running import RunningAisle
from tests.expressions import dashboard_expressions, rules, selectors

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text()
OF_PROMETHEUS = {"instance", "job"}
"""Labels that Prometheus adds when it scrapes."""
SOON_S = 20


def wanted() -> set[tuple[str, str]]:
    """Pairs of a metric and one of its labels, or "" for the metric itself."""
    expressions = [rule["expr"] for rule in rules()] + dashboard_expressions()
    found = {(name, "") for name in re.findall(r"\b(?:aisle|process)_[a-z_]+", PAGE)}
    for expression in expressions:
        for name, labels in selectors(expression):
            if name != "up":
                found |= {(name, label) for label in {"", *labels} - OF_PROMETHEUS}
    return found


async def served(aisle: RunningAisle, client: httpx.AsyncClient) -> set[tuple[str, str]]:
    """The pairs that are exposed now, histograms also without their suffix."""
    text = (await client.get(f"http://127.0.0.1:{aisle.port + 1}/metrics")).text
    found = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            for name in (sample.name, sample.name.removesuffix("_bucket")):
                found |= {(name, label) for label in ("", *sample.labels)}
    return found


async def test_every_metric_and_label_that_is_asked_for_exists(laptop: RunningAisle) -> None:
    assert len(wanted()) > 50
    show_id = await laptop.make_show(10)
    async with laptop.client(1000) as client:
        answer = await client.post(f"/api/shows/{show_id}/bookings", json={"seats": ["1"]})
        assert answer.status_code == 201, answer.text
        async with connect(f"ws://127.0.0.1:{laptop.port}/api/shows/{show_id}/live"):
            deadline = time.monotonic() + SOON_S
            while missing := wanted() - await served(laptop, client):  # some are counted in the background
                assert time.monotonic() < deadline, missing
                await asyncio.sleep(0.5)
