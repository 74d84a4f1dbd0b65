"""Metrics of a whole instance on one port, before and after a process was killed."""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

import httpx

from tests.e2e.running import RunningAisle

SOON_S = 60
SERVICES = {"gateway-1", "gateway-2", "seat-worker-1", "notifier"}
PARTITIONS = 8


async def scrape(instance: RunningAisle) -> dict[str, float]:
    """Returns the samples: `name{labels}` → value."""
    async with httpx.AsyncClient() as client:
        text = (await client.get(f"http://127.0.0.1:{instance.port + 1}/metrics")).text
    return {name: float(value) for name, value in re.findall(r"^(\w+\{.*\}) (\S+)$", text, re.MULTILINE)}


def total(samples: dict[str, float], name: str, *labels: str) -> float:
    """Returns the sum over all processes."""
    return sum(
        value
        for key, value in samples.items()
        if key.startswith(name + "{") and all(label in key for label in labels)
    )


def processes(samples: dict[str, float]) -> set[str]:
    return {
        found[1]
        for key, value in samples.items()
        if value and (found := re.match(r'aisle_process_up\{process="(.*)"\}', key))
    }


async def test_one_port_serves_the_metrics_of_every_process_also_after_a_restart(tmp_path: Path) -> None:
    instance = RunningAisle(tmp_path / "home", {"AISLE_GATEWAYS": "2"})
    try:
        await instance.start()
        show = await instance.make_show(20)
        async with instance.client(1) as client:
            for seat in ("1", "2", "3"):
                assert (
                    await client.post(f"/api/shows/{show}/bookings", json={"seats": [seat]})
                ).status_code == 201
            assert (
                await client.post(f"/api/shows/{show}/bookings", json={"seats": ["1"]})
            ).status_code == 409
        async with asyncio.timeout(SOON_S):
            while True:
                now = await scrape(instance)
                if (
                    processes(now) == SERVICES
                    and total(now, "aisle_emails_total", 'outcome="sent"')
                    + total(now, "aisle_emails_total", 'outcome="skipped"')
                    >= 3
                ):
                    break
                await asyncio.sleep(0.1)
        assert total(now, "aisle_requests_total", 'route="book"', 'status="201"') == 3
        assert total(now, "aisle_requests_total", 'route="book"', 'status="409"') == 1
        assert total(now, "aisle_commands_decided_total", 'command="BookSeats"', 'outcome="accepted"') == 3
        assert total(now, "aisle_commands_decided_total", 'outcome="seat_taken"') == 1
        assert total(now, "aisle_replies_total") >= 4
        assert total(now, "aisle_commands_in_flight") == 0
        assert total(now, "aisle_partition_lag") == 0
        assert total(now, "process_resident_memory_bytes", 'process="seat-worker-1"') > 2**20

        assert total(now, "aisle_partition_epoch") == PARTITIONS
        instance.kill("seat_workers")
        async with asyncio.timeout(SOON_S):
            while True:
                now = await scrape(instance)
                if total(now, "aisle_partition_epoch") == 2 * PARTITIONS:
                    break
                await asyncio.sleep(0.1)
        assert processes(now) == SERVICES
    finally:
        assert instance.stop() == 0


async def test_a_metrics_port_in_use_is_reported_before_anything_starts(tmp_path: Path) -> None:
    instance = RunningAisle(tmp_path / "home", {})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", instance.port + 1))
        taken.listen()
        instance.launch()
        assert instance.process is not None
        assert instance.process.wait(timeout=60) == 1
    printed = instance.output.read_text()
    assert f"AISLE_METRICS_PORT={instance.port + 1}: this port of 127.0.0.1 is in use" in printed
    assert "Traceback" not in printed
    assert not (instance.home / "postgres").exists()
