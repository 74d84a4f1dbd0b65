"""Passwords: their hashes, off the event loop and after everybody else's turn."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.problems import Problem
from runtime.password_rules import common_passwords, normal_password, weakness

__all__ = ["Passwords", "hash_password", "weakness"]

T = TypeVar("T")

_MAX_WAITING = 100
_NICE = 19

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Of a password that nobody knows: what is compared when there is no such account.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$UyGvvXeinG3/+ep05PbhJQ$sJ7dm9K68/vENTH6oDnAX+Wd9ye/7iEeANSjXKUhW1Q"


def hash_password(password: str) -> str:
    """The argon2id hash to be stored; takes some 25 ms and 19 MiB."""
    return _hasher.hash(normal_password(password))


class Passwords:
    """Hashes and checks passwords in one thread of its own, so one at a time and none in the loop's way.

    The thread has the lowest priority: however many log in, bookings have the processor first.
    """

    def __init__(self) -> None:
        common_passwords()  # takes 20 ms the first time
        self._thread = ThreadPoolExecutor(
            max_workers=1, thread_name_prefix="passwords", initializer=_yield_to_all
        )
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The hash to be stored. Raises Problem `overloaded` when too many are waiting."""
        return await self._run(hash_password, password)

    async def matches(self, stored: str | None, password: str) -> bool:
        """Whether this is the password of the stored hash; takes as long when there is none."""
        return await self._run(_matches, stored, password)

    def close(self) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        if self._waiting >= _MAX_WAITING:
            raise Problem("overloaded", "Too many are logging in just now: try again.", retry_after_s=3)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        finally:
            self._waiting -= 1


def _yield_to_all() -> None:
    # On Linux a thread has a priority of its own, by its own number.
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _matches(stored: str | None, password: str) -> bool:
    try:
        _hasher.verify(stored or _NOBODY, normal_password(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None
