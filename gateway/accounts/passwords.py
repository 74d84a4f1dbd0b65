"""Passwords: which are good enough, and their hashes, off the event loop and after everybody else's turn."""

from __future__ import annotations

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from importlib import resources
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gateway.problems import Problem

T = TypeVar("T")

_MAX_WAITING = 100
_MIN_LENGTH = 10
_NICE = 19

_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# Of a password that nobody knows: what is compared when there is no such account.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$UyGvvXeinG3/+ep05PbhJQ$sJ7dm9K68/vENTH6oDnAX+Wd9ye/7iEeANSjXKUhW1Q"


def hash_password(password: str) -> str:
    """The argon2id hash to be stored; takes some 25 ms and 19 MiB."""
    return _hasher.hash(_normal(password))


def weakness(password: str, *names: str) -> str | None:
    """Why a password must not be taken: it is one of the names, or one of the commonest. None if it is fine."""
    folded = _normal(password).casefold()
    if any(folded == name.casefold() for name in names):
        return "the password must not be the user name or the e-mail address"
    if folded in _common() or len(set(folded)) < 3:
        return "this is one of the commonest passwords: take another"
    return None


class Passwords:
    """Hashes and checks passwords in one thread of its own, so one at a time and none in the loop's way.

    The thread has the lowest priority: however many log in, bookings have the processor first.
    """

    def __init__(self) -> None:
        _common()  # takes 20 ms the first time
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
        _hasher.verify(stored or _NOBODY, _normal(password))
    except (VerificationError, InvalidHashError):
        return False
    return stored is not None


def _normal(password: str) -> str:
    # The same characters typed on another keyboard may come as other code points.
    return unicodedata.normalize("NFKC", password)


@lru_cache(maxsize=1)
def _common() -> frozenset[str]:
    """The commonest passwords of the length that is asked for, in lower case: a library's list and ours."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # type: ignore[import-untyped]

    ours = resources.files("gateway.accounts").joinpath("common_passwords.txt").read_text("utf-8").split("\n")
    listed = (*FREQUENCY_LISTS["passwords"], *(line for line in ours if not line.startswith("#")))
    return frozenset(password for password in listed if len(password) >= _MIN_LENGTH)
