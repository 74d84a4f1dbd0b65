"""PURE: token buckets of one process. A bucket fills at a steady rate up to its burst; each request takes one.

Time is an argument, in seconds of a clock that never runs backwards.
"""

from __future__ import annotations

import math
from collections.abc import Hashable

import msgspec

GENERATION = 25_000
"""Buckets of one rate are kept in two generations of so many: what was not asked for in either is forgotten,
and is full when it comes again."""


class Rate(msgspec.Struct, frozen=True):
    """How often something may be done: `burst` times at once, `per_s` times a second in the long run."""

    name: str
    burst: float
    per_s: float
    told: str
    """What the one who is refused is told to have done."""

    def wait_s(self, tokens: float) -> int:
        """Whole seconds until a bucket with so many tokens, fewer than one, has one again; at least 1."""
        return max(1, math.ceil((1.0 - tokens) / self.per_s))


class Bucket:
    """The tokens that one key has left, as far as this process knows."""

    __slots__ = ("at_s", "tokens", "untold")

    def __init__(self, tokens: float, at_s: float) -> None:
        self.tokens = tokens
        self.at_s = at_s
        self.untold = 0.0
        """Tokens taken here that the other gateways have not been told of."""

    def change(self, tokens: float) -> None:
        """Takes tokens (below zero: into debt where there are none), or gives them back."""
        self.tokens += tokens
        self.untold -= tokens


class Buckets:
    """The buckets of one rate by their key: a customer's number, an address."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._young: dict[Hashable, Bucket] = {}
        self._old: dict[Hashable, Bucket] = {}

    def filled(self, key: Hashable, now_s: float) -> Bucket:
        """The bucket of a key with what has flowed in until now."""
        bucket = self._young.get(key)
        if bucket is None:
            bucket = self._admit(key, now_s)
        burst, tokens = self.rate.burst, bucket.tokens + (now_s - bucket.at_s) * self.rate.per_s
        bucket.tokens = tokens if tokens < burst else burst
        bucket.at_s = now_s
        return bucket

    def _admit(self, key: Hashable, now_s: float) -> Bucket:
        bucket = self._old.pop(key, None) or Bucket(self.rate.burst, now_s)
        if len(self._young) >= GENERATION:
            self._old, self._young = self._young, {}
        self._young[key] = bucket
        return bucket

    def spend(self, key: Hashable, now_s: float) -> Bucket | None:
        """Takes one token of a key. Returns its bucket, or None where there is no whole token."""
        bucket = self.filled(key, now_s)
        if bucket.tokens < 1.0:
            return None
        bucket.change(-1.0)
        return bucket

    def lower(self, key: Hashable, tokens: float, now_s: float) -> None:
        """Takes over what all gateways together have left, if it is less than what this one knows of."""
        bucket = self.filled(key, now_s)
        bucket.tokens = min(bucket.tokens, tokens - bucket.untold)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
