"""Where requests wait for their decisions.

A reply comes over Redis, one message per gateway and batch. Redis may be gone, so whoever has waited for
250 ms is looked up in `decisions`, all in one query. A request that gives up waiting stays known until its
command is decided: it still counts as in flight.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import Any, Protocol

import asyncpg
import msgspec
import redis.exceptions
import structlog

from runtime.postgres import AWAY
from schemas.events import Decision
from schemas.ids import Position
from schemas.wire import SEATS_CHANNEL, decode_decision, decode_replies, replies_channel

log = structlog.get_logger()

LOOK_UP_AFTER_S = 0.25
_TICK_S = 0.05
_LONGEST_PAUSE_S = 2.0
_LOOK_UPS_AT_ONCE = 2_000
_SEATS = SEATS_CHANNEL.encode()

_LOOK_UP = """
    SELECT d.partition, d.log_offset, d.answer
      FROM unnest($1::int[], $2::bigint[]) w (partition, log_offset)
      JOIN decisions d USING (partition, log_offset)"""


class Decided(msgspec.Struct, frozen=True):
    """A command's decision in stored form, and where it stands."""

    position: Position
    answer: bytes

    @property
    def decision(self) -> Decision:
        """The decision, taken apart anew each time."""
        decision: Decision = decode_decision(self.answer)
        return decision

    @property
    def refused(self) -> bool:
        """Whether the command was refused. The reason is the first field, and left out where there is none."""
        return self.answer.startswith(b'{"reason"')


class Waiting:
    """One command on its way: who has a use for its decision says here what is to be done with it."""

    __slots__ = ("give_up_at", "look_up_at", "number", "pause_s", "position")

    def __init__(self) -> None:
        self.number = 0
        self.give_up_at = math.inf
        self.position: Position | None = None
        self.look_up_at = math.inf
        self.pause_s = LOOK_UP_AFTER_S

    def decided(self, decided: Decided) -> None:
        """The decision, however late: once."""
        raise NotImplementedError

    def time_is_up(self) -> None:
        """It is not decided yet, and nobody wants to wait any longer: at most once."""
        raise NotImplementedError


