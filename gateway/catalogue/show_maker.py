"""Creating shows: checked, stored with its partition, and opened by its writer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import structlog

from gateway.bodies import invalid
from gateway.catalogue.days import in_range, optional_in_range
from gateway.catalogue.movies import no_movie
from gateway.catalogue.new_shows import (
    NewShow,
    Placed,
    insert_show,
    opened,
    placed,
    remove_unopened,
    unopened,
)
from gateway.catalogue.show_terms import past_errors, term_errors
from gateway.catalogue.zones import Zones
from gateway.commands import Commands, Decided, Outcome
from gateway.problems import Problem
from gateway.refusals import key_reused
from gateway.used_keys import KEY_LIFETIME_S, is_used
from runtime.log import Appender, LogUnavailable
from runtime.postgres import AWAY
from schemas.api_catalogue import NewShowBody
from schemas.commands import OpenShow, request_of
from schemas.events import Reason
from schemas.layout import Layout, Money, numbered, problems
from schemas.wire import decode_command, encode

_SWEEP_EVERY_S = 3.0
_OPEN_AGAIN_AFTER_S = 10.0
_OPEN_AGAIN_AT_MOST_EVERY_S = 600.0
_SWEEP_LIMIT = 200

_FORGET_KEY_SQL = """
UPDATE shows SET request_id = NULL WHERE request_id = $1 AND created_at < now() - make_interval(secs => $2)
"""
_BY_KEY_SQL = """
SELECT show_id, request_digest FROM shows WHERE request_id = $1 AND created_at >= now() - make_interval(secs => $2)
"""
_FIRST_USE_SQL = """
SELECT d.command FROM command_ids c
  JOIN decisions d ON d.partition = c.partition AND d.log_offset = c.log_offset
 WHERE c.command_id = $1 AND c.at_ms > extract(epoch FROM now()) * 1000 - $2
