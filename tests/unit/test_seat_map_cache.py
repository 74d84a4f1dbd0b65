"""The cache of seat-map snapshots: changes received, changes lost, and reads from PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Collection

import pytest

from gateway.http.problems import Problem
from gateway.seat_maps import cache as cache
from gateway.seat_maps.cache import COMPARE_EVERY_S, SUBSCRIBED_VALID_S, UNSUBSCRIBED_VALID_S, SeatMapCache
from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import NOT_OPENED, SeatMapSnapshot, ShowTerms
from gateway.seat_maps.store import StoredSeatMap
from schemas.layout import Money, encode_layout, numbered
from schemas.wire import ShowSeatChanges, encode

SHOW, SEATS = 7, 20
TERMS = ShowTerms("open", 2**52)
LAYOUT = EncodedLayout(encode_layout(numbered(SEATS, Money(1000, "EUR"))))


class FakeStore:
    """The stored seats; counts reads, and answers only while `go_on` is set."""

    def __init__(self) -> None:
        self.version = NOT_OPENED
        self.letters = bytearray(b"a" * SEATS)
        self.terms = TERMS
        self.reads = 0
        self.versions_read = 0
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    def book(self, version: int, *seats: int, letter: str = "s") -> ShowSeatChanges:
        """Commits a change and returns the message that would be published."""
        change = ShowSeatChanges(SHOW, self.version, version, {str(seat): letter for seat in seats})
        self.version = version
        for seat in seats:
            self.letters[seat - 1] = ord(letter)
        return change

    async def read(self, show_id: int, known_version: int) -> StoredSeatMap | None:
        self.reads += 1
        self.asked.set()
        claims = [(seat, letter) for seat, letter in enumerate(self.letters) if letter != ord("a")]
        read = StoredSeatMap(1, self.version, self.terms, claims if self.version != known_version else [])
        await self.go_on.wait()
        return read if show_id < 1000 else None

    async def versions(self, show_ids: Collection[int]) -> dict[int, int]:
        self.versions_read += 1
        return dict.fromkeys(show_ids, self.version)

    async def layout(self, layout_id: int) -> EncodedLayout:
        return LAYOUT


class Clock:
    """A clock that the test advances; each call adds one microsecond."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class Fixture:
    """A cache with its store and its clock."""

    def __init__(self) -> None:
        self.stored = FakeStore()
        self.clock = Clock()
        self.seat_maps = SeatMapCache(self.stored, self.clock)  # type: ignore[arg-type]

    def publish(self, *changes: ShowSeatChanges) -> None:
        self.seat_maps.receive(encode(changes))

    async def states(self) -> str:
        return (await self.seat_maps.get(SHOW)).states.decode()

    def true_states(self) -> str:
        return self.stored.letters.decode()


class Replay:
    """A listener that replays the changes it receives."""

    def __init__(self, snapshot: SeatMapSnapshot) -> None:
        self.states = dict(zip(LAYOUT.seating.labels, snapshot.states.decode(), strict=True))

    def changed(self, changes: dict[str, str]) -> None:
        self.states |= changes

    def replayed(self) -> str:
        return "".join(self.states.values())


@pytest.fixture
async def fixture() -> Fixture:
    return Fixture()


@pytest.fixture
async def subscribed(fixture: Fixture) -> Fixture:
    fixture.seat_maps.subscribed()
    fixture.stored.book(10, 1)
    assert await fixture.states() == fixture.true_states()
    return fixture


async def test_a_snapshot_is_read_once_and_updated_by_published_changes(subscribed: Fixture) -> None:
    for version in range(11, 19):
        subscribed.publish(subscribed.stored.book(version, version))
        snapshot = subscribed.seat_maps.get_if_valid(SHOW)
        assert snapshot is not None
        assert (snapshot.version, snapshot.states.decode()) == (version, subscribed.true_states())
    assert subscribed.stored.reads == 1


async def test_after_a_gap_the_snapshot_is_read_again_before_use(subscribed: Fixture) -> None:
    subscribed.stored.book(11, 2)  # never replay of
    subscribed.publish(subscribed.stored.book(12, 3))
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert await subscribed.states() == subscribed.true_states()
    assert subscribed.stored.reads == 2


async def test_a_change_without_a_version_before_causes_a_read(subscribed: Fixture) -> None:
    change = subscribed.stored.book(11, 2)
    subscribed.publish(ShowSeatChanges(SHOW, -1, 11, change.changes))
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert await subscribed.states() == subscribed.true_states()
    subscribed.publish(ShowSeatChanges(SHOW, -1, 11, {"5": "s"}))
    assert subscribed.seat_maps.get_if_valid(SHOW) is not None, "what it has already changes nothing"


