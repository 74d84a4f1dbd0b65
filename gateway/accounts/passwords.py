"""Password hashing, in one thread of the lowest priority."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.http.problems import Problem
from runtime.password_rules import common_passwords, normal_password, weakness

__all__ = ["Passwords", "hash_password", "weakness"]

T = TypeVar("T")

_MAX_PENDING = 100
_NICE = 19

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# The hash of an unknown password, verified when the account does not exist, so that both take the same time.
_DUMMY_HASH = (
    "$argon2id$v=19$m=19456,t=2,p=1$UyGvvXeinG3/+ep05PbhJQ$sJ7dm9K68/vENTH6oDnAX+Wd9ye/7iEeANSjXKUhW1Q"
)


def hash_password(password: str) -> str:
    """The argon2id hash of a password. Takes about 25 ms and 19 MiB."""
    return _hasher.hash(normal_password(password))


class Passwords:
    """Hashes and verifies passwords one at a time, in a thread that does not block the event loop.

    The thread has the lowest priority, so that bookings take precedence over any number of log-ins.
    """

    def __init__(self) -> None:
        common_passwords()  # takes 20 ms the first time
        self._thread = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="passwords", initializer=_lower_priority
        )
        self._pending = 0

    async def hash(self, password: str) -> str:
        """The hash of a password. Raises Problem `overloaded` when the queue is full."""
        return await self._run(hash_password, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether the password matches the stored hash. Takes the same time without a hash."""
        return await self._run(_matches, stored, password)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        if self._pending >= _MAX_PENDING:
            raise Problem("overloaded", "Too many log-ins at once: try again in a moment.", retry_after_s=3)
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        finally:
            self._pending -= 1


def _lower_priority() -> None:
    # On Linux each thread has its own priority, set by its thread id.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _matches(stored: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored or _DUMMY_HASH, normal_password(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
