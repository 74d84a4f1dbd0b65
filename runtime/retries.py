"""Retries with exponential backoff: `retry` for calls, `Backoff` for loops that also do other things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_delay,
    stop_never,
    wait_exponential,
    wait_random,
)

T = TypeVar("T")


class Retry(NamedTuple):
    """A failed attempt, counted from 1, and the pause before the next one."""

    attempt: int
    error: BaseException
    pause_s: float


def backoff_s(attempts: int, first_s: float, longest_s: float) -> float:
    """The pause in seconds after the first attempt is `first_s`; it doubles after each, up to `longest_s`."""
    return wait_exponential(multiplier=first_s, max=longest_s)(_state(attempts))


def jittered_s(pause_s: float, share: float = 0.25) -> float:
    """A pause of up to this share less or more, so that retries of one moment do not stay together."""
    return wait_random(pause_s * (1 - share), pause_s * (1 + share))(_state(1))


def _state(attempts: int) -> RetryCallState:
    state = RetryCallState(AsyncRetrying(), None, (), {})
    state.attempt_number = attempts
    return state


class Backoff:
    """Pauses that double from `first_s` up to `longest_s`."""

    __slots__ = ("_first_s", "_longest_s", "_pause_s")

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._pause_s = first_s

    def next_s(self) -> float:
        """Returns the next pause in seconds."""
        pause_s = self._pause_s
        self._pause_s = min(2 * pause_s, self._longest_s)
        return pause_s

    def reset(self) -> None:
        """Starts again with the shortest pause."""
        self._pause_s = self._first_s


async def retry(
    call: Callable[[], Awaitable[T]],
    *errors: type[BaseException],
    first_s: float,
    longest_s: float,
    on_retry: Callable[[Retry], None],
    give_up_s: float | None = None,
) -> T:
    """Returns the result of a call, repeated on these errors. Pauses double from `first_s` up to `longest_s`.

    After `give_up_s` the last error is raised; None retries for ever.
    """

    async def attempt() -> T:
        return await call()

    def before_sleep(state: RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        error = state.outcome.exception()
        assert error is not None
        on_retry(Retry(state.attempt_number, error, state.next_action.sleep))

    attempts = AsyncRetrying(
        sleep=asyncio.sleep,
        retry=retry_if_exception_type(errors),
        wait=wait_exponential(multiplier=first_s, max=longest_s),
        stop=stop_never if give_up_s is None else stop_after_delay(give_up_s),
        before_sleep=before_sleep,
        reraise=True,
    )
    return await attempts(attempt)
