"""An appender opens a new connection when one breaks."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from runtime.log import LogUnavailable
from runtime.log.postgres_appender import PAUSE_S, PostgresAppender

BROKEN = asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")


class FakeConnection:
    """A connection to a log with partition 0, where every record gets offset 7; or one that breaks."""

    def __init__(self, breaks: bool) -> None:
        self._breaks = breaks

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def prepare(self, _: str) -> FakeConnection:
        return self

    async def fetch(self, *_: object) -> list[dict[str, int]]:
        if self._breaks:
            raise BROKEN
        return [{"partition": 0}]

    async def fetchval(self, *_: object) -> list[int]:
        return [7]


async def test_a_connection_that_breaks_while_opening_is_opened_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runtime.log.postgres_appender.PAUSE_S", -PAUSE_S)
    made: list[FakeConnection] = []

    async def connect(_: str) -> Any:
        made.append(FakeConnection(breaks=not made))
        return made[-1]

    appender = PostgresAppender(connect, "aisle.commands", notify=False)
    with pytest.raises(LogUnavailable) as refused:
        await appender.append(0, b"one")
    assert not refused.value.outcome_unknown
    assert await appender.append(0, b"two") == 7
    assert len(made) == 2
    await appender.close()
