"""The commands of a recording: seeded random commands of all kinds, valid and invalid."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec

from schemas.commands import (
    BlockSeats,
    BookSeats,
    CancelBooking,
    CancelShow,
    ChangeShow,
    CheckIn,
    CloseShow,
    Command,
    ConfirmBooking,
    ExpireHolds,
    HoldSeats,
    OpenShow,
    ReopenShow,
    ReplyTo,
    ScanTicket,
    UnblockSeats,
    UndoCheckIn,
)
from schemas.ids import fresh_command_id, keyed_command_id, new_booking_id
from schemas.seating import Seating
from schemas.wire import encode
from tests.recorded.changes import Changes
from tests.recorded.recorded_catalogue import CUSTOMERS, HOUR_MS, SHOWS, STAFF, Planned

ToAppend = tuple[int, bytes]
"""A record to append: its partition and its body."""

MALFORMED = (
    b"",
    b"null",
    b"[]",
    b"\x00\xff\xfe",
    b'{"type":"BookSeats"}',
    b'{"type":"JoinWaitingList","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2}',
    b'{"type":7}',
    b'{"command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2}',
    b'{"type":"CloseShow","command_id":"not one","show_id":2}',
    b'{"type":"CloseShow","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":0}',
    b'{"type":"CloseShow","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2147483648}',
    b'{"type":"CloseShow","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2,"user_id":-1}',
    b'{"type":"ExpireHolds","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2',
    b'{"type":"ExpireHolds","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2} x',
    b'{"type":"BlockSeats","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2,"seats":"1"}',
    b'{"type":"ExpireHolds","command_id":"0b6a4bb2-6a40-4f9b-8f0c-000000000001","show_id":2,"x":"\xff"}',
    b"[" * 5_000,
)


class Crowd:
    """Makes commands. It remembers the commands, not their decisions."""

    def __init__(self, seed: int) -> None:
        self.now_ms = 0
        self.dice = random.Random(seed)
        self._request = 0
        self._seatings = {show.show_id: Seating(show.layout) for show in SHOWS}
        self._seat_requests: list[tuple[Planned, BookSeats | HoldSeats]] = []
        self._sent: list[tuple[Planned, Command]] = []
        self.live: list[tuple[int, UUID, int, tuple[str, ...]]] = []
        """Live bookings, as the recorder last read them: show, id, owner, seats."""
        self.held: list[tuple[int, UUID, int, tuple[str, ...]]] = []
        """Those of them that are held."""
        self._blocked: list[tuple[Planned, str]] = []
        self.changes = Changes(self)
        self._kinds: list[tuple[float, Callable[[Planned], Command]]] = [
            *self.changes.kinds(),
            (26, self._book),
            (10, self._best),
            (22, self._hold),
            (16, self._confirm),
            (14, self._cancel),
            (4, self._block),
            (4, self._unblock),
            (10, self._check_in),
            (6, self._scan),
            (3, self._undo_check_in),
            (0.4, self._close),
            (2, self._reopen),
            (2, self._change),
            (1, self._expire),
            (1, self._open_again),
        ]

    def some(self, count: int) -> list[ToAppend]:
        """`count` random records, for all shows."""
        records = []
        for _ in range(count):
            dice = self.dice.random()
            if dice < 0.02:
                records.append((self.dice.randrange(3), self.dice.choice(MALFORMED)))
            elif dice < 0.08 and self._sent:
                records.append(self._again())
            else:
                records.append(self._new())
        return records

    def open_all(self) -> list[ToAppend]:
        """Opens all shows, one with a layout that is not stored and one on a wrong partition."""
        opened = [self.record(show, self._open(show)) for show in SHOWS if show.show_id != 9]
        unknown = msgspec.structs.replace(
            self._open(SHOWS[0]), show_id=len(SHOWS) + 1, layout_digest="0" * 64
        )
        astray = (SHOWS[0].partition + 1, encode(self._open(SHOWS[0])))
        return [*opened, (0, encode(unknown)), astray]

    def many(self, show_id: int, count: int) -> list[ToAppend]:
        """`count` bookings of one seat each, without a customer: more than one command cancels."""
        show = next(show for show in SHOWS if show.show_id == show_id)
        return [
            self.record(show, self.seats(BookSeats, show, (str(n),), user_id=0)) for n in range(1, count + 1)
        ]

    def by_staff(self, kind: type[Any], show_id: int, **fields: Any) -> ToAppend:
        """A staff command."""
        show = next(show for show in SHOWS if show.show_id == show_id)
        return self.record(show, kind(**self._staff(show), **fields))

    def odd(self) -> list[ToAppend]:
        """Unusual commands: one booking id in two shows, fields of a later release, invalid seats."""
        first, second, third = SHOWS[1], SHOWS[6], SHOWS[9]
        opened: list[Any] = [ReopenShow(**self.ids(show, STAFF), staff=True) for show in (first, second)]
        more = ChangeShow(**self.ids(first, STAFF), staff=True, seats_per_customer=100)
        taken = self.seats(BookSeats, first, ("59",), user_id=3)
        twice = msgspec.structs.replace(taken, show_id=second.show_id, command_id=self._id(), seats=("88",))
        same = msgspec.structs.replace(taken, command_id=self._id(), seats=("60",))
        later = encode(self.seats(BookSeats, second, ("89",), user_id=5))[:-1] + b',"gift":{"to":"\\u0000x"}}'
        wrong: list[Any] = [
            self.seats(BookSeats, second, (), user_id=4),
            self.seats(BookSeats, second, ("1", "1"), user_id=4),
            self.seats(BookSeats, second, tuple(str(n) for n in range(1, 12)), user_id=4),
            self.seats(BookSeats, second, ("", "\x00", "0", "01", "91"), user_id=4),
            self.seats(BookSeats, second, ("1",), user_id=4, quantity=2),
            self.seats(HoldSeats, second, (), user_id=4, quantity=11, hold_ms=5_000),
            self.seats(BookSeats, third, (), user_id=4, quantity=2, section="Pit"),
            self.seats(BookSeats, third, ("2-15",), user_id=2**53 - 1),
        ]
        return [
            *(self.record(SHOWS[command.show_id - 1], command) for command in (*opened, more, taken)),
            self.record(second, twice),
            self.record(first, same),
            (second.partition, later),
            (second.partition, later),
            *(self.record(SHOWS[command.show_id - 1], command) for command in wrong),
        ]

    def poison(self) -> list[ToAppend]:
        """Refused labels that look like events and contain NUL. Reports must cope with such decisions."""
        labels = ('"BookingC\x00', "\\u0000", '"BookingC')
        command = self.seats(BookSeats, SHOWS[6], labels, user_id=4)
        return [
            self.record(SHOWS[6], ReopenShow(**self.ids(SHOWS[6], STAFF), staff=True)),
            self.record(SHOWS[6], command),
        ]

    def keyed(self, rounds: str) -> list[ToAppend]:
        """Reused keys: with the same request, another one, and one for a show on another partition."""
        records = []
        for n in range(12):
            user_id, show = n + 1, SHOWS[(1, 2, 6, 9)[n % 4]]
            other = SHOWS[(2, 6, 9, 1)[n % 4]]
            key = keyed_command_id(user_id, f"key-{n}")
            seat = self.labels(show, 1)
            same = self.seats(BookSeats, show, seat, user_id=user_id, command_id=key)
            again = self.seats(BookSeats, show, seat, user_id=user_id, command_id=key)
            another = self.seats(BookSeats, other, self.labels(other, 2), user_id=user_id, command_id=key)
            for letter in rounds:
                what, where = {"s": (same, show), "a": (again, show), "o": (another, other)}[letter]
                records.append(self.record(where, what))
        return records

    # --- one command each ---

    def _new(self) -> ToAppend:
        show = self.dice.choice(SHOWS)
        weights = [weight for weight, _ in self._kinds]
        make = self.dice.choices([make for _, make in self._kinds], weights)[0]
        command = make(show)
        where = SHOWS[command.show_id - 1] if command.show_id <= len(SHOWS) else show
        return self.record(where, command)

    def _again(self) -> ToAppend:
        show, command = self.dice.choice(self._sent[-400:])
        if self.dice.random() < 0.3:
            command = msgspec.structs.replace(command, user_id=self.user())
        return show.partition, encode(msgspec.structs.replace(command, reply_to=self._reply()))

    def record(self, show: Planned, command: Command) -> ToAppend:
        self._sent.append((show, command))
        if isinstance(command, BookSeats | HoldSeats):
            self._seat_requests.append((show, command))
        return show.partition, encode(command)

    def _book(self, show: Planned) -> Any:
        seats = self.labels(show, self.dice.choice((1, 1, 2, 2, 3, 5, 10)))
        return self.seats(BookSeats, show, seats, **self.changes.more_of(show, 0))

    def _best(self, show: Planned) -> Any:
        sections: list[str | None] = [None, None, None, *(section.name for section in show.layout.sections)]
        kind, more = self.dice.choice(((BookSeats, {}), (HoldSeats, {"hold_ms": 60_000})))
        quantity = self.dice.choice((1, 2, 3, 4, 8))
        return self.seats(
            kind,
            show,
            (),
            quantity=quantity,
            section=self.dice.choice(sections),
            adjacent=self.dice.random() < 0.7,
            **more,
            **self.changes.more_of(show, quantity),
        )

    def _hold(self, show: Planned) -> Any:
        hold_ms = self.dice.choice((1_000, 30_000, 300_000, 900_000, 3_600_000))
        seats = self.labels(show, self.dice.choice((1, 2, 4)))
        return self.seats(HoldSeats, show, seats, hold_ms=hold_ms, **self.changes.more_of(show, 0))

    def _confirm(self, show: Planned) -> Any:
        if self.held and self.dice.random() < 0.4:
            show_id, booking_id, owner_id, _ = self.dice.choice(self.held)
            return ConfirmBooking(**self.ids(SHOWS[show_id - 1], owner_id), booking_id=booking_id)
        return self._about(ConfirmBooking, show)

    def _cancel(self, show: Planned) -> Any:
        return self._about(CancelBooking, show)

    def _check_in(self, show: Planned) -> Command:
        show, booking_id, _, seats = self.one_booking(show)
        seat = self.dice.choice(seats or self.labels(show, 1))
        staff = self.dice.random() < 0.9
        return CheckIn(**self.ids(show, STAFF if staff else 1), staff=staff, booking_id=booking_id, seat=seat)

    def _scan(self, show: Planned) -> Command:
        ticket = self._ticket(show)
        dice = self.dice
        return ScanTicket(
            **ticket,
            runs_ms=2 * HOUR_MS,
            wanted_show_id=dice.choice((None, None, None, ticket["show_id"], 1)),
            at_ms=dice.choice((None, None, self.now_ms - 9_000)),
            gate=dice.choice((None, "north", "south")),
            unsigned_until_ms=0 if dice.random() < 0.1 else None,
        )

    def _undo_check_in(self, show: Planned) -> Command:
        return UndoCheckIn(**self._ticket(show))

    def _ticket(self, show: Planned) -> dict[str, Any]:
        """A seat of a booking, most often of the show that is about to start."""
        soon = [one for one in self.live if one[0] == 6]
        if soon and self.dice.random() < 0.8:
            show_id, booking_id, _, seats = self.dice.choice(soon)
            show = SHOWS[show_id - 1]
        else:
            show, booking_id, _, seats = self.one_booking(show)
        index = self._seatings[show.show_id].find(self.dice.choice(seats)) if seats else -1
        return {
            **self.ids(show, STAFF),
            "staff": True,
            "booking_id": booking_id,
            "seat_index": max(index, 0),
        }

    def _about(self, kind: type[Any], show: Planned) -> Any:
        show, booking_id, owner_id, _ = self.one_booking(show)
        dice = self.dice.random()
        if dice > 0.95:
            booking_id = self._booking_id(show)
        if dice < 0.8:
            return kind(**self.ids(show, owner_id), booking_id=booking_id)
        return kind(**self.ids(show, self.user()), staff=self.dice.random() < 0.6, booking_id=booking_id)

    def one_booking(self, show: Planned) -> tuple[Planned, UUID, int, tuple[str, ...]]:
        """A booking that was live recently, or one that was requested."""
        if self.live and self.dice.random() < 0.7:
            show_id, booking_id, owner_id, seats = self.dice.choice(self.live)
            return SHOWS[show_id - 1], booking_id, owner_id, seats
        if self._seat_requests:
            show, request = self.dice.choice(self._seat_requests[-250:])
            return show, request.booking_id, request.owner_id, request.seats
        return show, self._booking_id(show), self.user(), ()

    def _block(self, show: Planned) -> Command:
        seats = self.labels(show, self.dice.choice((0, 1, 2, 4)))
        self._blocked += [(show, seat) for seat in seats]
        return BlockSeats(**self._staff(show), seats=seats)

    def _unblock(self, show: Planned) -> Command:
        if self._blocked and self.dice.random() < 0.6:
            show, seat = self.dice.choice(self._blocked)
            return UnblockSeats(**self._staff(show), seats=(seat,))
        return UnblockSeats(**self._staff(show), seats=self.labels(show, self.dice.choice((1, 3, 6))))

    def _close(self, show: Planned) -> Command:
        return CloseShow(**self._staff(SHOWS[6] if self.dice.random() < 0.7 else show))

    def _reopen(self, show: Planned) -> Command:
        return ReopenShow(**self._staff(SHOWS[6] if self.dice.random() < 0.5 else show))

    def _change(self, show: Planned) -> Command:
        show = self.dice.choice((SHOWS[1], SHOWS[4], SHOWS[4], SHOWS[6]))
        terms: list[dict[str, Any]] = [
            {"seats_per_customer": self.dice.choice((4, 12, 100))},
            {"sales_end_ms": 0},
            {"sales_start_ms": 0, "starts_ms": self.now_ms + 300 * HOUR_MS},
        ]
        if show is SHOWS[4]:
            terms += [
                {"sales_start_ms": self.now_ms + HOUR_MS // 2},
                {"sales_end_ms": self.now_ms + HOUR_MS // 4},
            ]
        return ChangeShow(**self._staff(show), **self.dice.choice(terms))

    def _expire(self, show: Planned) -> Command:
        return ExpireHolds(**self.ids(show, 0), staff=True)

    def _open_again(self, show: Planned) -> Command:
        return self._open(show if show.show_id != 9 else SHOWS[0])

    def _open(self, show: Planned) -> OpenShow:
        return OpenShow(
            **self.ids(show, 0),
            staff=True,
            layout_id=show.show_id,
            layout_digest=show.digest,
            starts_ms=show.time_ms(show.starts_after_h) or 0,
            seats_per_customer=show.limit,
            sales_start_ms=show.time_ms(show.sales_start_after_h),
            sales_end_ms=show.time_ms(show.sales_end_after_h),
            payment=show.payment,
        )

    # --- what they are made of ---

    def seats(self, command: type[Any], show: Planned, seats: tuple[str, ...], /, **fields: Any) -> Any:
        ids = self.ids(show, fields.pop("user_id", self.user()))
        return command(**ids | fields, booking_id=self._booking_id(show), seats=seats)

    def labels(self, show: Planned, count: int) -> tuple[str, ...]:
        seating, dice = self._seatings[show.show_id], self.dice
        within = min(len(seating), 400)
        labels = [seating.label(dice.randrange(within)) for _ in range(count)]
        if dice.random() < 0.03:
            labels.append(dice.choice(("nowhere", "座", "A0", "B41", "\x07")))
        if dice.random() < 0.97:
            labels = list(dict.fromkeys(labels))
        return tuple(labels)

    def ids(self, show: Planned, user_id: int) -> dict[str, Any]:
        return {
            "command_id": self._id(),
            "show_id": show.show_id,
            "user_id": user_id,
            "reply_to": self._reply(),
        }

    def _staff(self, show: Planned) -> dict[str, Any]:
        staff = self.dice.random() < 0.95
        return self.ids(show, STAFF if staff else self.user()) | {"staff": staff}

    def _reply(self) -> ReplyTo | None:
        self._request += 1
        return ReplyTo("9f3c00", self._request) if self._request % 3 == 0 else None

    def user(self) -> int:
        return self.dice.choice(CUSTOMERS)

    def _booking_id(self, show: Planned) -> UUID:
        return new_booking_id(show.show_id, self.now_ms, self.dice.getrandbits(64))

    def _id(self) -> UUID:
        return fresh_command_id(self.now_ms, self.dice.getrandbits(80))

    def timer_id(self, now_ms: int) -> UUID:
        """The id of a timer's command."""
        return fresh_command_id(now_ms, self.dice.getrandbits(80))

    def cancelled_show(self, show_id: int) -> ToAppend:
        """Staff cancel a show."""
        show = SHOWS[show_id - 1]
        return self.record(show, CancelShow(**self.ids(show, STAFF), staff=True))
