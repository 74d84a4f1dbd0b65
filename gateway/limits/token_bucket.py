"""PURE: token buckets of one process. A bucket refills at a steady rate up to its burst; each request takes one token.

Time is an argument, in seconds of a clock that never runs backwards.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import msgspec

GENERATION_SIZE = 25_000
"""Buckets in each of the two generations that are kept. A key that was used in neither is evicted, and starts with
a full bucket when it comes back."""


class Rate(msgspec.Struct, frozen=True):
    """The rate and burst of a limit: `burst` requests at once, `per_s` a second in the long run."""

    name: str
    burst: float
    per_s: float
    description: str
    """The limited requests in words, for the error message."""

    def wait_s(self, tokens: float) -> int:
        """Whole seconds until a bucket with `tokens` left, fewer than one, has one again; at least 1."""
        return max(1, math.ceil((1.0 - tokens) / self.per_s))


class Bucket:
    """The tokens that one key has left, as this process knows them."""

    __slots__ = ("at_s", "tokens", "unreported")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens = tokens
        self.at_s = at_s
        self.unreported = 0.0
        """Tokens taken here that have not been reported to the other gateways."""

    def adjust(self, tokens: float) -> None:
        """Adds tokens, or takes them where `tokens` is negative; the bucket may go into debt."""
        self.tokens += tokens
        self.unreported -= tokens


class Buckets:
    """The buckets of one rate, by key: a customer's id, an address."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._young: dict[Hashable, Bucket] = {}
        self._old: dict[Hashable, Bucket] = {}

    def refilled(self, key: Hashable, now_s: float) -> Bucket:
        """The bucket of a key, refilled up to now."""
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._admit(key, now_s)
        burst, tokens = self.rate.burst, bucket.tokens + (now_s - bucket.at_s) * self.rate.per_s
        bucket.tokens = tokens if tokens < burst else burst
        bucket.at_s = now_s
        return bucket

    def _admit(self, key: Hashable, now_s: float) -> Bucket:
        bucket = self._old.pop(key, None) or Bucket(self.rate.burst, now_s)
        if len(self._young) >= GENERATION_SIZE:
            self._old, self._young = self._young, {}
        self._young[key] = bucket
        return bucket

    def spend(self, key: Hashable, now_s: float) -> Bucket | None:
        """Takes one token of a key. Returns its bucket, or None without a whole token."""
        bucket = self.refilled(key, now_s)
        if bucket.tokens < 1.0:
            return None
        bucket.adjust(-1.0)
        return bucket

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
