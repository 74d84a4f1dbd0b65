"""Retries: which errors are retried, with which pauses, and when they end."""

from __future__ import annotations

import asyncio

import pytest

from runtime.retries import Backoff, Retry, retry


def test_pauses_double_up_to_the_longest_and_start_again_after_a_reset() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert [backoff.next_s() for _ in range(2)] == [0.5, 1.0]


async def test_a_call_is_repeated_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    retries: list[Retry] = []
    errors: list[Exception] = [ConnectionRefusedError("a"), TimeoutError("b"), OSError("c"), OSError("d")]

    async def call() -> str:
        if errors:
            raise errors.pop(0)
        return "connected"

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    pauses_s = {"first_s": 0.05, "longest_s": 0.3}
    result = await retry(lambda: call(), OSError, TimeoutError, **pauses_s, on_retry=retries.append)
    assert result == "connected"
    assert pauses == [0.05, 0.1, 0.2, 0.3]
    assert [(retry.attempt, str(retry.error)) for retry in retries] == [
        (1, "a"),
        (2, "b"),
        (3, "c"),
        (4, "d"),
    ]


async def test_other_errors_are_raised_at_once() -> None:
    retries: list[Retry] = []

    async def call() -> None:
        raise KeyError("unexpected")

    with pytest.raises(KeyError):
        await retry(call, OSError, first_s=0.01, longest_s=0.01, on_retry=retries.append)
    assert retries == []


async def test_the_last_error_is_raised_when_the_time_is_up() -> None:
    async def call() -> None:
        raise ConnectionRefusedError("nobody listens")

    with pytest.raises(ConnectionRefusedError, match="nobody listens"):
        await retry(call, OSError, first_s=0.001, longest_s=0.001, give_up_s=0.02, on_retry=lambda _: None)


async def test_a_cancelled_call_is_not_repeated() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        await asyncio.sleep(60)

    task = asyncio.ensure_future(retry(call, OSError, first_s=0, longest_s=0, on_retry=lambda _: None))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls == 1
