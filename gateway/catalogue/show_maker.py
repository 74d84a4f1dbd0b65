"""Creating shows: checked, stored with its partition, and opened by its writer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from gateway.bodies import invalid
from gateway.catalogue.days import in_range, optional_in_range
from gateway.catalogue.movies import no_movie
from gateway.catalogue.new_shows import NewShow, Placed, insert_show, placed, unopened
from gateway.catalogue.show_terms import term_errors
from gateway.catalogue.zones import Zones
from gateway.commands import Commands, Decided, Outcome
from gateway.problems import Problem
from runtime.log import Appender, LogUnavailable
from runtime.postgres import AWAY
from schemas.api_catalogue import NewShowBody
from schemas.events import Reason
from schemas.layout import Money, numbered, problems
from schemas.wire import encode

KEY_LIFETIME_S = 48 * 3600

_SWEEP_EVERY_S = 3.0
_OPEN_AGAIN_AFTER_S = 10.0
_OPEN_AGAIN_AT_MOST_EVERY_S = 600.0
_SWEEP_LIMIT = 200

_FORGET_KEY_SQL = """
UPDATE shows SET request_id = NULL WHERE request_id = $1 AND created_at < now() - make_interval(secs => $2)
"""
_BY_KEY_SQL = "SELECT show_id, request_digest FROM shows WHERE request_id = $1"

_log = structlog.get_logger()


class Made(msgspec.Struct, frozen=True):
    """A show that was created, just now or by the same request before, and what became of its opening."""

    show_id: int
    outcome: Outcome
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
    ) -> None:
        self._pool = pool
        self._commands = commands
        self._appender = appender
        self._partitions = partitions
        self._zones = zones
        self._currency = currency
        self._again: dict[int, tuple[float, float]] = {}

    async def create(self, wanted: NewShowBody, request_id: UUID | None, wait_s: float) -> Made:
        """Creates a show and waits for its writer to open it.

        The same request with the same id again gives the show that the first one made. Raises Problem.
        """
        show = await asyncio.to_thread(self._checked, wanted)
        if request_id is not None:
            digest = hashlib.sha256(msgspec.json.encode(show)).digest()
            show = msgspec.structs.replace(show, request_id=request_id, request_digest=digest)
        try:
            made, replayed = await self._place(show), False
        except asyncpg.ForeignKeyViolationError:
            raise no_movie() from None
        except asyncpg.UniqueViolationError:
            made, replayed = await self._made_before(show), True
        outcome = await self._commands.submit(made.command, wait_s=wait_s)
        if isinstance(outcome, Decided) and outcome.decision.reason not in (None, Reason.ALREADY_OPEN):
            _log.error("a show was not opened", show=made.command.show_id, reason=outcome.decision.reason)
            raise Problem("internal_error", "The show was stored but could not be opened: tell the operator.")
        return Made(made.command.show_id, outcome, replayed)

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

    async def _made_before(self, show: NewShow) -> Placed:
        row: Any = await self._pool.fetchrow(_BY_KEY_SQL, show.request_id)
        if row is None or row["request_digest"] != show.request_digest:
            raise Problem("key_reused", "This Idempotency-Key stands for another request: send a new one.")
        return await placed(self._pool, row["show_id"])

    def _checked(self, wanted: NewShowBody) -> NewShow:
        errors: list[tuple[str, str]] = []
        layout = wanted.layout
        if (wanted.total_seats is None) == (layout is None):
            errors.append(("total_seats", "either total_seats or a layout is wanted"))
        if layout is not None:
            errors += [(f"layout.{field}", message) for field, message in problems(layout)]
            if wanted.price is not None:
                errors.append(("price", "a layout has its own prices"))
        elif wanted.total_seats is not None:
            price = wanted.price or Money(0, self._currency)
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
