"""Changes of shows by staff: times, closing, reopening, cancelling, blocking and unblocking seats.

Each is a command that the show's seat worker decides in log order, like a booking.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog

from gateway.catalogue.days import optional_in_range, to_ms
from gateway.catalogue.response_cache import ResponseCache
from gateway.catalogue.show_requests import ShowRequest, ShowRequests
from gateway.catalogue.show_terms import past_errors, term_errors
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import Zones
from gateway.commands.outcomes import Outcome, Pending
from gateway.commands.sender import CommandSender
from gateway.http.bodies import invalid
from gateway.seat_maps.labels import SeatLabels, check_labels
from runtime.polling import poll
from runtime.postgres import DATABASE_ERRORS
from schemas.api_catalogue import ChangeShowBody, ShowBody, WithheldSeatsBody
from schemas.commands import (
    BlockSeats,
    CancelShow,
    ChangeShow,
    CloseShow,
    ReopenShow,
    UnblockSeats,
)

StaffCommand = ChangeShow | CloseShow | ReopenShow | CancelShow | BlockSeats | UnblockSeats

_SWEEP_EVERY_S = 5.0
_ABANDONED_AFTER_S = 10.0
_DELETE_EVERY = 720
_FOLLOW_TIMEOUT_S = 60.0
_MAX_FOLLOWED = 1_000

_log = structlog.get_logger()


class ShowChanges:
    """Sends the commands of staff and copies accepted changes into the catalogue."""

    def __init__(
        self,
        commands: CommandSender,
        requests: ShowRequests,
        shows: Shows,
        response_cache: ResponseCache,
        zones: Zones,
        seat_labels: SeatLabels,
    ) -> None:
        self._commands = commands
        self._seat_labels = seat_labels
        self._requests = requests
        self._shows = shows
        self._response_cache = response_cache
        self._zones = zones
        self._following: set[asyncio.Task[None]] = set()

    async def change(
        self, show_id: int, body: ChangeShowBody, command_id: UUID, user_id: int, wait_s: float
    ) -> Outcome:
        """Changes times, screen or limit. Raises Problem."""
        command, request = await self._change(show_id, body, command_id, user_id)
        return await self.submit(command, wait_s, request)

    async def withhold(
        self, command: BlockSeats | UnblockSeats, body: WithheldSeatsBody, wait_s: float
    ) -> Outcome:
        """Blocks or unblocks seats. Raises Problem."""
        await asyncio.to_thread(check_labels, body.seats)  # up to 100,000 labels
        await self._commands.partition_of(command.show_id)
        if isinstance(command, BlockSeats) and command.release_ms is not None:
            await self._check_release(command, command.release_ms)
        command = await self._seat_labels.resolve(command)
        return await self.submit(command, wait_s, _request(command, note=body.note))

    async def _check_release(self, command: BlockSeats, release_ms: int) -> None:
        """Raises Problem `validation` for a release in the past. A repeat gets its first response."""
        late = release_ms <= to_ms(datetime.now(UTC))
        if late and not await self._requests.known(command.command_id):
            raise invalid(("release_at", "a time in the future is wanted"))

    async def submit(
        self, command: StaffCommand, wait_s: float, request: ShowRequest | None = None
    ) -> Outcome:
        """Sends a command and waits for its decision, accepted or rejected. Raises Problem."""
        if request is not None:
            await self._requests.store(request)
        outcome = await self._commands.submit(command, wait_s=wait_s)
        if isinstance(outcome, Pending):
            if request is not None:
                self._follow(outcome, command.command_id)
        else:
            if request is not None:
                await self._requests.settle(command.command_id)
            if outcome.decision.reason is None:
                self._response_cache.invalidate()
        return outcome

    async def show(self, show_id: int) -> ShowBody:
        """The show as it is now. Raises Problem `not_found`."""
        return await self._shows.get(show_id)

    async def watch(self) -> None:
        """Copies accepted changes that another gateway has not copied into the catalogue, until it is cancelled."""
        turns = itertools.count()

        async def sweep() -> None:
            turn = next(turns)
            if changes := await self._requests.settle_abandoned(_ABANDONED_AFTER_S):
                _log.warning("show_changes_recovered", changes=changes)
            if turn % _DELETE_EVERY == 0:
                await self._requests.delete_expired()

        await poll("show changes", sweep, every_s=_SWEEP_EVERY_S)

    async def close(self) -> None:
        """Cancels what is still pending; another gateway completes it."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    def _follow(self, pending: Pending, command_id: UUID) -> None:
        """Settles the request in the background once it is decided. Beyond a limit `watch` settles it instead."""
        if len(self._following) < _MAX_FOLLOWED:
            task = asyncio.create_task(self._settle_later(pending, command_id))
            self._following.add(task)
            task.add_done_callback(self._following.discard)

    async def _settle_later(self, pending: Pending, command_id: UUID) -> None:
        try:
            if await self._commands.await_decision(pending.position, _FOLLOW_TIMEOUT_S) is not None:
                await self._requests.settle(command_id)
                self._response_cache.invalidate()
        except DATABASE_ERRORS as error:
            _log.warning("show_change_deferred", error=str(error) or type(error).__name__)

    async def _change(
        self, show_id: int, body: ChangeShowBody, command_id: UUID, user_id: int
    ) -> tuple[ChangeShow, ShowRequest]:
        given: dict[str, Any] = {
            name: value
            for name in body.__struct_fields__
            if (value := getattr(body, name)) is not msgspec.UNSET
        }
        for name in ("starts_at", "sales_start_at", "sales_end_at"):
            if name in given:
                given[name] = optional_in_range(name, given[name])
        past_allowed = given.pop("past", False)
        show = await self._shows.get(show_id)
        terms = _terms_after(show, given)
        errors = list(term_errors(*terms))
        if "timezone" in given:
            errors += self._zones.errors(given["timezone"])
        if not past_allowed and terms[0] != datetime.fromisoformat(show.starts_at):
            errors += past_errors(terms[0], datetime.now(UTC))
        # An existing inconsistency may be corrected in two steps; the fields of this request must be valid. A repeat of
        # an accepted request gets its first response.
        wrong = [error for error in errors if error[0] in given or "starts_at" in given]
        if wrong and not await self._requests.known(command_id):
            raise invalid(*wrong)
        command = ChangeShow(
            command_id=command_id,
            show_id=show_id,
            user_id=user_id,
            staff=True,
            starts_ms=to_ms(given["starts_at"]) if "starts_at" in given else None,
            seats_per_customer=given.get("seats_per_customer"),
            sales_start_ms=_sales_ms(given, "sales_start_at"),
            sales_end_ms=_sales_ms(given, "sales_end_at"),
        )
        return command, _request(
            command, screen_name=given.get("screen_name"), timezone=given.get("timezone")
        )


def _terms_after(show: ShowBody, given: dict[str, Any]) -> tuple[datetime, datetime | None, datetime | None]:
    """Start of the show, start and end of sales after the change."""

    def instant(name: str) -> datetime | None:
        if name in given:
            value: datetime | None = given[name]
            return value
        text: str | None = getattr(show, name)
        return None if text is None else datetime.fromisoformat(text)

    starts_at = instant("starts_at")
    assert starts_at is not None
    return starts_at, instant("sales_start_at"), instant("sales_end_at")


def _sales_ms(given: dict[str, Any], name: str) -> int | None:
    """The value for ChangeShow: None keeps the time, 0 removes it."""
    if name not in given:
        return None
    return 0 if given[name] is None else to_ms(given[name])


def _request(command: StaffCommand, **beyond: Any) -> ShowRequest:
    return ShowRequest(
        command_id=command.command_id,
        kind=type(command).__name__,
        show_id=command.show_id,
        user_id=command.user_id,
        **beyond,
    )
