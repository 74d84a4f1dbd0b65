"""What staff do to a show: changing, closing, reopening and cancelling it, blocking and unblocking seats.

Each is a command that its writer decides in log order, like a booking.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from gateway.bodies import invalid
from gateway.catalogue.days import optional_in_range, to_ms
from gateway.catalogue.memory import CatalogueMemory
from gateway.catalogue.show_requests import ShowRequest, ShowRequests
from gateway.catalogue.show_terms import past_errors, term_errors
from gateway.catalogue.shows import Shows
from gateway.catalogue.zones import Zones
from gateway.commands import Commands, Outcome, Pending
from runtime.postgres import AWAY
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
_LEFT_AFTER_S = 10.0
_FORGET_EVERY = 720
_FOLLOW_S = 60.0
_MAX_FOLLOWED = 1_000
_MAX_ERRORS = 20

_log = structlog.get_logger()


class ShowChanges:
    """Sends staff's commands and puts what they change into the catalogue."""

    def __init__(
        self,
        commands: Commands,
        requests: ShowRequests,
        shows: Shows,
        memory: CatalogueMemory,
        zones: Zones,
    ) -> None:
        self._commands = commands
        self._requests = requests
        self._shows = shows
        self._memory = memory
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
        await asyncio.to_thread(check_labels, body.seats)  # there may be 100,000
        await self._commands.partition_of(command.show_id)
        return await self.submit(command, wait_s, _request(command, note=body.note))

    async def submit(
        self, command: StaffCommand, wait_s: float, request: ShowRequest | None = None
    ) -> Outcome:
        """Sends a command and waits for its decision, accepted or refused. Raises Problem."""
        if request is not None:
            await self._requests.note(request)
        outcome = await self._commands.submit(command, wait_s=wait_s)
        if isinstance(outcome, Pending):
            if request is not None:
                self._follow(outcome, command.command_id)
        else:
            if request is not None:
                await self._requests.settle(command.command_id)
            if outcome.decision.reason is None:
                self._memory.changed_here()
        return outcome

    async def show(self, show_id: int) -> ShowBody:
        """The show as it is now. Raises Problem `not_found`."""
        return await self._shows.get(show_id)

    async def watch(self) -> None:
        """Puts accepted changes into the catalogue that the gateway which sent them did not, for ever."""
        turn = 0
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            try:
                if changes := await self._requests.settle_left(_LEFT_AFTER_S):
                    _log.warning("show_changes_recovered", changes=changes)
                if turn % _FORGET_EVERY == 0:
                    await self._requests.forget()
            except (*AWAY, asyncpg.PostgresError) as error:
                _log.warning("changes of shows stay undone for now", error=str(error) or type(error).__name__)
            turn += 1

    async def close(self) -> None:
        """Lets go of what is still pending; another gateway will see to it."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)

    def _follow(self, pending: Pending, command_id: UUID) -> None:
        """Settles the request once it is decided, with nobody waiting; what is too much is left to `watch`."""
        if len(self._following) < _MAX_FOLLOWED:
            task = asyncio.create_task(self._settle_later(pending, command_id))
            self._following.add(task)
            task.add_done_callback(self._following.discard)

    async def _settle_later(self, pending: Pending, command_id: UUID) -> None:
        try:
            if await self._commands.decided(pending.position, _FOLLOW_S) is not None:
                await self._requests.settle(command_id)
                self._memory.changed_here()
        except (*AWAY, asyncpg.PostgresError) as error:
            _log.warning("a change of a show is put off", error=str(error) or type(error).__name__)

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
        # What was wrong before may be put right in two steps; what is given now has to fit. A repeat of a request
        # that did fit gets its first answer.
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


def check_labels(labels: tuple[str, ...]) -> None:
    """Raises Problem `validation` unless these are a set of labels."""
    errors: list[tuple[str, str]] = []
    seen: set[str] = set()
    for n, label in enumerate(labels):
        if label in seen:
            errors.append((f"seats[{n}]", "named before"))
        elif not label.isprintable():
            errors.append((f"seats[{n}]", "a label has no control characters"))
        seen.add(label)
    if errors:
        raise invalid(*errors[:_MAX_ERRORS])


def _terms_after(show: ShowBody, given: dict[str, Any]) -> tuple[datetime, datetime | None, datetime | None]:
    """Start, begin and end of sales, as they will be."""

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
    """As ChangeShow has it: None leaves it, 0 takes it away."""
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