async def test_changes_received_during_a_read_are_applied(fixture: Fixture) -> None:
    fixture.seat_maps.subscribed()
    fixture.stored.book(10, 1)
    fixture.stored.go_on.clear()
    reading = asyncio.create_task(fixture.states())
    await fixture.stored.asked.wait()
    for version in (11, 12):  # the statement has seen neither
        fixture.publish(fixture.stored.book(version, version))
    fixture.stored.go_on.set()
    assert await reading == fixture.true_states()
    assert fixture.stored.reads == 1


async def test_a_gap_during_a_read_causes_another_read(fixture: Fixture) -> None:
    fixture.seat_maps.subscribed()
    fixture.stored.go_on.clear()
    reading = asyncio.create_task(fixture.states())
    await fixture.stored.asked.wait()
    fixture.stored.book(11, 5)
    fixture.publish(fixture.stored.book(12, 6))
    fixture.stored.go_on.set()
    await reading
    assert fixture.seat_maps.get_if_valid(SHOW) is None
    assert await fixture.states() == fixture.true_states()


async def test_concurrent_callers_share_one_read(fixture: Fixture) -> None:
    fixture.stored.go_on.clear()
    asking = [asyncio.create_task(fixture.states()) for _ in range(50)]
    await fixture.stored.asked.wait()
    fixture.stored.go_on.set()
    assert set(await asyncio.gather(*asking)) == {fixture.true_states()}
    assert fixture.stored.reads == 1


async def test_without_a_subscription_a_snapshot_is_valid_for_250_ms_at_most(fixture: Fixture) -> None:
    await fixture.states()
    fixture.stored.book(10, 1)
    fixture.clock.now += UNSUBSCRIBED_VALID_S - 0.01
    assert fixture.seat_maps.get_if_valid(SHOW) is not None
    fixture.clock.now += 0.02
    assert fixture.seat_maps.get_if_valid(SHOW) is None
    assert await fixture.states() == fixture.true_states()


@pytest.mark.parametrize("what", ["invalidate", "subscribed", "unsubscribed"])
async def test_after_an_invalidation_snapshots_are_compared_before_use(
    subscribed: Fixture, what: str
) -> None:
    subscribed.stored.book(11, 2)
    getattr(subscribed.seat_maps, what)()
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert await subscribed.states() == subscribed.true_states()


async def test_the_snapshot_has_every_version_sent_to_a_client(subscribed: Fixture) -> None:
    subscribed.stored.book(11, 2)
    subscribed.seat_maps.require_version(SHOW, 10)
    assert subscribed.seat_maps.get_if_valid(SHOW) is not None
    subscribed.seat_maps.require_version(SHOW, 11)
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert (await subscribed.seat_maps.get(SHOW)).version == 11


async def test_a_read_that_began_before_the_invalidation_confirms_nothing(subscribed: Fixture) -> None:
    subscribed.seat_maps.invalidate()
    subscribed.stored.go_on.clear()
    subscribed.stored.asked.clear()
    reading = asyncio.create_task(subscribed.states())
    await subscribed.stored.asked.wait()
    subscribed.stored.book(11, 2)
    subscribed.seat_maps.invalidate()
    subscribed.stored.go_on.set()
    await reading
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert await subscribed.states() == subscribed.true_states()


async def test_a_lost_change_is_found_by_the_comparison(subscribed: Fixture) -> None:
    subscribed.stored.book(11, 2)
    subscribed.clock.now += COMPARE_EVERY_S
    await subscribed.seat_maps.compare()
    assert subscribed.seat_maps.get_if_valid(SHOW) is not None, "it may be on its way"
    subscribed.clock.now += COMPARE_EVERY_S
    await subscribed.seat_maps.compare()
    assert subscribed.seat_maps.get_if_valid(SHOW) is None
    assert await subscribed.states() == subscribed.true_states()


async def test_late_changes_are_awaited_without_repeated_reads(
    subscribed: Fixture,
) -> None:
    late = [subscribed.stored.book(11, 2)]
    for version in range(12, 18):
        subscribed.clock.now += COMPARE_EVERY_S
        await subscribed.seat_maps.compare()
        assert subscribed.seat_maps.get_if_valid(SHOW) is not None
        late.append(subscribed.stored.book(version, version))
        subscribed.publish(late.pop(0))
    assert subscribed.stored.reads == 1
    subscribed.clock.now += SUBSCRIBED_VALID_S
    assert subscribed.seat_maps.get_if_valid(SHOW) is None, "but not for ever"


async def test_unused_snapshots_are_not_compared(subscribed: Fixture) -> None:
    subscribed.clock.now += cache.COMPARED_AFTER_USE_S + 1
    await subscribed.seat_maps.compare()
    assert subscribed.stored.versions_read == 0
    snapshot = await subscribed.seat_maps.get(SHOW)
    subscribed.seat_maps.set_listener(snapshot, Replay(snapshot))
    subscribed.clock.now += cache.COMPARED_AFTER_USE_S + 1
    await subscribed.seat_maps.compare()
    assert subscribed.stored.versions_read == 1


