"""One run of the crowd: customers arrive on a show, a line each second, and the check at the end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from random import Random

import aiohttp
import msgspec

from ops.crowd.accounts import Accounts
from ops.crowd.api import Api, Refused, Unreachable
from ops.crowd.arrivals import arrival_times
from ops.crowd.check import Booking, find_violations
from ops.crowd.connections import Connections
from ops.crowd.customer import Customer
from ops.crowd.house import AVAILABLE, House
from ops.crowd.tally import Second, Tally
from runtime import postgres
from runtime.process import CannotStart

_FINISH_S = 20.0
"""Time for what customers have begun when the crowd closes."""
_CHECKS = 8
_READS = 10

_STORED_SQL = """
SELECT label, sum(claims)::int AS claims, sum(bookings)::int AS bookings FROM (
       SELECT unnest(seats) AS label, 0 AS claims, 1 AS bookings FROM bookings
        WHERE show_id = $1 AND status IN ('held', 'confirmed')
       UNION ALL
       SELECT ($2::text[])[seat + 1], 1, 0 FROM claims WHERE show_id = $1 AND booking_id IS NOT NULL) s
 GROUP BY label
"""


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """What a run is to do."""

    url: str
    show_id: int
    people: int
    for_s: float
    seed: int
    database_url: str | None = None
    """The database to check as well; None: only the API."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What the crowd did, and what the check found."""

    show_id: int
    seed: int
    took_s: float
    did: dict[str, int]
    refusals: dict[str, int]
    seats_left: int
    median_ms: float | None
    checked_bookings: int
    checked_database: bool
    violations: list[str]


class _Show(msgspec.Struct):
    status: str
    payment: str = "none"


async def run_crowd(
    crowd: Crowd, accounts: Accounts, report: Callable[[Second], None], stop: asyncio.Event
) -> Result:
    """Sends the crowd, until its time is over, `stop` is set or everybody has gone. Raises CannotStart."""
    dice = Random(crowd.seed)
    tally = Tally()
    began = time.monotonic()
    async with Connections(crowd.url) as connections:
        visitor = Api(connections.session(crowd.people), "", tally, dice)
        await _refuse_other_than_on_sale(connections.session(crowd.people), crowd)
        house = House(await visitor.seat_map(crowd.show_id))
        closing = asyncio.Event()
        customers = []
        for number in range(crowd.people):
            own = Random(dice.getrandbits(64))
            api = Api(connections.session(number), accounts.token(number), tally, own)
            pace = min(max(crowd.for_s / 60, 0.15), 3.0)
            customers.append(Customer(api, house, crowd.show_id, tally, own, pace, closing))
        times = arrival_times(crowd.people, crowd.for_s, dice)
        visits = [
            asyncio.create_task(_visit_at(began + at, customer, closing))
            for at, customer in zip(times, customers, strict=True)
        ]
        reporting = asyncio.create_task(_report(visitor, crowd.show_id, tally, began, report))
        everybody = asyncio.gather(*visits)
        ended = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((everybody, ended), timeout=crowd.for_s, return_when=asyncio.FIRST_COMPLETED)
            closing.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(everybody, _FINISH_S)
        finally:
            for task in (*visits, reporting, ended):
                task.cancel()
            await asyncio.gather(*visits, reporting, ended, return_exceptions=True)
        took_s = time.monotonic() - began
        median_ms = tally.median_ms()
        promised: dict[str, Booking] = {}
        for one in customers:
            promised |= one.promised
        fresh = [
            Api(connections.session(n), accounts.token(n), Tally(), Random(n)) for n in range(crowd.people)
        ]
        checked, states, violations = await _check(crowd, house, visitor, fresh, promised)
    return Result(
        show_id=crowd.show_id,
        seed=crowd.seed,
        took_s=round(took_s, 1),
        did={name: n for name, n in sorted(tally.did.items()) if not name.startswith("refused_")},
        refusals=tally.refusals,
        seats_left=Counter(states)[AVAILABLE],
        median_ms=median_ms,
        checked_bookings=checked,
        checked_database=crowd.database_url is not None,
        violations=violations,
    )


async def _visit_at(at: float, customer: Customer, closing: asyncio.Event) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(closing.wait(), max(at - time.monotonic(), 0))
    if not closing.is_set():
        await customer.visit()


async def _report(
    visitor: Api, show_id: int, tally: Tally, began: float, report: Callable[[Second], None]
) -> None:
    """Reports the state of the crowd each second."""
    second = 0
    while True:
        second += 1
        await asyncio.sleep(max(began + second - time.monotonic(), 0))
        with suppress(Refused, Unreachable):
            tally.seats_left = Counter(await visitor.states(show_id))[AVAILABLE]
        report(tally.second(time.monotonic() - began))


async def _refuse_other_than_on_sale(session: aiohttp.ClientSession, crowd: Crowd) -> None:
    """Raises CannotStart unless customers can buy seats of the show."""
    path = f"/api/shows/{crowd.show_id}"
    try:
        async with session.get(path, timeout=aiohttp.ClientTimeout(total=10)) as response:
            status, body = response.status, await response.read()
    except (aiohttp.ClientError, TimeoutError, OSError):
        raise CannotStart(f"no Aisle answers at {crowd.url}; `aisle up` starts one") from None
    if status == 404:
        raise CannotStart(f"--show {crowd.show_id}: there is no such show; {crowd.url}/api/shows lists them")
    try:
        show = msgspec.json.decode(body, type=_Show)
    except msgspec.DecodeError:
        raise CannotStart(f"{crowd.url}{path} answers {status}, and not as Aisle does") from None
    if show.status != "on_sale":
        raise CannotStart(f"--show {crowd.show_id}: this show is {show.status}, not on sale; choose another")
    if show.payment == "required":
        raise CannotStart(
            f"--show {crowd.show_id}: this show has to be paid, and the crowd has no money; choose one without payment"
        )


async def _check(
    crowd: Crowd, house: House, visitor: Api, customers: list[Api], promised: dict[str, Booking]
) -> tuple[int, list[str], list[str]]:
    """Checks again where seats changed meanwhile. Returns the number of bookings, the seats, and the violations."""
    violations: list[str] = []
    for attempt in range(_CHECKS):
        slots = asyncio.Semaphore(_READS)

        async def bookings_of(one: Api, slots: asyncio.Semaphore = slots) -> list[Booking]:
            async with slots:
                return await one.bookings()

        before = await visitor.states(crowd.show_id)
        found = await asyncio.gather(*(bookings_of(one) for one in customers))
        bookings = [b for listed in found for b in listed if b.show_id == crowd.show_id]
        stored = None if crowd.database_url is None else await _stored(crowd, house)
        states = await visitor.states(crowd.show_id)
        letters = dict(zip(house.labels, states, strict=True))
        violations = find_violations(promised, bookings, letters, stored)
        if not violations:
            break
        # A hold that ran out meanwhile, or another's booking: not the same moment. It counts if it stays.
        if before == states and attempt >= 2:
            break
        await asyncio.sleep(0.5)
    return len(bookings), states, violations


async def _stored(crowd: Crowd, house: House) -> list[tuple[str, int, int]]:
    assert crowd.database_url is not None
    connection = await postgres.connect(crowd.database_url, "crowd check")
    try:
        rows = await connection.fetch(_STORED_SQL, crowd.show_id, house.labels)
    finally:
        await connection.close()
    return [(row["label"], row["claims"], row["bookings"]) for row in rows]


def stop_on_signals() -> asyncio.Event:
    """Returns an event that Ctrl-C or SIGTERM sets; a second Ctrl-C ends the process as usual."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        stop.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal, number)
    return stop
