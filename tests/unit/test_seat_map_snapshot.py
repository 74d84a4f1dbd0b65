"""Seat-map snapshot: published changes, replacement by stored seats, and the encoded forms."""

from __future__ import annotations

import msgspec
import pytest

from gateway.seat_maps.layout import EncodedLayout
from gateway.seat_maps.snapshot import NOT_OPENED, SeatMapSnapshot, ShowTerms
from schemas.layout import Layout, Money, Row, Section, encode_layout
from schemas.wire import ShowSeatChanges

SHOW = 7
TERMS = ShowTerms("open", 2**52)
LAYOUT = EncodedLayout(encode_layout(Layout((Section("Stalls", Money(1000, "EUR"), (Row("A", 4),)),))))


class Listener:
    """Keeps the changes that it receives."""

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []

    def changed(self, changes: dict[str, str]) -> None:
        self.received.append(changes)


def snapshot_of(version: int = 10, states: str = "aaaa") -> SeatMapSnapshot:
    return SeatMapSnapshot(SHOW, LAYOUT, version, claims(states), TERMS)


def claims(states: str) -> list[tuple[int, int]]:
    return [(seat, ord(letter)) for seat, letter in enumerate(states) if letter != "a"]


def watched(snapshot: SeatMapSnapshot) -> list[dict[str, str]]:
    """Gives a snapshot a listener. Returns what it receives."""
    snapshot.listener = listener = Listener()
    return listener.received


def states(snapshot: SeatMapSnapshot) -> str:
    return snapshot.states.decode()


def change(before: int, after: int, **letters: str) -> ShowSeatChanges:
    return ShowSeatChanges(SHOW, before, after, letters)


def test_a_new_snapshot_has_its_seats_and_no_past() -> None:
    snapshot = snapshot_of(10, "ahsb")
    assert (snapshot.show_id, snapshot.layout, snapshot.version) == (SHOW, LAYOUT, 10)
    assert (states(snapshot), snapshot.terms, snapshot.listener) == ("ahsb", TERMS, None)
    assert snapshot.valid_until == snapshot.read_at == snapshot.used_at == 0.0
    assert snapshot.invalidated_at < 0.0
    assert snapshot.awaited_version is None


def test_a_change_sets_the_seats_it_names() -> None:
    snapshot = snapshot_of(10, "sshb")
    received = watched(snapshot)
    assert snapshot.apply(change(10, 11, A1="a", A2="h", A3="s", A4="a"))
    assert (snapshot.version, states(snapshot)) == (11, "ahsa")
    assert snapshot.apply(change(11, 12, A4="b"))
    assert (snapshot.version, states(snapshot)) == (12, "ahsb")
    assert received == [{"A1": "a", "A2": "h", "A3": "s", "A4": "a"}, {"A4": "b"}]


def test_a_change_can_begin_at_the_first_offset_of_the_log() -> None:
    snapshot = snapshot_of(0)
    assert snapshot.apply(change(0, 3, A1="s"))
    assert (snapshot.version, states(snapshot)) == (3, "saaa")


def test_a_show_that_was_not_opened_has_no_version_that_a_change_could_begin_at() -> None:
    snapshot = snapshot_of(NOT_OPENED)
    assert not snapshot.apply(change(NOT_OPENED, 3, A1="s"))
    assert snapshot.version == NOT_OPENED


@pytest.mark.parametrize("before", [9, 10])
def test_a_change_may_begin_before_the_version_of_the_snapshot(before: int) -> None:
    snapshot = snapshot_of(10)
    assert snapshot.apply(change(before, 11, A1="s"))
    assert (snapshot.version, states(snapshot)) == (11, "saaa")


@pytest.mark.parametrize("before", [-1, 11, 12])
def test_a_change_after_a_gap_is_not_applied(before: int) -> None:
    snapshot = snapshot_of(10)
    received = watched(snapshot)
    assert not snapshot.apply(change(before, 13, A1="s"))
    assert (snapshot.version, states(snapshot), received) == (10, "aaaa", [])


@pytest.mark.parametrize("after", [9, 10])
def test_a_change_that_the_snapshot_has_already_is_not_applied_again(after: int) -> None:
    snapshot = snapshot_of(10)
    received = watched(snapshot)
    assert snapshot.apply(change(8, after, A1="s"))
    assert (snapshot.version, states(snapshot), received) == (10, "aaaa", [])


@pytest.mark.parametrize("letters", [{"X9": "s"}, {"A2": "w"}, {"A2": "sold"}, {"A2": ""}])
def test_a_change_with_an_unknown_seat_or_state_is_not_applied(letters: dict[str, str]) -> None:
    snapshot = snapshot_of(10)
    received = watched(snapshot)
    assert not snapshot.apply(change(10, 11, **letters))
    assert (snapshot.version, received) == (10, [])


def test_a_change_of_terms_only_moves_the_version_and_is_not_passed_on() -> None:
    snapshot = snapshot_of(10)
    received = watched(snapshot)
    assert snapshot.apply(change(10, 11))
    assert (snapshot.version, received) == (11, [])


def test_a_replacement_passes_the_difference_on() -> None:
    snapshot = snapshot_of(10, "sshb")
    received = watched(snapshot)
    closed = ShowTerms("closed", 5)
    snapshot.replace(15, claims("ahhb"), closed)
    assert (snapshot.version, states(snapshot), snapshot.terms) == (15, "ahhb", closed)
    assert received == [{"A1": "a", "A2": "h"}]


def test_a_replacement_by_the_same_seats_passes_nothing_on_but_that_it_happened() -> None:
    snapshot = snapshot_of(10, "sshb")
    received = watched(snapshot)
    snapshot.replace(15, claims("sshb"), TERMS)
    assert received == [{}]


def test_without_a_listener_changes_go_nowhere() -> None:
    snapshot = snapshot_of(10)
    assert snapshot.apply(change(10, 11, A1="s"))
    snapshot.replace(12, claims("ss"), TERMS)
    assert states(snapshot) == "ssaa"


def test_encoded_forms_are_made_once_per_version() -> None:
    snapshot = snapshot_of(10, "ahsb")
    body, message = snapshot.body(), snapshot.message()
    assert snapshot.body() is body
    assert snapshot.message() is message
    row = {"name": "A", "seats": ["A1", "A2", "A3", "A4"], "aisles_after": []}
    assert msgspec.json.decode(body) == {
        "show_id": SHOW,
        "version": 10,
        "sections": [{"name": "Stalls", "price": {"amount": 1000, "currency": "EUR"}, "rows": [row]}],
        "states": "ahsb",
    }
    assert msgspec.json.decode(message) == {"type": "seats", "version": 10, "states": "ahsb"}
    assert snapshot.etag == b'"7.10"'
    snapshot.replace(11, claims("ssss"), TERMS)
    for encoded in (snapshot.body(), snapshot.message()):
        document = msgspec.json.decode(encoded)
        assert (document["version"], document["states"]) == (11, "ssss")
    assert snapshot.etag == b'"7.11"'


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        (ShowTerms(None, 51), "opening"),
        (ShowTerms(None, 50), "past"),
        (ShowTerms("open", 51), "on_sale"),
        (ShowTerms("cancelled", 51), "cancelled"),
        (ShowTerms("closed", 51, 60), "closed"),
        (ShowTerms(None, 51, 60), "opening"),
        (ShowTerms("open", 99, 51, 50), "scheduled"),
    ],
)
def test_the_status_of_a_show_at_50_ms(terms: ShowTerms, status: str) -> None:
    assert terms.status_at(50) == status