async def test_listeners_receive_all_changes_despite_lost_messages(fixture: Fixture) -> None:
    chance = random.Random(4)
    snapshot = await fixture.seat_maps.get(SHOW)
    replay = Replay(snapshot)
    fixture.seat_maps.set_listener(snapshot, replay)
    for version in range(1, 2_000):
        change = fixture.stored.book(
            version, *chance.sample(range(1, SEATS + 1), chance.randint(0, 4)), letter=chance.choice("ahsb")
        )
        if chance.random() < 0.8:
            fixture.publish(change)
        if chance.random() < 0.1:
            fixture.publish(change)
        if chance.random() < 0.05:
            getattr(fixture.seat_maps, chance.choice(["subscribed", "unsubscribed", "invalidate"]))()
        fixture.clock.now += chance.random() * 0.2
        if chance.random() < 0.3:
            await fixture.seat_maps.compare()
        if chance.random() < 0.2:
            fixture.stored.go_on.clear() if fixture.stored.go_on.is_set() else fixture.stored.go_on.set()
        await asyncio.sleep(0)
    fixture.stored.go_on.set()
    for _ in range(3):
        fixture.clock.now += SUBSCRIBED_VALID_S + 1
        await fixture.seat_maps.compare()
        for _ in range(5):
            await asyncio.sleep(0)
    assert snapshot.version == fixture.stored.version
    assert replay.replayed() == snapshot.states.decode() == fixture.true_states()


async def test_a_restored_older_state_replaces_a_newer_one(subscribed: Fixture) -> None:
    snapshot = await subscribed.seat_maps.get(SHOW)
    replay = Replay(snapshot)
    subscribed.seat_maps.set_listener(snapshot, replay)
    subscribed.stored.book(3, 9)
    subscribed.stored.letters[0] = ord("a")
    await subscribed.seat_maps.compare()
    assert await subscribed.states() == subscribed.true_states() == replay.replayed()
    assert (await subscribed.seat_maps.get(SHOW)).version == 3


async def test_an_unknown_show_is_not_found(fixture: Fixture) -> None:
    with pytest.raises(Problem, match="no show 1000") as refused:
        await fixture.seat_maps.get(1000)
    assert refused.value.code == "not_found"


async def test_an_unavailable_database_fails_the_current_callers_only(fixture: Fixture) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    whole, fixture.stored.read = fixture.stored.read, away  # type: ignore[method-assign,assignment]
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await fixture.states()
    fixture.stored.read = whole  # type: ignore[method-assign]
    assert await fixture.states() == fixture.true_states()


async def test_the_cache_is_bounded_and_keeps_snapshots_with_a_listener(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_SEATS", 5 * SEATS)
    fixture.seat_maps.subscribed()
    watched = await fixture.seat_maps.get(1)
    fixture.seat_maps.set_listener(watched, Replay(watched))
    for show_id in range(2, 100):
        await fixture.seat_maps.get(show_id)
    kept = [show_id for show_id in range(1, 100) if fixture.seat_maps.get_if_valid(show_id) is not None]
    assert kept == [1, 96, 97, 98, 99]


def test_etag_and_body_belong_to_the_version() -> None:
    snapshot = SeatMapSnapshot(SHOW, LAYOUT, 10, [(0, ord("s"))], TERMS)
    assert snapshot.etag == b'"7.10"'
    assert snapshot.body() is snapshot.body()
    before = snapshot.body()
    assert snapshot.apply(ShowSeatChanges(SHOW, 10, 11, {"2": "h"}))
    assert snapshot.etag == b'"7.11"'
    assert snapshot.body() == before.replace(b'"version":10', b'"version":11').replace(b'"sa', b'"sh')
    assert snapshot.message() == b'{"type":"seats","version":11,"states":"sh%b"}' % (b"a" * 18)


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        (ShowTerms(None, 100), "opening"),
        (ShowTerms("open", 100), "on_sale"),
        (ShowTerms("open", 50), "past"),
        (ShowTerms("closed", 50), "past"),
        (ShowTerms("cancelled", 50), "cancelled"),
        (ShowTerms("closed", 100), "closed"),
        (ShowTerms("open", 100, 51), "scheduled"),
        (ShowTerms("open", 100, 50), "on_sale"),
        (ShowTerms("open", 100, None, 51), "on_sale"),
        (ShowTerms("open", 100, None, 50), "closed"),
    ],
)
def test_a_status_follows_from_the_terms_and_the_clock(terms: ShowTerms, status: str) -> None:
    assert terms.status_at(50) == status
