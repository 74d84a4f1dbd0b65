"""Rate limits: token buckets per address, customer and account, shared by all gateways in Redis.

There are two ways to take a token:

- `spend` is for requests that arrive thousands of times a second. It takes from the local bucket, at the price of a
  dictionary look-up. Ten times a second the tokens taken are reported to Redis, all keys in one call, for buckets
  with at least a tenth of a burst to report; the reply replaces the local value. A client that uses G gateways at
  once may get G bursts within the first tenth of a second, and up to a tenth of a burst more from each afterwards. The
  long-run rate holds, since buckets go into debt for the excess.
- `take` asks Redis every time and is exact. It is for calls that cost far more than a round trip.

A limit that is `strict` is for actions with lasting effects. A gateway spends at most UNSHARED tokens of a key that
Redis does not know of; then it has to `fetch` one, which takes them and one more from Redis, or none. With G gateways
the excess is at most UNSHARED tokens for each gateway after the first, however fast a client is. One call fetches for
all requests that wait.

Without Redis each gateway keeps the limits by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import redis.exceptions
import structlog

from gateway.http.problems import Problem
from gateway.limits.rejections import Rejections
from gateway.limits.token_bucket import Bucket, Buckets, Rate
from runtime.backends import Backend
from runtime.settings import Settings

HOLDS_PER_HOUR = 30.0
"""Holds of a customer in a show: the burst, and the refill in an hour."""

EMAILS_PER_HOUR = 5.0
"""E-mails that an account, or strangers, can have sent to an address: the burst, and the refill in an hour."""

REPORT_INTERVAL_S = 0.1
"""Seconds between two reports to Redis."""
UNSHARED = 2.0
"""Tokens of one key of a strict limit that a gateway spends before it asks Redis."""
_MAX_BUCKETS = 1_000
"""Buckets in one call to Redis."""
_REDIS_TIMEOUT_S = 0.25
_RETRY_INTERVAL_S = 1.0
_AWAY = (redis.exceptions.RedisError, OSError, TimeoutError)

# Takes `cost` from buckets: "report" from every one, "take" from all if every one has enough, "each" from those that
# have enough. A bucket is stored as "tokens:time" and expires when it would be full again.
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
local taken, answer = {}, {}
for i, key in ipairs(KEYS) do
  local burst, per_s, cost = tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  if ARGV[1] == 'report' or enough or (ARGV[1] == 'each' and left[i] >= cost) then
    left[i] = math.min(burst, left[i] - cost)
    local full_in_ms = math.max(1, math.ceil((burst - left[i]) / per_s * 1000))
    redis.call('SET', key, string.format('%.6f:%.6f', left[i], now), 'PX', string.format('%.0f', full_in_ms))
    taken[i] = '1'
  else
    taken[i] = '0'
  end
  answer[i + 1] = string.format('%.6f', left[i])
end
answer[1] = table.concat(taken)
return answer
"""

_log = structlog.get_logger()


