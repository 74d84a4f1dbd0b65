"""Rate limits: token buckets per address, customer and account, shared by all gateways in Redis.

There are two ways to take a token:

- `spend` is for requests that arrive thousands of times a second. It takes from the local bucket, at the price of a
  dictionary look-up. Ten times a second the tokens taken are reported to Redis, all keys in one call, for buckets
  with at least a tenth of a burst to report; the reply replaces the local value. A client that uses G gateways at
  once may get G bursts within the first tenth of a second, and up to a tenth of a burst more from each afterwards. The
  long-run rate holds, since buckets go into debt for the excess.
- `take` asks Redis every time and is exact. It is for calls that cost far more than a round trip.

A limit that is `announced` is stricter, for actions that are rare and have lasting effects: a gateway reports every
single token once few are left, and publishes the shared value to all gateways. With G gateways the excess is at most
two tokens for each gateway after the first, and what is requested within the same tenth of a second.

Without Redis each gateway keeps the limits by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import msgspec
import redis.exceptions
import structlog

from gateway.http.problems import Problem
from gateway.limits.rejections import Rejections
from gateway.limits.token_bucket import Bucket, Buckets, Rate
from runtime.settings import Settings
from schemas.wire import encode

HOLDS_PER_HOUR = 30.0
"""Holds of a customer in a show: the burst, and the refill in an hour."""

REPORT_INTERVAL_S = 0.1
"""Seconds between two reports to Redis."""
_HOLDS_CHANNEL = "aisle.limit.holds"
_MAX_REPORT_BUCKETS = 1_000
_REDIS_TIMEOUT_S = 0.25
_RETRY_INTERVAL_S = 1.0
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)

# Takes `cost` from every bucket. The operation "take" does so only if every bucket has enough; "report" always. A
# bucket is stored as "tokens:time" and expires when it would be full again.
_SCRIPT = """
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000
local left, enough = {}, true
for i, key in ipairs(KEYS) do
  local burst, per_s = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local stored = redis.call('GET', key)
  local tokens = burst
  if stored then
    local had, at = string.match(stored, '^(.+):(.+)$')
    tokens = math.min(burst, tonumber(had) + math.max(0, now - tonumber(at)) * per_s)
  end
  left[i] = tokens
  if tokens < tonumber(ARGV[3 * i + 1]) then enough = false end
end
if ARGV[1] == 'report' or enough then
  for i, key in ipairs(KEYS) do
    local burst, per_s = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
    left[i] = math.min(burst, left[i] - tonumber(ARGV[3 * i + 1]))
    local full_in_ms = math.max(1, math.ceil((burst - left[i]) / per_s * 1000))
    redis.call('SET', key, string.format('%.6f:%.6f', left[i], now), 'PX', string.format('%.0f', full_in_ms))
  end