"""

_log = structlog.get_logger()


class Made(msgspec.Struct, frozen=True):
    """A show that was created, just now or by the same request before, and what became of its opening."""

    show_id: int
    outcome: Outcome | None
    """None: it is open already."""
    replayed: bool


class ShowMaker:
    """Creates shows and sees to it that each is opened, whatever stops in between."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        commands: Commands,
        appender: Appender,
        partitions: Sequence[int],
        zones: Zones,
        currency: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._commands = commands
        self._appender = appender
        self._partitions = partitions
        self._zones = zones
        self._currency = currency
        self._clock = clock
        self._again: dict[int, tuple[float, float]] = {}

    async def create(self, wanted: NewShowBody, request_id: UUID | None, wait_s: float) -> Made:
        """Creates a show and waits for its writer to open it.

        The same request with the same id again gives the show that the first one made. Raises Problem.
        """
        before = None if request_id is None else await self._by_key(request_id)
        # A repeat may come after the start that was ahead when the show was created.
        past_allowed = wanted.past or before is not None
        show = await asyncio.to_thread(self._checked, wanted, past_allowed=past_allowed)
        if request_id is not None:
            digest = hashlib.sha256(msgspec.json.encode(show)).digest()
            show = msgspec.structs.replace(show, request_id=request_id, request_digest=digest)
            if before is not None:
                return await self._repeat(show, wait_s)
            if await is_used(self._pool, request_id):
                raise key_reused()
        try:
            made = await self._place(show)
        except asyncpg.ForeignKeyViolationError:
            raise no_movie() from None
        except asyncpg.UniqueViolationError:
            return await self._repeat(show, wait_s)
        return Made(made.command.show_id, await self._open(made, wait_s), replayed=False)

    async def open_forgotten(self) -> None:
        """Asks again for the opening of shows whose creator stopped before the log had the command.

        Every gateway does so: the command's id is the show's, so that a repeat changes nothing. The pause
        doubles, so that a log without a reader does not fill.
        """
        now_s = asyncio.get_running_loop().time()
        waiting = await unopened(self._pool, _OPEN_AGAIN_AFTER_S, _SWEEP_LIMIT)
        known = {show.command.show_id for show in waiting}
        self._again = {show_id: times for show_id, times in self._again.items() if show_id in known}
        for show in waiting:
            show_id = show.command.show_id
            due_s, pause_s = self._again.get(show_id, (now_s, _OPEN_AGAIN_AFTER_S))
            if await self._used_by_another(show.command):
                await remove_unopened(self._pool, show_id)
                continue
            if now_s >= due_s:
                await self._appender.append(show.partition, encode(show.command))
                self._again[show_id] = (now_s + pause_s, min(2 * pause_s, _OPEN_AGAIN_AT_MOST_EVERY_S))
                _log.warning("opening a show again", show=show_id, partition=show.partition)

    async def watch(self) -> None:
        """Calls `open_forgotten` for ever."""
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                await self.open_forgotten()
            except (*AWAY, asyncpg.PostgresError, LogUnavailable) as error:
                _log.warning("shows cannot be opened just now", error=str(error) or type(error).__name__)

    async def _place(self, show: NewShow) -> Placed:
        async with self._pool.acquire() as connection, connection.transaction():
            if show.request_id is not None:
                await connection.execute(_FORGET_KEY_SQL, show.request_id, float(KEY_LIFETIME_S))
            return await insert_show(connection, show, self._partitions)

    async def _open(self, made: Placed, wait_s: float) -> Outcome:
        outcome = await self._commands.submit(made.command, wait_s=wait_s)
        if isinstance(outcome, Decided):
            reason = outcome.decision.reason
            if reason is Reason.KEY_REUSED:  # a booking with this key was decided in the meantime
                await remove_unopened(self._pool, made.command.show_id)
                raise key_reused()
            if reason not in (None, Reason.ALREADY_OPEN):
                _log.error("a show was not opened", show=made.command.show_id, reason=reason)
                raise Problem(
                    "internal_error", "The show was stored but could not be opened: tell the operator."
                )
        return outcome

    async def _by_key(self, request_id: UUID) -> asyncpg.Record | None:
        return await self._pool.fetchrow(_BY_KEY_SQL, request_id, float(KEY_LIFETIME_S))

    async def _repeat(self, show: NewShow, wait_s: float) -> Made:
        """The show that the same request made before, which may not be open yet. Raises Problem `key_reused`."""
        assert show.request_id is not None
        row = await self._by_key(show.request_id)
        if row is None or row["request_digest"] != show.request_digest:
            raise key_reused()
        show_id: int = row["show_id"]
        # Once it is open its terms may change, and the command that opens it would be another one.
        if await opened(self._pool, show_id):
            return Made(show_id, None, replayed=True)
        return Made(show_id, await self._open(await placed(self._pool, show_id), wait_s), replayed=True)

    async def _used_by_another(self, command: OpenShow) -> bool:
        """Whether the id of a command that opens a show was used for something else, so that it never will."""
        stored = await self._pool.fetchval(_FIRST_USE_SQL, command.command_id, KEY_LIFETIME_S * 1000)
        return stored is not None and request_of(decode_command(stored)) != request_of(command)

    def _checked(self, wanted: NewShowBody, *, past_allowed: bool) -> NewShow:
        errors: list[tuple[str, str]] = []
        layout: Layout | None = wanted.layout
        if (wanted.total_seats is None) == (layout is None):
            errors.append(("total_seats", "either total_seats or a layout is wanted"))
        if layout is not None:
            errors += [(f"layout.{field}", message) for field, message in problems(layout)]
            if wanted.price is not None:
                errors.append(("price", "a layout has its own prices"))
        elif wanted.total_seats is not None:
            price: Money = wanted.price or Money(0, self._currency)
            layout = numbered(wanted.total_seats, price)
            errors += [
                ("price.currency" if field.endswith(".currency") else "price", message)
                for field, message in problems(layout)
                if ".price" in field
            ]
        starts_at = in_range("starts_at", wanted.starts_at)
        sales_start_at = optional_in_range("sales_start_at", wanted.sales_start_at)
        sales_end_at = optional_in_range("sales_end_at", wanted.sales_end_at)
        timezone = wanted.timezone or self._zones.house
        errors += term_errors(starts_at, sales_start_at, sales_end_at)
        errors += self._zones.errors(timezone)
        if not past_allowed:
            errors += past_errors(starts_at, self._clock())
        if errors or layout is None:
            raise invalid(*errors)
        return NewShow(
            movie_id=wanted.movie_id,
            screen_name=wanted.screen_name,
            starts_at=starts_at,
            timezone=timezone,
            layout=layout,
            seats_per_customer=wanted.seats_per_customer,
            sales_start_at=sales_start_at,
            sales_end_at=sales_end_at,
        )