class RateLimit:
    """One limit, with a bucket per key. If `strict`, tokens have to be fetched from Redis before they are spent."""

    def __init__(self, rate: Rate, limits: RateLimits, *, strict: bool = False) -> None:
        self.rate = rate
        self.buckets = Buckets(rate)
        self.strict = strict
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

    def has_to_fetch(self, key: Hashable) -> bool:
        """Whether a token of a strict limit has to be fetched before the next one is spent."""
        if not self._enabled:
            return False
        bucket = self.buckets.refilled(key, self._limits.clock())
        return (bucket.unreported > UNSHARED - 1.0 or bucket.tokens < 1.0) and not self._limits.without_redis

    async def fetch(self, key: Hashable) -> None:
        """Makes sure that the local bucket may be spent from, or has no whole token."""
        while self.has_to_fetch(key):
            await self._limits.wanted(self, key)
            if self.buckets.refilled(key, self._limits.clock()).tokens < 1.0:
                return

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
        if abs(bucket.unreported) >= self._report_threshold or (self.strict and bucket.unreported <= -1.0):
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
        self._server = Backend("redis", "rate_limits")
        self._wanted: dict[tuple[RateLimit, Hashable], asyncio.Future[None]] = {}
        self._any_wanted = asyncio.Event()
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
        self.emails = RateLimit(
            Rate("emails", EMAILS_PER_HOUR, EMAILS_PER_HOUR / 3600, "e-mails to this address"), self
        )
        """E-mails with a link that their recipient may not have asked for, by account and by mailbox."""
        self.holds = RateLimit(
            Rate("holds", HOLDS_PER_HOUR, HOLDS_PER_HOUR / 3600, "holds of this show by this account"),
            self,
            strict=True,
        )
        """Holds, by customer and show."""
        limits = (self.requests, self.commands, self.accounts, self.logins, self.emails, self.holds)
        self.rejections.by_limit.update({limit.rate.name: 0 for limit in limits})

    async def take(self, *requested: tuple[RateLimit, str]) -> None:
        """Takes one token from each limit for its key, or none at all. Raises Problem `rate_limited`."""
        if not self.enabled:
            return
        buckets = [limit.buckets.refilled(key, self.clock()) for limit, key in requested]
        reply = await self._run_script("take", requested, [1.0] * len(requested))
        if reply is not None:
            taken, left = reply
            enough = all(taken)
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
        """Reports one batch of buckets. Without Redis the report of a strict limit is repeated with its next token,
        that of any other is dropped."""
        batch = [self.unreported.popitem() for _ in range(min(len(self.unreported), _MAX_BUCKETS))]
        costs = [bucket.unreported for _, bucket in batch]
        for _, bucket in batch:
            bucket.unreported = 0.0
        reply = await self._run_script("report", [limit_and_key for limit_and_key, _ in batch], costs)
        if reply is None:
            for ((limit, _), bucket), cost in zip(batch, costs, strict=True):
                if limit.strict:
                    bucket.unreported += cost
        else:
            now_s = self.clock()
            for (_, bucket), tokens in zip(batch, reply[1], strict=True):
                # Tokens taken during the round trip belong to the next report.
                bucket.tokens, bucket.at_s = tokens - bucket.unreported, now_s

    def wanted(self, limit: RateLimit, key: Hashable) -> asyncio.Future[None]:
        """Asks for a token of a strict limit; the future is done when the local bucket has it, or has none."""
        future = self._wanted.get((limit, key))
        if future is None:
            future = self._wanted[limit, key] = asyncio.get_running_loop().create_future()
            self._any_wanted.set()
        return future

    async def fetch(self) -> None:
        """Fetches the tokens that requests wait for, until cancelled."""
        while True:
            await self._any_wanted.wait()
            await self._fetch_once()

    async def _fetch_once(self) -> None:
        """Fetches one batch of tokens. Without Redis the local buckets stay as they are."""
        batch = {one: self._wanted.pop(one) for one in list(self._wanted)[:_MAX_BUCKETS]}
        if not self._wanted:
            self._any_wanted.clear()
        buckets = [limit.buckets.refilled(key, self.clock()) for limit, key in batch]
        costs = [bucket.unreported + 1.0 for bucket in buckets]
        reply = await self._run_script("each", list(batch), costs)
        if reply is not None:
            now_s = self.clock()
            for bucket, cost, taken, tokens in zip(buckets, costs, *reply, strict=True):
                if taken:
                    bucket.unreported -= cost
                bucket.tokens, bucket.at_s = tokens - bucket.unreported, now_s
        for future in batch.values():
            if not future.done():
                future.set_result(None)

    @property
    def without_redis(self) -> bool:
        """Whether Redis did not reply lately, so that this gateway is on its own."""
        return self.clock() < self._retry_at_s

    async def _run_script(
        self, operation: str, of: Sequence[tuple[RateLimit, Hashable]], costs: Sequence[float]
    ) -> tuple[list[bool], list[float]] | None:
        """Whether the tokens of each bucket were taken, and those left in it; None while Redis is unavailable."""
        if self.without_redis:
            return None
        arguments: list[str | float] = [operation]
        for (limit, _), cost in zip(of, costs, strict=True):
            arguments += (limit.rate.burst, limit.rate.per_s, cost)
        try:
            async with asyncio.timeout(_REDIS_TIMEOUT_S):
                taken, *left = await self._script(
                    keys=[f"aisle.limit.{limit.rate.name}.{key}" for limit, key in of], args=arguments
                )
        except _AWAY as error:
            if not self._retry_at_s:
                _log.warning("rate_limits_not_shared", error=str(error) or "no reply")
            self._server.failed()
            self._retry_at_s = self.clock() + _RETRY_INTERVAL_S
            return None
        self._retry_at_s = 0.0
        self._server.works()
        return [one == ord("1") for one in taken], [float(tokens) for tokens in left]


def rate_limited(rate: Rate, tokens: float) -> Problem:
    """The problem `rate_limited`, with the time until a token is available."""
    wait_s = rate.wait_s(tokens)
    return Problem(
        "rate_limited",
        f"Too many {rate.description}: rejected. Try again in {wait_s} s.",
        retry_after_s=wait_s,
    )
