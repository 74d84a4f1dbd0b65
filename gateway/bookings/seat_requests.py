"""Requests for seats that need a look-up first: the owner's account, labels, the currency, a remark of staff."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import msgspec
import structlog

from gateway.bookings.remarks import Remark, Remarks
from gateway.commands.outcomes import Outcome, Pending
from gateway.commands.sender import CommandSender
from gateway.http.bodies import invalid
from gateway.http.problems import Problem
from gateway.seat_maps.labels import SeatLabels
from runtime.postgres import DATABASE_ERRORS
from schemas.api import BookRequest, HoldRequest
from schemas.commands import BookSeats, HoldSeats
from schemas.layout import Money

_FOLLOW_TIMEOUT_S = 60.0
_MAX_FOLLOWED = 1_000
_MAX_SHOWS = 10_000
_CURRENCY_SQL = """
SELECT l.prices::jsonb -> 0 -> 'price' ->> 'currency' FROM shows s JOIN layouts l USING (layout_id) WHERE s.show_id = $1
"""

_log = structlog.get_logger()


class Extras(NamedTuple):
    """What has to be looked up or stored before a command is sent."""

    max_price: Money | int | None
    remark: Remark | None


def extras_of(request: BookRequest | HoldRequest) -> Extras | None:
    """Returns what a request needs before its command is sent; None for most requests: nothing."""
    if request.user_id is None and request.max_price is None and not request.note and request.paid is None:
        return None
    noted = bool(request.note) or request.paid is not None
    return Extras(request.max_price, Remark(request.note or None, request.paid) if noted else None)


class SeatRequests:
    """Completes and sends such requests."""

    def __init__(self, pool: Any, commands: CommandSender, remarks: Remarks, labels: SeatLabels) -> None:
        self._pool = pool
        self._commands = commands
        self.remarks = remarks
        self.labels = labels
        self._currencies: dict[int, str] = {}
        """Show → currency. It never changes."""
        self._following: set[asyncio.Task[None]] = set()

    async def complete(self, command: BookSeats | HoldSeats, extras: Extras | None) -> BookSeats | HoldSeats:
        """Resolves labels and the price limit, prepares the command, and returns it as it is sent. Raises Problem."""
        command = await self.labels.resolve(command)
        if extras is not None and extras.max_price is not None:
            command = await self._with_price_limit(command, extras.max_price)
        await self._commands.prepare(command)
        return command

    async def _with_price_limit(
        self, command: BookSeats | HoldSeats, limit: Money | int
    ) -> BookSeats | HoldSeats:
        currency = await self._currency_of(command.show_id)
        if isinstance(limit, int):
            limit = Money(limit, currency)
        elif limit.currency != currency:
            raise invalid(("max_price.currency", f"the prices of this show are in {currency}"))
        return msgspec.structs.replace(command, max_price=Money(limit.amount, limit.currency))

    async def submit(self, command: BookSeats | HoldSeats, remark: Remark, wait_s: float) -> Outcome:
        """Stores the remark, sends the command and waits for its decision. Raises Problem."""
        await self._commands.partition_of(command.show_id)
        await self.remarks.store(command, remark)
        try:
            outcome = await self._commands.submit(command, wait_s=wait_s)
        except Problem as problem:
            if "outcome" not in problem.extra:
                await self.remarks.delete(command)
            raise
        if isinstance(outcome, Pending):
            self._follow(command, remark, outcome)
        else:
            await self.remarks.settle(command, remark, outcome)
        return outcome

    async def close(self) -> None:
        """Cancels what is still pending; unused remarks are deleted later."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    async def _currency_of(self, show_id: int) -> str:
        currency = self._currencies.get(show_id)
        if currency is None:
            await self._commands.partition_of(show_id)  # raises Problem `not_found`
            currency = await self._pool.fetchval(_CURRENCY_SQL, show_id)
            assert currency is not None, "a layout has a section with a price"
            if len(self._currencies) >= _MAX_SHOWS:
                self._currencies.clear()
            self._currencies[show_id] = currency
        return currency

    def _follow(self, command: BookSeats | HoldSeats, remark: Remark, pending: Pending) -> None:
        if len(self._following) < _MAX_FOLLOWED:
            task = asyncio.create_task(self._settle_later(command, remark, pending))
            self._following.add(task)
            task.add_done_callback(self._following.discard)

    async def _settle_later(self, command: BookSeats | HoldSeats, remark: Remark, pending: Pending) -> None:
        try:
            decided = await self._commands.await_decision(pending.position, _FOLLOW_TIMEOUT_S)
            if decided is not None:
                await self.remarks.settle(command, remark, decided)
        except Problem:
            pass  # a key that was reused: its client has had the response
        except DATABASE_ERRORS as error:
            _log.warning("remark_deferred", error=str(error) or type(error).__name__)
