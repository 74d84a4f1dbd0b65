"""A gateway's pictures of seats: what they hear, what they miss, and when they ask PostgreSQL again."""

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
    """What PostgreSQL has; counts how often it is asked, and answers late while `held`."""

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
        """Commits a change; gives what would be published of it."""
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
    """Time that passes only when told, but for a tick at each look."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


class Fixture:
    """Pictures with what is around them."""

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


class Heard:
    """Watchers that replay what they are told."""

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
async def fed(fixture: Fixture) -> Fixture:
    fixture.seat_maps.subscribed()
    fixture.stored.book(10, 1)
    assert await fixture.states() == fixture.true_states()
    return fixture


async def test_a_picture_is_read_once_and_then_moves_on_by_what_is_published(fed: Fixture) -> None:
    for version in range(11, 19):
        fed.publish(fed.stored.book(version, version))
        snapshot = fed.seat_maps.get_if_valid(SHOW)
        assert snapshot is not None
        assert (snapshot.version, snapshot.states.decode()) == (version, fed.true_states())
    assert fed.stored.reads == 1


async def test_after_a_gap_it_is_read_again_before_it_is_shown(fed: Fixture) -> None:
    fed.stored.book(11, 2)  # never heard of
    fed.publish(fed.stored.book(12, 3))
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert await fed.states() == fed.true_states()
    assert fed.stored.reads == 2


async def test_an_unknown_version_before_means_reading_again(fed: Fixture) -> None:
    change = fed.stored.book(11, 2)
    fed.publish(ShowSeatChanges(SHOW, -1, 11, change.changes))
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert await fed.states() == fed.true_states()
    fed.publish(ShowSeatChanges(SHOW, -1, 11, {"5": "s"}))
    assert fed.seat_maps.get_if_valid(SHOW) is not None, "what it has already changes nothing"


async def test_what_is_heard_while_it_is_read_is_not_lost(fixture: Fixture) -> None:
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


async def test_a_gap_while_it_is_read_means_reading_again(fixture: Fixture) -> None:
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


async def test_many_who_ask_at_once_share_one_reading(fixture: Fixture) -> None:
    fixture.stored.go_on.clear()
    asking = [asyncio.create_task(fixture.states()) for _ in range(50)]
    await fixture.stored.asked.wait()
    fixture.stored.go_on.set()
    assert set(await asyncio.gather(*asking)) == {fixture.true_states()}
    assert fixture.stored.reads == 1


async def test_without_a_feed_a_picture_is_shown_for_a_quarter_of_a_second_at_most(fixture: Fixture) -> None:
    await fixture.states()
    fixture.stored.book(10, 1)
    fixture.clock.now += UNSUBSCRIBED_VALID_S - 0.01
    assert fixture.seat_maps.get_if_valid(SHOW) is not None
    fixture.clock.now += 0.02
    assert fixture.seat_maps.get_if_valid(SHOW) is None
    assert await fixture.states() == fixture.true_states()


@pytest.mark.parametrize("what", ["invalidate", "subscribed", "unsubscribed"])
async def test_what_makes_all_pictures_doubtful_has_them_compared_before_they_are_shown(
    fed: Fixture, what: str
) -> None:
    fed.stored.book(11, 2)
    getattr(fed.seat_maps, what)()
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert await fed.states() == fed.true_states()


async def test_a_version_that_somebody_was_told_of_is_in_the_picture(fed: Fixture) -> None:
    fed.stored.book(11, 2)
    fed.seat_maps.require_version(SHOW, 10)
    assert fed.seat_maps.get_if_valid(SHOW) is not None
    fed.seat_maps.require_version(SHOW, 11)
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert (await fed.seat_maps.get(SHOW)).version == 11


async def test_a_reading_that_began_before_the_doubt_settles_nothing(fed: Fixture) -> None:
    fed.seat_maps.invalidate()
    fed.stored.go_on.clear()
    fed.stored.asked.clear()
    reading = asyncio.create_task(fed.states())
    await fed.stored.asked.wait()
    fed.stored.book(11, 2)
    fed.seat_maps.invalidate()
    fed.stored.go_on.set()
    await reading
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert await fed.states() == fed.true_states()


async def test_what_the_feed_keeps_silent_about_is_found_by_comparing(fed: Fixture) -> None:
    fed.stored.book(11, 2)
    fed.clock.now += COMPARE_EVERY_S
    await fed.seat_maps.compare()
    assert fed.seat_maps.get_if_valid(SHOW) is not None, "it may be on its way"
    fed.clock.now += COMPARE_EVERY_S
    await fed.seat_maps.compare()
    assert fed.seat_maps.get_if_valid(SHOW) is None
    assert await fed.states() == fed.true_states()


async def test_a_feed_that_is_late_is_waited_for_and_pictures_are_not_read_over_and_over(
    fed: Fixture,
) -> None:
    late = [fed.stored.book(11, 2)]
    for version in range(12, 18):
        fed.clock.now += COMPARE_EVERY_S
        await fed.seat_maps.compare()
        assert fed.seat_maps.get_if_valid(SHOW) is not None
        late.append(fed.stored.book(version, version))
        fed.publish(late.pop(0))
    assert fed.stored.reads == 1
    fed.clock.now += SUBSCRIBED_VALID_S
    assert fed.seat_maps.get_if_valid(SHOW) is None, "but not for ever"


async def test_pictures_that_nobody_looks_at_are_not_compared(fed: Fixture) -> None:
    fed.clock.now += cache.COMPARED_AFTER_USE_S + 1
    await fed.seat_maps.compare()
    assert fed.stored.versions_read == 0
    snapshot = await fed.seat_maps.get(SHOW)
    fed.seat_maps.set_listener(snapshot, Heard(snapshot))
    fed.clock.now += cache.COMPARED_AFTER_USE_S + 1
    await fed.seat_maps.compare()
    assert fed.stored.versions_read == 1


async def test_watchers_are_told_everything_whatever_is_lost_on_the_way(fixture: Fixture) -> None:
    chance = random.Random(4)
    snapshot = await fixture.seat_maps.get(SHOW)
    heard = Heard(snapshot)
    fixture.seat_maps.set_listener(snapshot, heard)
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
    assert heard.replayed() == snapshot.states.decode() == fixture.true_states()


async def test_a_state_that_was_restored_replaces_a_newer_one(fed: Fixture) -> None:
    snapshot = await fed.seat_maps.get(SHOW)
    heard = Heard(snapshot)
    fed.seat_maps.set_listener(snapshot, heard)
    fed.stored.book(3, 9)
    fed.stored.letters[0] = ord("a")
    await fed.seat_maps.compare()
    assert await fed.states() == fed.true_states() == heard.replayed()
    assert (await fed.seat_maps.get(SHOW)).version == 3


async def test_an_unknown_show_is_not_found(fixture: Fixture) -> None:
    with pytest.raises(Problem, match="no show 1000") as refused:
        await fixture.seat_maps.get(1000)
    assert refused.value.code == "not_found"


async def test_a_database_that_is_away_fails_those_who_ask_and_only_them(fixture: Fixture) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    whole, fixture.stored.read = fixture.stored.read, away  # type: ignore[method-assign,assignment]
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            await fixture.states()
    fixture.stored.read = whole  # type: ignore[method-assign]
    assert await fixture.states() == fixture.true_states()


async def test_only_so_many_pictures_are_kept_and_watched_ones_stay(
    fixture: Fixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "MAX_SEATS", 5 * SEATS)
    fixture.seat_maps.subscribed()
    watched = await fixture.seat_maps.get(1)
    fixture.seat_maps.set_listener(watched, Heard(watched))
    for show_id in range(2, 100):
        await fixture.seat_maps.get(show_id)
    kept = [show_id for show_id in range(1, 100) if fixture.seat_maps.get_if_valid(show_id) is not None]
    assert kept == [1, 96, 97, 98, 99]


def test_tag_and_body_are_those_of_the_version() -> None:
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
