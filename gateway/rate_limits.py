"""How often somebody may ask: token buckets per address, customer and account, shared by all gateways in Redis.

There are two ways to take a token:

- `spend` is for what happens thousands of times a second. It asks this process alone, at the price of a
  dictionary look-up. What was taken is told to Redis ten times a second, all keys in one call, once it is a tenth
  of a burst, and what Redis answers counts from then on. Whoever goes to G gateways at once may get G bursts
  within the first tenth of a second, and after it up to a tenth of a burst more from each; in the long run the rate
  holds, since what was had too much is owed.
- `take` asks Redis each time and is exact. It is for calls that cost so much more than a round trip.

A limit that is `announced` is stricter, for what is rare and lasts long: a gateway reports each token once few are
left, and Redis announces what is left to all gateways. So over G gateways at most two tokens for each further one are
had too many, and what is asked for within the same tenth of a second.

Without Redis each gateway keeps the limits for itself.
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

from gateway.buckets import Bucket, Buckets, Rate
from gateway.limit_refusals import Refusals
from gateway.problems import Problem
from runtime.settings import Settings
from schemas.wire import encode

HOLDS = 30.0
"""Holds of a customer in a show at once; as many come back in an hour."""

TELL_EVERY_S = 0.1
_HOLDS_CHANNEL = "aisle.limit.holds"
_TOLD_AT_ONCE = 1_000
_ANSWER_S = 0.25
_LET_ALONE_S = 1.0
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)

# Takes `cost` from every bucket; asked to "take", only where each of them has as much. A bucket is kept as
# "tokens:time" until it would be full again.
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
if ARGV[1] == 'tell' or enough then
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


class Limit:
    """One rate, kept for many keys. Of one that is `announced` each gateway hears what the others spend."""

    def __init__(self, rate: Rate, limits: RateLimits, *, announced: bool = False) -> None:
        self.rate = rate
        self.buckets = Buckets(rate)
        self.announced = announced
        self._limits = limits
        self._on = limits.on
        self._worth_telling = rate.burst / 10

    def spend(self, key: Hashable) -> None:
        """Takes one token here and now. Raises Problem `rate_limited`."""
        if not self._on:
            return
        if not self.spent(key):
            raise self.refused(key)

    def spent(self, key: Hashable) -> bool:
        """Takes one token here and now. Returns whether there was one."""
        if not self._on:
            return True
        bucket = self.buckets.spend(key, self._limits.clock())
        if bucket is None:
            return False
        self._note(key, bucket)
        return True

    def change(self, key: Hashable, tokens: float) -> None:
        """Takes tokens, into debt where there are none, or gives them back."""
        if self._on:
            bucket = self.buckets.filled(key, self._limits.clock())
            bucket.change(tokens)
            self._note(key, bucket)

    def refused(self, key: Hashable) -> Problem:
        """The problem of a request that is refused now; it is counted and logged."""
        self._limits.refusals.count(self.rate.name, key)
        return refusal(self.rate, self.buckets.filled(key, self._limits.clock()).tokens)

    def _note(self, key: Hashable, bucket: Bucket) -> None:
        worth = max(1.0, bucket.tokens / 10) if self.announced else self._worth_telling
        if abs(bucket.untold) >= worth:
            self._limits.untold[self, key] = bucket


class RateLimits:
    """The limits of one gateway, as the settings have them. `clock` gives seconds and never runs backwards."""

    def __init__(
        self, redis_client: Any, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.on = settings.rate_limits
        self.clock = clock
        self.untold: dict[tuple[Limit, Hashable], Bucket] = {}
        """Buckets of which the other gateways have to hear."""
        self.refusals = Refusals(clock)
        self._redis = redis_client
        self._script = redis_client.register_script(_SCRIPT)
        self._let_alone_until = 0.0
        per_s, commands_per_s = settings.rate_limit_address, settings.rate_limit_customer
        accounts, logins = settings.rate_limit_accounts, settings.rate_limit_logins
        self.requests = Limit(Rate("address", 5.0 * per_s, per_s, "requests from this address"), self)
        """Any request, by address."""
        self.commands = Limit(
            Rate("customer", 2.5 * commands_per_s, commands_per_s, "booking requests of this account"), self
        )
        """Booking, holding, confirming and cancelling, by customer; staff have no such limit."""
        self.accounts = Limit(
            Rate("accounts", 2.0 * accounts, accounts / 60, "such requests from this address"), self
        )
        """Signing up, logging in and what else costs a password's hash or a letter, by address."""
        self.logins = Limit(Rate("logins", logins, logins / 60, "tries for this account"), self)
        """The same by account."""
        self.holds = Limit(
            Rate("holds", HOLDS, HOLDS / 3600, "holds of this show by this account"), self, announced=True
        )
        """Holding seats, by customer and show."""

    async def take(self, *wanted: tuple[Limit, str]) -> None:
        """Takes one token for each limit and its key, or none at all. Raises Problem `rate_limited`."""
        if not self.on:
            return
        buckets = [limit.buckets.filled(key, self.clock()) for limit, key in wanted]
        answer = await self._ask("take", wanted, [1.0] * len(wanted))
        if answer is not None:
            enough, left = answer
            for bucket, tokens in zip(buckets, left, strict=True):
                bucket.tokens, bucket.at_s = tokens, self.clock()
        else:
            enough, left = all(bucket.tokens >= 1.0 for bucket in buckets), [b.tokens for b in buckets]
            if enough:
                for bucket in buckets:
                    bucket.tokens -= 1.0
        if not enough:
            short = [(limit, key, has) for (limit, key), has in zip(wanted, left, strict=True) if has < 1.0]
            limit, key, has = max(short, key=lambda one: one[0].rate.wait_s(one[2]))
            self.refusals.count(limit.rate.name, key)
            raise refusal(limit.rate, has)

    async def give_back(self, *taken: tuple[Limit, str]) -> None:
        """Undoes a `take`."""
        if not self.on:
            return
        answer = await self._ask("tell", taken, [-1.0] * len(taken))
        if answer is None:
            for limit, key in taken:
                limit.buckets.filled(key, self.clock()).tokens += 1.0

    async def tell(self) -> None:
        """Tells the other gateways what was spent here and hears what they spent, for ever."""
        while True:
            await asyncio.sleep(TELL_EVERY_S)
            while self.untold:
                await self.tell_once()

    async def tell_once(self) -> None:
        """Tells of some buckets. What Redis cannot be told now of an announced limit is told with its next token, of
        the others not at all."""
        told = [self.untold.popitem() for _ in range(min(len(self.untold), _TOLD_AT_ONCE))]
        costs = [bucket.untold for _, bucket in told]
        for _, bucket in told:
            bucket.untold = 0.0
        answer = await self._ask("tell", [of for of, _ in told], costs)
        if answer is None:
            for ((limit, _), bucket), cost in zip(told, costs, strict=True):
                if limit.announced:
                    bucket.untold += cost
        else:
            now_s = self.clock()
            for (_, bucket), tokens in zip(told, answer[1], strict=True):
                # What was spent while the question was on its way will be told of next.
                bucket.tokens, bucket.at_s = tokens - bucket.untold, now_s
            await self._announce(
                [
                    (str(key), tokens)
                    for ((limit, key), _), tokens in zip(told, answer[1], strict=True)
                    if limit is self.holds
                ]
            )

    async def _announce(self, left: list[tuple[str, float]]) -> None:
        """Sends all gateways what is left of some buckets of holds. Who does not hear it learns it from its own."""
        if left:
            try:
                async with asyncio.timeout(_ANSWER_S):
                    await self._redis.publish(_HOLDS_CHANNEL, encode(left))
            except _AWAY:
                pass  # the next report to Redis says so

    async def listen(self) -> None:
        """Hears what the other gateways announce, for ever."""
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(_HOLDS_CHANNEL)
                async for message in pubsub.listen():
                    self.hear(message["data"])
            except _AWAY:
                await asyncio.sleep(_LET_ALONE_S)  # others say that Redis is away
            except msgspec.MsgspecError as error:
                _log.error("announcement_not_readable", error=str(error))
            finally:
                with contextlib.suppress(*_AWAY):
                    await pubsub.aclose()

    def hear(self, message: bytes) -> None:
        """Takes over what is left of some buckets of holds. Raises msgspec.MsgspecError."""
        now_s = self.clock()
        for key, tokens in _decode_left(message):
            self.holds.buckets.lower(key, tokens, now_s)

    async def _ask(
        self, what: str, of: Sequence[tuple[Limit, Hashable]], costs: Sequence[float]
    ) -> tuple[bool, list[float]] | None:
        """Whether there was enough, and what is left of each; None while Redis is away."""
        if self.clock() < self._let_alone_until:
            return None
        arguments: list[str | float] = [what]
        for (limit, _), cost in zip(of, costs, strict=True):
            arguments += (limit.rate.burst, limit.rate.per_s, cost)
        try:
            async with asyncio.timeout(_ANSWER_S):
                enough, *left = await self._script(
                    keys=[f"aisle.limit.{limit.rate.name}.{key}" for limit, key in of], args=arguments
                )
        except _AWAY as error:
            if not self._let_alone_until:
                _log.warning("rate limits are each gateway's own for now", error=str(error) or "no answer")
            self._let_alone_until = self.clock() + _LET_ALONE_S
            return None
        self._let_alone_until = 0.0
        return enough == b"1", [float(tokens) for tokens in left]


def refusal(rate: Rate, tokens: float) -> Problem:
    """The problem that tells to come back later."""
    wait_s = rate.wait_s(tokens)
    return Problem(
        "rate_limited", f"Too many {rate.told}: not done. Try again in {wait_s} s.", retry_after_s=wait_s
    )
