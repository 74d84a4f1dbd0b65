"""One customer of the crowd: arrive, look, choose, hesitate, hold, then confirm, change, cancel, or forget."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random

import aiohttp
import msgspec

from ops.crowd.api import Api, Refused, Unreachable
from ops.crowd.check import Booking
from ops.crowd.choice import choose_accessible, choose_seats, group_size
from ops.crowd.house import House
from ops.crowd.tally import Tally

_WATCHES = 0.35
"""Part of the customers with the live map open, as in a browser."""
_ACCESSIBLE = 0.02
_FORGETS = 0.08
_RELEASES = 0.10
_CHANGES = 0.10
_EXTENDS = 0.06
_CANCELS = 0.05
_ATTEMPTS = 5
_SHORTEST_HOLD_S, _HOLD_S = 30, 300
_NEXT_CHOICE = frozenset({"seat_taken", "seat_blocked", "companion_only"})


class Letters:
    """The seats as a customer sees them: from the live map, or as of the last look."""

    def __init__(self, house: House) -> None:
        self.letters: list[str] = []
        self._house = house

    def receive(self, text: str) -> None:
        """Applies a message of the live socket."""
        message = msgspec.json.decode(text)
        if message["type"] == "seats":
            self.letters = list(message["states"])
        elif message["type"] == "changes":
            for label, letter in message["changes"].items():
                self.letters[self._house.index[label]] = letter


class Customer:
    """One customer of the crowd."""

    def __init__(
        self,
        api: Api,
        house: House,
        show_id: int,
        tally: Tally,
        dice: Random,
        pace: float,
        closing: asyncio.Event,
    ) -> None:
        self._api = api
        self._house = house
        self._show_id = show_id
        self._tally = tally
        self._dice = dice
        self._pace = pace
        self._closing = closing
        self._forgetful = dice.random() < _FORGETS
        self.promised: dict[str, Booking] = {}
        """Bookings that are confirmed, as far as this customer knows."""

    async def visit(self) -> None:
        """Does everything, once. Ends early once the crowd is closing."""
        self._tally.did["arrived"] += 1
        self._tally.looking += 1
        try:
            async with self._looking() as seen:
                booking = await self._get_seats(seen)
            if booking is not None:
                await self._decide(booking, seen)
            else:
                self._tally.did["left_without"] += 1
        except Refused as refusal:
            self._tally.refused(refusal.code)
        except Unreachable:
            self._tally.did["unreachable"] += 1

    @contextlib.asynccontextmanager
    async def _looking(self) -> AsyncIterator[Letters]:
        seen = Letters(self._house)
        watching: asyncio.Task[None] | None = None
        try:
            seen.letters = await self._api.states(self._show_id)
            if self._dice.random() < _WATCHES:
                watching = asyncio.create_task(self._watch(seen))
                self._tally.did["watched"] += 1
            yield seen
        finally:
            self._tally.looking -= 1
            if watching is not None:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self, seen: Letters) -> None:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._api.watch(self._show_id) as socket:
                async for message in socket:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        seen.receive(message.data)

    async def _get_seats(self, seen: Letters) -> Booking | None:
        """Chooses and holds, again where somebody was faster. None: there are no seats for this group."""
        dice, size = self._dice, group_size(self._dice)
        needs_accessible = dice.random() < _ACCESSIBLE
        near: int | None = None
        await self._think(2.5)
        for attempt in range(_ATTEMPTS):
            if self._closing.is_set():
                return None
            if needs_accessible:
                seats = choose_accessible(self._house, seen.letters, dice)
            else:
                seats = choose_seats(self._house, seen.letters, size, dice, near=near)
            if seats is None and size > 1 and dice.random() < 0.7:
                size, needs_accessible = max(1, size // 2), False
                continue
            if seats is None:
                return None
            await self._think(1.2)
            if any(seen.letters[seat] != "a" for seat in seats):  # gone from the live map meanwhile
                self._tally.did["chose_again"] += 1
                continue
            labels = [self._house.labels[seat] for seat in seats]
            try:
                return await self._api.hold(
                    self._show_id, labels, _SHORTEST_HOLD_S if self._forgetful else _HOLD_S
                )
            except Refused as refusal:
                self._tally.refused(refusal.code)
                if refusal.code not in _NEXT_CHOICE:
                    return None
            near = seats[0]
            await self._think(0.5)
            if attempt + 1 < _ATTEMPTS:
                seen.letters = await self._api.states(self._show_id)
        return None

    async def _decide(self, booking: Booking, seen: Letters) -> None:
        dice, did = self._dice, self._tally.did
        did["held"] += 1
        self._tally.holding += 1
        try:
            if self._forgetful:
                did["forgot"] += 1
                await self._pause(_SHORTEST_HOLD_S)
                return
            await self._think(4)
            if dice.random() < _CHANGES and not self._closing.is_set():
                booking = await self._change(booking, seen)
            if dice.random() < _EXTENDS and not self._closing.is_set():
                await self._api.act(booking.id, "extend")
                did["extended"] += 1
                await self._think(3)
            if dice.random() < _RELEASES:
                await self._api.act(booking.id, "cancel")
                did["released"] += 1
                return
            confirmed = await self._api.act(booking.id, "confirm")
            self.promised[confirmed.id] = confirmed
            did["bought"] += 1
            did["seats_bought"] += len(confirmed.seats)
        finally:
            self._tally.holding -= 1
        if dice.random() < _CANCELS:
            await self._think(6)
            del self.promised[confirmed.id]  # also when no response comes
            await self._api.act(confirmed.id, "cancel")
            did["cancelled"] += 1

    async def _change(self, booking: Booking, seen: Letters) -> Booking:
        """Takes other seats instead, where there are as many."""
        seen.letters = await self._api.states(self._show_id)
        seats = choose_seats(self._house, seen.letters, len(booking.seats), self._dice)
        if seats is None:
            return booking
        try:
            changed = await self._api.change_seats(booking.id, [self._house.labels[seat] for seat in seats])
        except Refused as refusal:
            self._tally.refused(refusal.code)
            return booking
        self._tally.did["changed"] += 1
        await self._think(2)
        return changed

    async def _think(self, mean_s: float) -> None:
        """Waits as people do, until the crowd is closing at the latest."""
        await self._pause(min(self._dice.expovariate(1 / mean_s), 4 * mean_s) * self._pace)

    async def _pause(self, pause_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), pause_s)
