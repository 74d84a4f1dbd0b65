"""Creation of shows: validation, storage with a partition, and the command that opens the show."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import structlog

from gateway.catalogue.carried_shows import with_catalogue
from gateway.catalogue.days import in_range, optional_in_range
from gateway.catalogue.movies import movie_not_found
from gateway.catalogue.new_shows import (
    NewShow,
    Placed,
    insert_show,
    opened,
    placed,
    remove_unopened,
    unopened,
)
from gateway.catalogue.placement import UnknownPartition
from gateway.catalogue.show_terms import past_errors, term_errors
from gateway.catalogue.zones import Zones
from gateway.commands.outcomes import Outcome, StoredDecision
from gateway.commands.refusals import key_reused
from gateway.commands.sender import CommandSender
from gateway.commands.used_keys import KEY_LIFETIME_S, is_used
from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from runtime.log import Appender, LogUnavailable
from runtime.outdated_plans import retry_outdated_plans
from runtime.polling import poll
from runtime.postgres import DATABASE_ERRORS
from schemas.api_catalogue import NewShowBody
from schemas.commands import OpenShow, request_of
from schemas.events import Reason
from schemas.layout import Layout, Money, numbered
from schemas.layout_problems import in_stored_form, problems
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


class CreatedShow(msgspec.Struct, frozen=True):
    """A created show, with the outcome of its opening. `replayed`: an earlier, identical request created it."""

    show_id: int
    outcome: Outcome | None
    """None if the show was already open."""
    replayed: bool


def request_digest(show: NewShow, partition: int | None) -> bytes:
    """The digest by which a repeat of a request is recognised. Without a partition it is that of earlier releases."""
    asked = msgspec.json.encode(show)
    return hashlib.sha256(asked if partition is None else b"%b %d" % (asked, partition)).digest()


class ShowMaker:
    """Creates shows and makes sure that each is opened, even if its gateway stops in between."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        commands: CommandSender,
        appender: Appender,
        partitions: Sequence[int],
        zones: Zones,
        currency: str,
        carry_catalogue: bool = False,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._commands = commands
        self._appender = appender
        self._partitions = partitions
        self._zones = zones
        self._currency = currency
        self._carry_catalogue = carry_catalogue
        self._clock = clock
        self._again: dict[int, tuple[float, float]] = {}

    async def create(self, body: NewShowBody, request_id: UUID | None, wait_s: float) -> CreatedShow:
        """Creates a show and waits for its seat worker to open it.

        A repeat of a request with the same id returns the show that the first one created. Raises Problem.
        """
        before = None if request_id is None else await self._by_key(request_id)
        # A repeat may arrive after the start of a show that was in the future at its creation.
        past_allowed = body.past or before is not None
        show = await asyncio.to_thread(self._checked, body, past_allowed=past_allowed)
        if request_id is not None:
            digest = request_digest(show, body.partition)
            show = msgspec.structs.replace(show, request_id=request_id, request_digest=digest)
            if before is not None:
                return await self._repeat(show, wait_s)
            if await is_used(self._pool, request_id):
                raise key_reused()
        try:
            created = await self._place(show, body.partition)
        except UnknownPartition:
            raise invalid(
                ("partition", "there is no such partition; leave it out to have one chosen")
            ) from None
        except asyncpg.ForeignKeyViolationError:
            raise movie_not_found() from None
        except asyncpg.UniqueViolationError:
            return await self._repeat(show, wait_s)
        return CreatedShow(created.command.show_id, await self._open(created, wait_s), replayed=False)

    async def open_abandoned(self) -> None:
        """Sends the opening command again for shows whose creator stopped before the log had it.

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
                opening = await self._carrying(show)
                await self._appender.append(opening.partition, encode(opening.command))
                self._again[show_id] = (now_s + pause_s, min(2 * pause_s, _OPEN_AGAIN_AT_MOST_EVERY_S))
                _log.warning("show_opening_retried", show=show_id, partition=show.partition)

    async def watch(self) -> None:
        """Calls `open_abandoned` until it is cancelled."""
        await poll(
            "unopened shows",
            self.open_abandoned,
            every_s=_SWEEP_EVERY_S,
            errors=(*DATABASE_ERRORS, LogUnavailable),
        )

    @retry_outdated_plans
    async def _place(self, show: NewShow, partition: int | None) -> Placed:
        async with self._pool.acquire() as connection, connection.transaction():
            if show.request_id is not None:
                await connection.execute(_FORGET_KEY_SQL, show.request_id, float(KEY_LIFETIME_S))
            return await insert_show(connection, show, self._partitions, partition)

    async def _open(self, created: Placed, wait_s: float) -> Outcome:
        opening = await self._carrying(created)
        outcome = await self._commands.submit(opening.command, wait_s=wait_s)
        if isinstance(outcome, StoredDecision):
            reason = outcome.decision.reason
            if reason is Reason.KEY_REUSED:  # a booking with this key was decided in the meantime
                await remove_unopened(self._pool, created.command.show_id)
                raise key_reused()
            if reason not in (None, Reason.ALREADY_OPEN):
                _log.error("show_opening_rejected", show=created.command.show_id, reason=reason)
                raise Problem(
                    "internal_error", "The show was stored but could not be opened: contact the operator."
                )
        return outcome

    async def _carrying(self, show: Placed) -> Placed:
        """The show with its catalogue rows in the command, for a log that can outlive the database."""
        return await with_catalogue(self._pool, show) if self._carry_catalogue else show

    async def _by_key(self, request_id: UUID) -> asyncpg.Record | None:
        return await self._pool.fetchrow(_BY_KEY_SQL, request_id, float(KEY_LIFETIME_S))

    async def _repeat(self, show: NewShow, wait_s: float) -> CreatedShow:
        """The show that an earlier, identical request created; it may not be open yet. Raises Problem `key_reused`."""
        assert show.request_id is not None
        row = await self._by_key(show.request_id)
        if row is None or row["request_digest"] != show.request_digest:
            raise key_reused()
        show_id: int = row["show_id"]
        # Once a show is open its terms may change, and the command that opens it would differ.
        if await opened(self._pool, show_id):
            return CreatedShow(show_id, None, replayed=True)
        return CreatedShow(
            show_id, await self._open(await placed(self._pool, show_id), wait_s), replayed=True
        )

    async def _used_by_another(self, command: OpenShow) -> bool:
        """Whether the command id was used for something else, so that this command will never open the show."""
        stored = await self._pool.fetchval(_FIRST_USE_SQL, command.command_id, KEY_LIFETIME_S * 1000)
        return stored is not None and request_of(decode_command(stored)) != request_of(command)

    def _checked(self, body: NewShowBody, *, past_allowed: bool) -> NewShow:
        errors: list[tuple[str, str]] = []
        layout: Layout | None = body.layout
        if (body.total_seats is None) == (layout is None):
            errors.append(("total_seats", "give either total_seats or a layout"))
        if layout is not None:
            layout = in_stored_form(layout)
            errors += [(f"layout.{field}", message) for field, message in problems(layout)]
            if body.price is not None:
                errors.append(("price", "a layout has its own prices"))
        elif body.total_seats is not None:
            price: Money = body.price or Money(0, self._currency)
            layout = numbered(body.total_seats, price)
            errors += [
                ("price.currency" if field.endswith(".currency") else "price", message)
                for field, message in problems(layout)
                if ".price" in field
            ]
        starts_at = in_range("starts_at", body.starts_at)
        sales_start_at = optional_in_range("sales_start_at", body.sales_start_at)
        sales_end_at = optional_in_range("sales_end_at", body.sales_end_at)
        timezone = body.timezone or self._zones.default
        errors += term_errors(starts_at, sales_start_at, sales_end_at)
        errors += self._zones.errors(timezone)
        if not past_allowed:
            errors += past_errors(starts_at, self._clock())
        if errors or layout is None:
            raise invalid(*errors)
        return NewShow(
            movie_id=body.movie_id,
            screen_name=body.screen_name,
            starts_at=starts_at,
            timezone=timezone,
            layout=layout,
            seats_per_customer=body.seats_per_customer,
            sales_start_at=sales_start_at,
            sales_end_at=sales_end_at,
        )
