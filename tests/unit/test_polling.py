"""Polling loops log an outage once when it begins and once when it ends."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from runtime.polling import poll


async def polled(outcomes: list[Exception | None]) -> list[tuple[str, object]]:
    """Polls once per outcome; returns the logged events with their number of failures."""
    done = asyncio.Event()

    async def run() -> None:
        outcome = outcomes.pop(0)
        if not outcomes:
            done.set()
        if outcome is not None:
            raise outcome

    with capture_logs() as logs:
        task = asyncio.create_task(poll("example", run, every_s=0.0))
        await done.wait()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert all(one["task"] == "example" for one in logs)
    return [(one["event"], one.get("failures")) for one in logs]


async def test_successful_runs_log_nothing() -> None:
    assert await polled([None, None]) == []


async def test_an_outage_is_logged_at_its_beginning_and_its_end() -> None:
    refused = ConnectionRefusedError("refused")
    assert await polled([refused, refused, TimeoutError(), None, None, refused, None]) == [
        ("polling_failed", None),
        ("polling_recovered", 3),
        ("polling_failed", None),
        ("polling_recovered", 1),
    ]


async def test_an_unexpected_error_ends_polling() -> None:
    async def run() -> None:
        raise KeyError("unexpected")

    with pytest.raises(KeyError):
        await poll("example", run, every_s=0.0)