class Awaited(Waiting):
    """A decision that somebody awaits; None when it was not there in time."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        super().__init__()
        self.outcome: asyncio.Future[Decided | None] = asyncio.get_running_loop().create_future()

    def decided(self, decided: Decided) -> None:
        if not self.outcome.done():
            self.outcome.set_result(decided)

    def time_is_up(self) -> None:
        if not self.outcome.done():
            self.outcome.set_result(None)


class SeatFeed(Protocol):
    """Who wants to know of seat changes. They come in front of the replies to what changed them."""

    def feed_began(self) -> None:
        """From now on every change is heard."""

    def feed_ended(self) -> None:
        """Changes are not heard any more."""

    def hear(self, message: bytes) -> None:
        """One message of seat changes. Raises msgspec.MsgspecError for one that is none."""

    def doubt(self) -> None:
        """A reply was found elsewhere, maybe ahead of the changes."""


class Replies:
    """Matches decisions with the requests of this gateway that wait for them.

    Seat changes come over the same connection, since Redis keeps the order of what is published only there.
    """

    def __init__(self, pool: Any, redis_client: Any, seats: SeatFeed | None = None) -> None:
        self.gateway = secrets.token_hex(6)
        """The name under which workers reply to this gateway."""
        self._pool = pool
        self._redis = redis_client
        self._seats = seats
        self._waiting: dict[int, Waiting] = {}
        self._next_number = 0
        # Kept, because asking for the running loop costs a system call each time.
        self._loop = asyncio.get_running_loop()
        self.heard = self.found = 0
        """Decisions that came over Redis, and those that were looked up."""
        self._waits_end = False

    def expect(self, waiting: Waiting, wait_s: float) -> None:
        """Somebody waits from now on for `wait_s` seconds, under the number that `waiting` gets here."""
        self._next_number = waiting.number = self._next_number + 1
        self._waiting[waiting.number] = waiting
        if self._waits_end:
            waiting.time_is_up()
        else:
            waiting.give_up_at = self._loop.time() + wait_s

    @property
    def awaited(self) -> int:
        """Commands whose decision is wanted."""
        return len(self._waiting)

    def placed(self, waiting: Waiting, position: Position) -> None:
        """The command stands in the log: from now on it can be looked up."""
        waiting.position = position
        waiting.look_up_at = self._loop.time() + LOOK_UP_AFTER_S

    def forget(self, waiting: Waiting) -> bool:
        """Nothing to wait for any more; says whether it was waited for, so not decided."""
        return self._waiting.pop(waiting.number, None) is not None

    def end_waits(self) -> None:
        """The gateway stops: who waits now, or comes to wait, is told at once that it is not decided yet."""
        self._waits_end = True
        for waiting in [*self._waiting.values()]:
            self._end_wait(waiting)

    @staticmethod
    def _end_wait(waiting: Waiting) -> None:
        if waiting.give_up_at != math.inf:
            waiting.give_up_at = math.inf
            waiting.time_is_up()

    def _decide(self, number: int, position: Position, answer: bytes | memoryview) -> bool:
        """Tells whoever waits under this number; says whether anybody did."""
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return False
        waiting.decided(Decided(position, bytes(answer)))
        return True

    async def listen(self) -> None:
        """Hears replies from Redis, for ever."""
        pause_s = LOOK_UP_AFTER_S
        while True:
            pubsub = self._redis.pubsub(ignore_subscribe_messages=self._seats is None)
            try:
                await pubsub.subscribe(replies_channel(self.gateway))
                if self._seats is not None:
                    await pubsub.subscribe(SEATS_CHANNEL)
                pause_s = LOOK_UP_AFTER_S
                async for message in pubsub.listen():
                    try:
                        if self._seats is not None and self._for_seats(message, self._seats):
                            continue
                        for reply in decode_replies(message["data"]):
                            self.heard += self._decide(reply.request, reply.position, reply.decision)
                    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                        # Passed over: replies are looked up, seats are read again.
                        log.error("a message of a worker cannot be read", error=str(error))
                        if self._seats is not None:
                            self._seats.doubt()
            except (redis.exceptions.RedisError, OSError, TimeoutError) as error:
                log.warning("Redis is gone; answers are looked up", error=str(error), retry_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
            finally:
                if self._seats is not None:
                    self._seats.feed_ended()
                await _close(pubsub)

    @staticmethod
    def _for_seats(message: dict[str, Any], seats: SeatFeed) -> bool:
        """Passes on what is not a reply."""
        if message["type"] != "message":
            if message["type"] == "subscribe" and message["channel"] == _SEATS:
                seats.feed_began()
            return True
        if message["channel"] != _SEATS:
            return False
        seats.hear(message["data"])
        return True

    async def look_up(self) -> None:
        """Ends waits whose time is up and looks answers up that did not come, for ever."""
        loop = asyncio.get_running_loop()
        looking: asyncio.Task[None] | None = None
        try:
            while True:
                await asyncio.sleep(_TICK_S)
                if looking is not None and looking.done():
                    looking.result()
                    looking = None
                now = loop.time()
                due: list[Waiting] = []
                for waiting in [*self._waiting.values()]:
                    if waiting.give_up_at <= now:
                        self._end_wait(waiting)
                    if waiting.look_up_at <= now:
                        due.append(waiting)
                # Beside this loop: a database that does not answer must not hold up those whose time is up.
                if due and looking is None:
                    looking = asyncio.create_task(self._look_up(due), name="look-up")
        finally:
            if looking is not None:
                looking.cancel()
                await asyncio.gather(looking, return_exceptions=True)

    async def _look_up(self, due: list[Waiting]) -> None:
        try:
            await self._ask(due[:_LOOK_UPS_AT_ONCE])
        except (*AWAY, asyncpg.PostgresError) as error:
            log.warning("answers cannot be looked up now", error=str(error))
        for waiting in due:
            waiting.look_up_at = asyncio.get_running_loop().time() + waiting.pause_s
            waiting.pause_s = min(waiting.pause_s * 2, _LONGEST_PAUSE_S)

    async def _ask(self, due: list[Waiting]) -> None:
        by_position: dict[Position, list[int]] = {}
        for waiting in due:
            assert waiting.position is not None
            by_position.setdefault(waiting.position, []).append(waiting.number)
        rows = await self._pool.fetch(
            _LOOK_UP, [p.partition for p in by_position], [p.offset for p in by_position]
        )
        if rows and self._seats is not None:
            self._seats.doubt()
        for partition, offset, answer in rows:
            position = Position(partition, offset)
            for number in by_position[position]:
                self.found += self._decide(number, position, answer)


async def _close(pubsub: Any) -> None:
    try:
        await pubsub.aclose()
    except (redis.exceptions.RedisError, OSError):
        pass