end
local answer = { enough and '1' or '0' }
for i, tokens in ipairs(left) do answer[i + 1] = string.format('%.6f', tokens) end
return answer
"""

_log = structlog.get_logger()
_decode_left = msgspec.json.Decoder(list[tuple[str, float]]).decode


class RateLimit:
    """One limit, with a bucket per key. If `announced`, the shared value of a bucket is published to all gateways."""

    def __init__(self, rate: Rate, limits: RateLimits, *, announced: bool = False) -> None:
        self.rate = rate
        self.buckets = Buckets(rate)
        self.announced = announced
        self._limits = limits
        self._enabled = limits.enabled
        self._report_threshold = rate.burst / 10

    def spend(self, key: Hashable) -> None:
        """Takes one token from the local bucket. Raises Problem `rate_limited`."""
        if not self._enabled:
            return
        if not self.try_spend(key):
            raise self.rejection(key)

    def try_spend(self, key: Hashable) -> bool:
        """Takes one token from the local bucket. Returns whether there was one."""
        if not self._enabled:
            return True
        bucket = self.buckets.spend(key, self._limits.clock())
        if bucket is None:
            return False
        self._note_unreported(key, bucket)
        return True

    def adjust(self, key: Hashable, tokens: float) -> None:
        """Adds tokens, or takes them where `tokens` is negative; the bucket may go into debt."""
        if self._enabled:
            bucket = self.buckets.refilled(key, self._limits.clock())
            bucket.adjust(tokens)
            self._note_unreported(key, bucket)

    def rejection(self, key: Hashable) -> Problem:
        """The problem `rate_limited` for a request with this key. Counts and logs the rejection."""
        self._limits.rejections.count(self.rate.name, key)
        return rate_limited(self.rate, self.buckets.refilled(key, self._limits.clock()).tokens)

    def _note_unreported(self, key: Hashable, bucket: Bucket) -> None:
        threshold = max(1.0, bucket.tokens / 10) if self.announced else self._report_threshold
        if abs(bucket.unreported) >= threshold:
            self._limits.unreported[self, key] = bucket


class RateLimits:
    """The rate limits of one gateway, as configured. `clock` gives seconds and never runs backwards."""

    def __init__(
        self, redis_client: Any, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.enabled = settings.rate_limits
        self.clock = clock
        self.unreported: dict[tuple[RateLimit, Hashable], Bucket] = {}
        """Buckets with tokens to report to the other gateways."""
        self.rejections = Rejections(clock)
        self._redis = redis_client
        self._script = redis_client.register_script(_SCRIPT)
        self._retry_at_s = 0.0
        per_s, commands_per_s = settings.rate_limit_address, settings.rate_limit_customer
        accounts, logins = settings.rate_limit_accounts, settings.rate_limit_logins
        self.requests = RateLimit(Rate("address", 5.0 * per_s, per_s, "requests from this address"), self)
        """Requests of any kind, by address."""
        self.commands = RateLimit(
            Rate("customer", 2.5 * commands_per_s, commands_per_s, "booking requests of this account"), self
        )
        """Commands that book, hold, confirm or cancel, by customer; staff are exempt."""
        self.accounts = RateLimit(
            Rate("accounts", 2.0 * accounts, accounts / 60, "such requests from this address"), self
        )
        """Sign-ups, failed log-ins and other calls that cost a password hash or an e-mail, by address."""
        self.logins = RateLimit(Rate("logins", logins, logins / 60, "tries for this account"), self)
        """The same calls, by account."""
        self.holds = RateLimit(
            Rate("holds", HOLDS_PER_HOUR, HOLDS_PER_HOUR / 3600, "holds of this show by this account"),
            self,
            announced=True,
        )
        """Holds, by customer and show."""

    async def take(self, *requested: tuple[RateLimit, str]) -> None:
        """Takes one token from each limit for its key, or none at all. Raises Problem `rate_limited`."""
        if not self.enabled:
            return
        buckets = [limit.buckets.refilled(key, self.clock()) for limit, key in requested]
        reply = await self._run_script("take", requested, [1.0] * len(requested))
        if reply is not None:
            enough, left = reply
            for bucket, tokens in zip(buckets, left, strict=True):
                bucket.tokens, bucket.at_s = tokens, self.clock()
        else:
            enough, left = all(bucket.tokens >= 1.0 for bucket in buckets), [b.tokens for b in buckets]
            if enough:
                for bucket in buckets:
                    bucket.tokens -= 1.0
        if not enough:
            exhausted = [
                (limit, key, tokens)
                for (limit, key), tokens in zip(requested, left, strict=True)
                if tokens < 1.0
            ]
            limit, key, tokens = max(exhausted, key=lambda one: one[0].rate.wait_s(one[2]))
            self.rejections.count(limit.rate.name, key)
            raise rate_limited(limit.rate, tokens)

    async def refund(self, *taken: tuple[RateLimit, str]) -> None:
        """Gives back the tokens of a `take`."""
        if not self.enabled:
            return
        reply = await self._run_script("report", taken, [-1.0] * len(taken))
        if reply is None:
            for limit, key in taken:
                limit.buckets.refilled(key, self.clock()).tokens += 1.0

    async def report(self) -> None:
        """Reports tokens taken here and applies the shared values, until cancelled."""
        while True:
            await asyncio.sleep(REPORT_INTERVAL_S)
            while self.unreported:
                await self.report_once()

    async def report_once(self) -> None:
        """Reports one batch of buckets. Without Redis the report of an announced limit is repeated with its next token,
        that of any other is dropped."""
        batch = [self.unreported.popitem() for _ in range(min(len(self.unreported), _MAX_REPORT_BUCKETS))]
        costs = [bucket.unreported for _, bucket in batch]
        for _, bucket in batch:
            bucket.unreported = 0.0
        reply = await self._run_script("report", [limit_and_key for limit_and_key, _ in batch], costs)
        if reply is None:
            for ((limit, _), bucket), cost in zip(batch, costs, strict=True):
                if limit.announced:
                    bucket.unreported += cost
        else:
            now_s = self.clock()
            for (_, bucket), tokens in zip(batch, reply[1], strict=True):
                # Tokens taken during the round trip belong to the next report.
                bucket.tokens, bucket.at_s = tokens - bucket.unreported, now_s
            await self._announce(
                [
                    (str(key), tokens)
                    for ((limit, key), _), tokens in zip(batch, reply[1], strict=True)
                    if limit is self.holds
                ]
            )

    async def _announce(self, left: list[tuple[str, float]]) -> None:
        """Publishes the shared value of buckets of holds. A gateway that misses it learns it from its next report."""
        if left:
            try:
                async with asyncio.timeout(_REDIS_TIMEOUT_S):
                    await self._redis.publish(_HOLDS_CHANNEL, encode(left))
            except _AWAY:
                pass  # the next report logs it

    async def listen(self) -> None:
        """Applies the announcements of all gateways, until cancelled."""
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(_HOLDS_CHANNEL)
                async for message in pubsub.listen():
                    self.apply_announcement(message["data"])
            except _AWAY:
                await asyncio.sleep(_RETRY_INTERVAL_S)  # a failed report logs that Redis is unavailable
            except msgspec.MsgspecError as error:
                _log.error("announcement_not_decoded", error=str(error))
            finally:
                with contextlib.suppress(*_AWAY):
                    await pubsub.aclose()

    def apply_announcement(self, message: bytes) -> None:
        """Applies announced values to the local buckets of holds. Raises msgspec.MsgspecError."""
        now_s = self.clock()
        for key, tokens in _decode_left(message):
            self.holds.buckets.lower(key, tokens, now_s)

    async def _run_script(
        self, operation: str, of: Sequence[tuple[RateLimit, Hashable]], costs: Sequence[float]
    ) -> tuple[bool, list[float]] | None:
        """Whether every bucket had enough, and the tokens left in each; None while Redis is unavailable."""
        if self.clock() < self._retry_at_s:
            return None
        arguments: list[str | float] = [operation]
        for (limit, _), cost in zip(of, costs, strict=True):
            arguments += (limit.rate.burst, limit.rate.per_s, cost)
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                enough, *left = await self._script(
                    keys=[f"aisle.limit.{limit.rate.name}.{key}" for limit, key in of], args=arguments
                )
        except _AWAY as error:
            if not self._retry_at_s:
                _log.warning("rate_limits_not_shared", error=str(error) or "no reply")
            self._retry_at_s = self.clock() + _RETRY_INTERVAL_S
            return None
        self._retry_at_s = 0.0
        return enough == b"1", [float(tokens) for tokens in left]


def rate_limited(rate: Rate, tokens: float) -> Problem:
    """The problem `rate_limited`, with the time until a token is available."""
    wait_s = rate.wait_s(tokens)
    return Problem(
        "rate_limited",
        f"Too many {rate.description}: rejected. Try again in {wait_s} s.",
        retry_after_s=wait_s,
    )
