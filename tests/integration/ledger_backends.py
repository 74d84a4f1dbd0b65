"""The backends of the ledger contract tests: a real PostgreSQL, and the tables of the simulation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import asyncpg

from runtime.postgres import connect
from schemas.commands import BookSeats, Command, OpenShow
from schemas.ids import Position
from schemas.layout import Layout, Money, Row, Section, encode_layout, layout_digest
from schemas.seating import Seating
from schemas.wire import encode
from seat_workers.batch import Advance, Batch, ShowRow
from seat_workers.compact.stored_show import StoredShow
from seat_workers.fold import DecidedRecord, fold
from seat_workers.ledger import Ledger
from seat_workers.show import step
from seat_workers.show_state import Show
from tests.simulation.database import Database
from tests.simulation.fake_ledger import FakeLedger

T = TypeVar("T")
ScanRow = tuple[str, int, str | None, int | None]
"""Seat, time, gate and, of a conflict, the time of the check-in before it."""

LAYOUT = Layout((Section("Stalls", Money(1000, "EUR"), (Row("A", 6),)),))
SEATING = Seating(LAYOUT)
BODY = encode_layout(LAYOUT)
DIGEST = layout_digest(BODY)


class DirectLink:
    """A connection to the simulated tables without delays. `cut`: the next commit is lost `before` or `after`."""

    cut = ""

    async def connect(self) -> None:
        pass

    async def call(self, effect: Callable[[], T], takes_s: float = 0.0) -> T:
        return effect()

    async def commit(self, effect: Callable[[], T]) -> T:
        cut, self.cut = self.cut, ""
        if cut == "before":
            raise ConnectionResetError
        result = effect()
        if cut == "after":
            raise ConnectionResetError
        return result


class _CutCall:
    """The prepared call of `commit_batch`; its next result is lost."""

    def __init__(self, call: Any, cut: str) -> None:
        self._call = call
        self._cut = cut

    async def fetchval(self, *arguments: Any) -> Any:
        if self._cut == "after":
            await self._call.fetchval(*arguments)
        raise ConnectionResetError


class SimulatedBackend:
    """The tables of the simulation."""

    def __init__(self) -> None:
        self._database = Database()
        self._database.layouts[DIGEST] = SEATING

    async def open(self) -> None:
        pass

    def ledger(self) -> Ledger:
        return FakeLedger(self._database, DirectLink())

    async def cut(self, ledger: Ledger, when: str) -> None:
        assert isinstance(ledger, FakeLedger)
        assert isinstance(ledger._link, DirectLink)
        ledger._link.cut = when

    async def lose_partition(self, partition: int) -> None:
        del self._database.partitions[partition]

    async def claims(self) -> set[tuple[int, str, UUID | None]]:
        return {(seat, claim.state, claim.booking_id) for (_, seat), claim in self._database.claims.items()}

    async def check_ins(self) -> list[ScanRow]:
        rows = sorted(self._database.check_ins.items())
        return [(scan.seat, scan.at_ms, scan.gate, scan.used_ms) for _, scan in rows]

    async def close(self) -> None:
        pass


class PostgresBackend:
    """A PostgreSQL with the migrations."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._db: Any = None

    async def open(self) -> None:
        self._db = await asyncpg.connect(self._url)
        await self._db.execute(
            "INSERT INTO layouts (digest, total_seats, body) VALUES ($1, 6, $2)", DIGEST, BODY
        )

    def ledger(self) -> Ledger:
        return Ledger(lambda name: connect(self._url, name))

    async def cut(self, ledger: Ledger, when: str) -> None:
        await ledger._connection("commit")
        ledger._commit_call = _CutCall(ledger._commit_call, when)

    async def lose_partition(self, partition: int) -> None:
        await self._db.execute("DELETE FROM partitions WHERE partition = $1", partition)

    async def claims(self) -> set[tuple[int, str, UUID | None]]:
        rows = await self._db.fetch("SELECT seat, state::text AS state, booking_id FROM claims")
        return {(row["seat"], row["state"], row["booking_id"]) for row in rows}

    async def check_ins(self) -> list[ScanRow]:
        rows = await self._db.fetch("SELECT seat, at_ms, gate, used_ms FROM check_ins ORDER BY log_offset")
        return [tuple(row) for row in rows]

    async def close(self) -> None:
        await self._db.close()


Backend = SimulatedBackend | PostgresBackend


class Writer:
    """Makes batches as a worker does, with a show in memory."""

    def __init__(self, partition: int = 0, show_id: int = 7, epoch: int = 1) -> None:
        self.partition = partition
        self.epoch = epoch
        self.next = 0
        self.show = Show(show_id, SEATING)
        self._ids = (UUID(int=(partition << 32) + n) for n in itertools.count(1))

    def id(self) -> UUID:
        return next(self._ids)

    def decided(self, *commands: Command | None, at_ms: int = 1_000) -> list[DecidedRecord]:
        """The decisions on these commands, at the next positions."""
        made = []
        for n, command in enumerate(commands, self.next):
            assert command is not None
            decision = step(self.show, command, at_ms)
            body = encode(command)
            position = Position(self.partition, n)
            made.append(DecidedRecord(position, at_ms, body, command, decision, encode(decision), True))
        return made

    def batch(self, *commands: Command, at_ms: int = 1_000, published: int = 0) -> Batch:
        """The writer's next batch, of these commands."""
        return self.batch_of(self.decided(*commands, at_ms=at_ms), published=published)

    def batch_of(self, decided: list[DecidedRecord], *, published: int = 0) -> Batch:
        expected, self.next = self.next, self.next + len(decided)
        changed = any(one.decision.events for one in decided)
        show, row = self.show, []
        if changed:
            show.version = self.next - 1
            assert show.status is not None
            row = [
                ShowRow(show.show_id, self.partition, show.status, show.terms, show.version, show.available)
            ]
        last_ms = max((one.at_ms for one in decided), default=0)
        return Batch(
            advances={self.partition: Advance(self.epoch, expected, self.next, published, last_ms)},
            decided=decided,
            net=fold(decided, {show.show_id: show.seating}),
            shows=row,
            versions_before={},
        )


def open_show(writer: Writer, **fields: Any) -> OpenShow:
    return OpenShow(
        command_id=writer.id(),
        show_id=writer.show.show_id,
        layout_id=1,
        layout_digest=DIGEST,
        starts_ms=2**50,
        seats_per_customer=100,
        **fields,
    )


def ask(writer: Writer, kind: type[Any], **fields: Any) -> Any:
    given = {"command_id": writer.id(), "show_id": writer.show.show_id, "user_id": 1, "staff": True} | fields
    return kind(**given)


def book(writer: Writer, *seats: str, **fields: Any) -> BookSeats:
    command: BookSeats = ask(writer, BookSeats, booking_id=writer.id(), seats=seats, **fields)
    return command


def cached(stored: StoredShow | Show) -> tuple[object, ...]:
    """The state of a show in its writer's memory."""
    show = Show(stored.show_id, SEATING)
    if isinstance(stored, Show):
        show = stored
    else:
        for _ in show.fill(stored):
            pass
    holds = sorted(one for one in show.expiries if show.holds_until(one[1], one[0]))
    customers = dict(show.seats_of_customer)
    return bytes(show.states), show.available, dict(show.bookings), customers, holds, show.blocks
