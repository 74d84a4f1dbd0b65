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
    UnblockSeats,
)
from schemas.ids import fresh_command_id, keyed_command_id, new_booking_id
from schemas.layout import Seating
from schemas.wire import encode
from tests.recorded.recorded_catalogue import CUSTOMERS, HOUR_MS, SHOWS, STAFF, Planned

Asked = tuple[int, bytes]
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
        self._dice = random.Random(seed)
        self._request = 0
        self._seatings = {show.show_id: Seating(show.layout) for show in SHOWS}
        self._asked: list[tuple[Planned, BookSeats | HoldSeats]] = []
        self._sent: list[tuple[Planned, Command]] = []
        self.live: list[tuple[int, UUID, int, tuple[str, ...]]] = []
        """Live bookings, as the recorder last read them: show, id, owner, seats."""
        self.held: list[tuple[int, UUID, int, tuple[str, ...]]] = []
        """Those of them that are held."""
        self._blocked: list[tuple[Planned, str]] = []
        self._kinds: list[tuple[float, Callable[[Planned], Command]]] = [
            (26, self._book),
            (10, self._best),
            (22, self._hold),
            (16, self._confirm),
            (14, self._cancel),
            (4, self._block),
            (4, self._unblock),
            (10, self._check_in),
            (0.4, self._close),
            (2, self._reopen),
            (2, self._change),
            (1, self._expire),
            (1, self._open_again),
        ]

    def some(self, count: int) -> list[Asked]:
        """`count` random records, for all shows."""
        records = []
        for _ in range(count):
            dice = self._dice.random()
            if dice < 0.02:
                records.append((self._dice.randrange(3), self._dice.choice(MALFORMED)))
            elif dice < 0.08 and self._sent:
                records.append(self._again())
            else:
                records.append(self._new())
        return records

    def open_all(self) -> list[Asked]:
        """Opens all shows, one with a layout that is not stored and one on a wrong partition."""
        opened = [self._record(show, self._open(show)) for show in SHOWS if show.show_id != 9]
        unknown = msgspec.structs.replace(self._open(SHOWS[0]), show_id=11, layout_digest="0" * 64)
        astray = (SHOWS[0].partition + 1, encode(self._open(SHOWS[0])))
        return [*opened, (0, encode(unknown)), astray]

    def many(self, show_id: int, count: int) -> list[Asked]:
        """`count` bookings of one seat each, without a customer: more than one command cancels."""
        show = next(show for show in SHOWS if show.show_id == show_id)
        return [
            self._record(show, self._seats(BookSeats, show, (str(n),), user_id=0))
            for n in range(1, count + 1)
        ]

    def by_staff(self, kind: type[Any], show_id: int, **fields: Any) -> Asked:
        """A staff command."""
        show = next(show for show in SHOWS if show.show_id == show_id)
        return self._record(show, kind(**self._staff(show), **fields))

    def odd(self) -> list[Asked]:
        """Unusual commands: one booking id in two shows, fields of a later release, invalid seats."""
        first, second, third = SHOWS[1], SHOWS[6], SHOWS[9]
        opened: list[Any] = [ReopenShow(**self._ids(show, STAFF), staff=True) for show in (first, second)]
        more = ChangeShow(**self._ids(first, STAFF), staff=True, seats_per_customer=100)
        taken = self._seats(BookSeats, first, ("59",), user_id=3)
        twice = msgspec.structs.replace(taken, show_id=second.show_id, command_id=self._id(), seats=("88",))
        same = msgspec.structs.replace(taken, command_id=self._id(), seats=("60",))
        later = (
            encode(self._seats(BookSeats, second, ("89",), user_id=5))[:-1] + b',"gift":{"to":"\\u0000x"}}'
        )
        wrong: list[Any] = [
            self._seats(BookSeats, second, (), user_id=4),
            self._seats(BookSeats, second, ("1", "1"), user_id=4),
            self._seats(BookSeats, second, tuple(str(n) for n in range(1, 12)), user_id=4),
            self._seats(BookSeats, second, ("", "\x00", "0", "01", "91"), user_id=4),
            self._seats(BookSeats, second, ("1",), user_id=4, quantity=2),
            self._seats(HoldSeats, second, (), user_id=4, quantity=11, hold_ms=5_000),
            self._seats(BookSeats, third, (), user_id=4, quantity=2, section="Pit"),
            self._seats(BookSeats, third, ("2-15",), user_id=2**53 - 1),
        ]
        return [
            *(self._record(SHOWS[command.show_id - 1], command) for command in (*opened, more, taken)),
            self._record(second, twice),
            self._record(first, same),
            (second.partition, later),
            (second.partition, later),
            *(self._record(SHOWS[command.show_id - 1], command) for command in wrong),
        ]

    def poison(self) -> list[Asked]:
        """Refused labels that look like events and contain NUL. Reports must cope with such decisions."""
        labels = ('"BookingC\x00', "\\u0000", '"BookingC')
        command = self._seats(BookSeats, SHOWS[6], labels, user_id=4)
        return [
            self._record(SHOWS[6], ReopenShow(**self._ids(SHOWS[6], STAFF), staff=True)),
            self._record(SHOWS[6], command),
        ]

    def keyed(self, rounds: str) -> list[Asked]:
        """Reused keys: with the same request, another one, and one for a show on another partition."""
        records = []
        for n in range(12):
            user_id, show = n + 1, SHOWS[(1, 2, 6, 9)[n % 4]]
            other = SHOWS[(2, 6, 9, 1)[n % 4]]
            key = keyed_command_id(user_id, f"key-{n}")
            seat = self._labels(show, 1)
            same = self._seats(BookSeats, show, seat, user_id=user_id, command_id=key)
            again = self._seats(BookSeats, show, seat, user_id=user_id, command_id=key)
            another = self._seats(BookSeats, other, self._labels(other, 2), user_id=user_id, command_id=key)
            for letter in rounds:
                what, where = {"s": (same, show), "a": (again, show), "o": (another, other)}[letter]
                records.append(self._record(where, what))
        return records

    # --- one command each ---

    def _new(self) -> Asked:
        show = self._dice.choice(SHOWS)
        weights = [weight for weight, _ in self._kinds]
        make = self._dice.choices([make for _, make in self._kinds], weights)[0]
        command = make(show)
        where = SHOWS[command.show_id - 1] if command.show_id <= len(SHOWS) else show
        return self._record(where, command)

    def _again(self) -> Asked:
        show, command = self._dice.choice(self._sent[-400:])
        if self._dice.random() < 0.3:
            command = msgspec.structs.replace(command, user_id=self._user())
        return show.partition, encode(msgspec.structs.replace(command, reply_to=self._reply()))

    def _record(self, show: Planned, command: Command) -> Asked:
        self._sent.append((show, command))
        if isinstance(command, BookSeats | HoldSeats):
            self._asked.append((show, command))
        return show.partition, encode(command)

    def _book(self, show: Planned) -> Any:
        return self._seats(BookSeats, show, self._labels(show, self._dice.choice((1, 1, 2, 2, 3, 5, 10))))

    def _best(self, show: Planned) -> Any:
        sections: list[str | None] = [None, None, None, *(section.name for section in show.layout.sections)]
        kind, more = self._dice.choice(((BookSeats, {}), (HoldSeats, {"hold_ms": 60_000})))
        return self._seats(
            kind,
            show,
            (),
            quantity=self._dice.choice((1, 2, 3, 4, 8)),
            section=self._dice.choice(sections),
            adjacent=self._dice.random() < 0.7,
            **more,
        )

    def _hold(self, show: Planned) -> Any:
        hold_ms = self._dice.choice((1_000, 30_000, 300_000, 900_000, 3_600_000))
        return self._seats(HoldSeats, show, self._labels(show, self._dice.choice((1, 2, 4))), hold_ms=hold_ms)

    def _confirm(self, show: Planned) -> Any:
        if self.held and self._dice.random() < 0.4:
            show_id, booking_id, owner_id, _ = self._dice.choice(self.held)
            return ConfirmBooking(**self._ids(SHOWS[show_id - 1], owner_id), booking_id=booking_id)
        return self._about(ConfirmBooking, show)

    def _cancel(self, show: Planned) -> Any:
        return self._about(CancelBooking, show)

    def _check_in(self, show: Planned) -> Command:
        show, booking_id, _, seats = self._one_booking(show)
        seat = self._dice.choice(seats or self._labels(show, 1))
        staff = self._dice.random() < 0.9
        return CheckIn(
            **self._ids(show, STAFF if staff else 1), staff=staff, booking_id=booking_id, seat=seat
        )

    def _about(self, kind: type[Any], show: Planned) -> Any:
        show, booking_id, owner_id, _ = self._one_booking(show)
        dice = self._dice.random()
        if dice > 0.95:
            booking_id = self._booking_id(show)
        if dice < 0.8:
            return kind(**self._ids(show, owner_id), booking_id=booking_id)
        return kind(**self._ids(show, self._user()), staff=self._dice.random() < 0.6, booking_id=booking_id)

    def _one_booking(self, show: Planned) -> tuple[Planned, UUID, int, tuple[str, ...]]:
        """A booking that was live recently, or one that was requested."""
        if self.live and self._dice.random() < 0.7:
            show_id, booking_id, owner_id, seats = self._dice.choice(self.live)
            return SHOWS[show_id - 1], booking_id, owner_id, seats
        if self._asked:
            show, asked = self._dice.choice(self._asked[-250:])
            return show, asked.booking_id, asked.owner_id, asked.seats
        return show, self._booking_id(show), self._user(), ()

    def _block(self, show: Planned) -> Command:
        seats = self._labels(show, self._dice.choice((0, 1, 2, 4)))
        self._blocked += [(show, seat) for seat in seats]
        return BlockSeats(**self._staff(show), seats=seats)

    def _unblock(self, show: Planned) -> Command:
        if self._blocked and self._dice.random() < 0.6:
            show, seat = self._dice.choice(self._blocked)
            return UnblockSeats(**self._staff(show), seats=(seat,))
        return UnblockSeats(**self._staff(show), seats=self._labels(show, self._dice.choice((1, 3, 6))))

    def _close(self, show: Planned) -> Command:
        return CloseShow(**self._staff(SHOWS[6] if self._dice.random() < 0.7 else show))

    def _reopen(self, show: Planned) -> Command:
        return ReopenShow(**self._staff(SHOWS[6] if self._dice.random() < 0.5 else show))

    def _change(self, show: Planned) -> Command:
        show = self._dice.choice((SHOWS[1], SHOWS[4], SHOWS[4], SHOWS[6]))
        terms: list[dict[str, Any]] = [
            {"seats_per_customer": self._dice.choice((4, 12, 100))},
            {"sales_end_ms": 0},
            {"sales_start_ms": 0, "starts_ms": self.now_ms + 300 * HOUR_MS},
        ]
        if show is SHOWS[4]:
            terms += [
                {"sales_start_ms": self.now_ms + HOUR_MS // 2},
                {"sales_end_ms": self.now_ms + HOUR_MS // 4},
            ]
        return ChangeShow(**self._staff(show), **self._dice.choice(terms))

    def _expire(self, show: Planned) -> Command:
        return ExpireHolds(**self._ids(show, 0), staff=True)

    def _open_again(self, show: Planned) -> Command:
        return self._open(show if show.show_id != 9 else SHOWS[0])

    def _open(self, show: Planned) -> OpenShow:
        return OpenShow(
            **self._ids(show, 0),
            staff=True,
            layout_id=show.show_id,
            layout_digest=show.digest,
            starts_ms=show.time_ms(show.starts_after_h) or 0,
            seats_per_customer=show.limit,
            sales_start_ms=show.time_ms(show.sales_start_after_h),
            sales_end_ms=show.time_ms(show.sales_end_after_h),
        )

    # --- what they are made of ---

    def _seats(self, kind: type[Any], show: Planned, seats: tuple[str, ...], **fields: Any) -> Any:
        ids = self._ids(show, fields.pop("user_id", self._user()))
        if self._dice.random() < 0.08:
            fields |= {"staff": True, "customer_id": self._user()}
        return kind(**ids | fields, booking_id=self._booking_id(show), seats=seats)

    def _labels(self, show: Planned, count: int) -> tuple[str, ...]:
        seating, dice = self._seatings[show.show_id], self._dice
        within = min(len(seating), 400)
        labels = [seating.label(dice.randrange(within)) for _ in range(count)]
        if dice.random() < 0.03:
            labels.append(dice.choice(("nowhere", "座", "A0", "B41", "\x07")))
        if dice.random() < 0.97:
            labels = list(dict.fromkeys(labels))
        return tuple(labels)

    def _ids(self, show: Planned, user_id: int) -> dict[str, Any]:
        return {
            "command_id": self._id(),
            "show_id": show.show_id,
            "user_id": user_id,
            "reply_to": self._reply(),
        }

    def _staff(self, show: Planned) -> dict[str, Any]:
        staff = self._dice.random() < 0.95
        return self._ids(show, STAFF if staff else self._user()) | {"staff": staff}

    def _reply(self) -> ReplyTo | None:
        self._request += 1
        return ReplyTo("9f3c00", self._request) if self._request % 3 == 0 else None

    def _user(self) -> int:
        return self._dice.choice(CUSTOMERS)

    def _booking_id(self, show: Planned) -> UUID:
        return new_booking_id(show.show_id, self.now_ms, self._dice.getrandbits(64))

    def _id(self) -> UUID:
        return fresh_command_id(self.now_ms, self._dice.getrandbits(80))

    def follow_up_id(self, now_ms: int) -> UUID:
        """The id of a timer's command."""
        return fresh_command_id(now_ms, self._dice.getrandbits(80))

    def cancelled_show(self, show_id: int) -> Asked:
        """Staff cancel a show."""
        show = SHOWS[show_id - 1]
        return self._record(show, CancelShow(**self._ids(show, STAFF), staff=True))
