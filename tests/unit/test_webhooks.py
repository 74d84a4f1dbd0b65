"""Webhooks: the schedule, signatures, addresses, and what is sent for each event."""

from __future__ import annotations

import base64
import ipaddress
import itertools
import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.api_webhooks import EventType
from schemas.events import (
    Booking,
    BookingCancelled,
    BookingChanged,
    BookingConfirmed,
    BookingHeld,
    BookingStatus,
    HoldExpired,
    HoldExtended,
    HoldReleased,
    PublishedEvent,
    SeatsBlocked,
    SeatsSwapped,
    SeatsUnblocked,
    ShowCancelled,
    ShowChanged,
    ShowClosed,
    ShowOpened,
    ShowReopened,
    ShowStatus,
    Terms,
    TicketCheckedIn,
)
from schemas.ids import new_booking_id
from webhooks.addresses import may_connect
from webhooks.bodies import body_of_test, messages_of, sold_out, takes_seats
from webhooks.schedule import (
    DELAYS_S,
    LONGEST_RETRY_AFTER_S,
    ORDERED_S,
    Outcome,
    next_delay_s,
    outcome_of,
    read_retry_after,
    slowdown_s,
)
from webhooks.signing import SigningKeys, sign

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
NOW_S = int(datetime.now(UTC).timestamp())
KEYS = SigningKeys(b"s" * 32, b"p" * 32)
OTHER = SigningKeys(b"t" * 32, b"q" * 32)
BOOKING = Booking(
    new_booking_id(7, 1_795_000_000_000, 1),
    show_id=7,
    user_id=3,
    status=BookingStatus.CONFIRMED,
    seats=("C12",),
    total=1250,
    currency="EUR",
    created_ms=1_795_000_000_000,
    paid=True,
)
TERMS = Terms(1, "0", 1_796_000_000_000, 10, payment="none")


def test_the_tries_are_those_of_the_contract() -> None:
    assert [next_delay_s(attempts) for attempts in range(11)] == [
        *(0, 1, 5, 30, 120, 900, 3600, 21_600, 86_400, 158_400),
        None,
    ]


def test_the_first_four_tries_fall_into_the_minute_in_which_order_is_kept() -> None:
    assert list(itertools.accumulate(DELAYS_S))[3] < ORDERED_S < list(itertools.accumulate(DELAYS_S))[4]


@pytest.mark.parametrize(
    ("statuses", "outcome"),
    [
        ((200, 201, 202, 204, 299), Outcome.DELIVERED),
        ((301, 302, 303, 304, 307, 308), Outcome.RETRY),
        ((400, 401, 404, 500, 502, 504, 100, 600), Outcome.RETRY),
        ((429, 503), Outcome.SLOW_DOWN),
        ((410,), Outcome.GONE),
    ],
)
def test_the_outcome_follows_from_the_status(statuses: tuple[int, ...], outcome: Outcome) -> None:
    assert {outcome_of(status) for status in statuses} == {outcome}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 0),
        ("7", 7),
        (" 7 ", 7),
        ("-7", 0),
        ("soon", 0),
        ("999999999999", LONGEST_RETRY_AFTER_S),
        ("9" * 5000, 0),
        ("Sat, 21 Nov 2026 09:30:30 GMT", 31),
        ("Sat, 21 Nov 2026 09:00:00 GMT", 0),
        ("Sat, 21 Nov 2099 09:00:00 GMT", LONGEST_RETRY_AFTER_S),
    ],
)
def test_retry_after_is_read_and_bounded(value: str, seconds: int) -> None:
    assert read_retry_after({"Retry-After": value}, NOW) == seconds


def test_slow_downs_double_up_to_a_bound_and_never_undercut_retry_after() -> None:
    assert [slowdown_s(count, 0) for count in (1, 2, 3, 8, 9, 1000)] == [2, 4, 8, 256, 300, 300]
    assert slowdown_s(1, 60) == 60
    assert slowdown_s(1, 10**9) == LONGEST_RETRY_AFTER_S


def headers(keys: list[SigningKeys], body: bytes, event_id: str = "3-18211-0") -> dict[str, str]:
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(NOW_S),
        "webhook-signature": sign(event_id, NOW_S, body, keys),
    }


def test_a_receiver_verifies_v1_with_the_library_of_the_specification() -> None:
    body = b'{"type": "booking.confirmed"}'
    assert Webhook(KEYS.shown_secret).verify(body, headers([KEYS], body)) == {"type": "booking.confirmed"}
    with pytest.raises(WebhookVerificationError):
        Webhook(KEYS.shown_secret).verify(body + b" ", headers([KEYS], body))
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER.shown_secret).verify(body, headers([KEYS], body))


def test_while_secrets_rotate_both_verify() -> None:
    body = b"{}"
    sent = headers([OTHER, KEYS], body)
    assert [one.partition(",")[0] for one in sent["webhook-signature"].split(" ")] == ["v1", "v1a"] * 2
    for keys in (KEYS, OTHER):
        Webhook(keys.shown_secret).verify(body, sent)


def test_v1a_is_ed25519_over_the_same_bytes() -> None:
    body = b"{}"
    signatures = headers([KEYS], body)["webhook-signature"].split(" ")
    (signature,) = (base64.b64decode(one[4:]) for one in signatures if one.startswith("v1a,"))
    assert KEYS.shown_public_key.startswith("whpk_")
    public = Ed25519PublicKey.from_public_bytes(base64.b64decode(KEYS.shown_public_key[5:]))
    public.verify(signature, f"3-18211-0.{NOW_S}.{{}}".encode())
    with pytest.raises(InvalidSignature):
        public.verify(signature, f"3-18211-1.{NOW_S}.{{}}".encode())


PRIVATE = [
    "127.0.0.1",
    "127.1.2.3",
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "224.0.1.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "2002:7f00:1::1",
    "2001:0:7f00:1::1",
]
PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "2606:2800:220:1:248:1893:25c8:1946",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_internet_is_refused(address: str) -> None:
    assert not may_connect(address, ())


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_allowed(address: str) -> None:
    assert may_connect(address, ())


@pytest.mark.parametrize(
    "address", ["localhost", "", "0x7f.1", "2130706433", "127.1", "example.com", "/run/x"]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert not may_connect(address, (ipaddress.ip_network("0.0.0.0/0"),))


def test_the_setting_allows_its_networks_and_no_others() -> None:
    networks = (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8"))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::a01:203", "fd12::1"):
        assert may_connect(address, networks)
    for address in ("127.0.0.1", "192.168.0.1", "fe80::1", "::1", "169.254.169.254"):
        assert not may_connect(address, networks)


def sent(event: Any, at_ms: int = 1_795_000_000_123) -> list[tuple[str, dict[str, Any]]]:
    messages = list(messages_of(PublishedEvent("3-18211-0", at_ms, event)))
    assert all(json.loads(message.body)["type"] == message.type for message in messages)
    assert {message.show_id for message in messages} <= {7}
    return [(message.event_id, json.loads(message.body)) for message in messages]


SENT_BOOKING = {
    "id": str(BOOKING.booking_id),
    "show_id": 7,
    "user_id": 3,
    "status": "confirmed",
    "seats": ["C12"],
    "total": {"amount": 1250, "currency": "EUR"},
    "created_at": "2026-11-18T11:06:40.000Z",
    "expires_at": None,
    "decided": {"partition": 3, "offset": 18211},
}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (BookingConfirmed, "booking.confirmed"),
        (BookingCancelled, "booking.cancelled"),
        (BookingHeld, "hold.created"),
        (HoldReleased, "hold.released"),
        (HoldExpired, "hold.expired"),
    ],
)
def test_an_event_of_a_booking_has_it_as_the_api_does_and_nothing_more(event: Any, kind: str) -> None:
    assert sent(event(BOOKING)) == [
        (
            "3-18211-0",
            {"type": kind, "timestamp": "2026-11-18T11:06:40.123Z", "data": {"booking": SENT_BOOKING}},
        )
    ]


def test_a_change_of_seats_says_what_was_before() -> None:
    ((_, body),) = sent(BookingChanged(BOOKING, ("A1", "A2"), 990))
    assert body["type"] == "booking.changed"
    assert body["data"] == {
        "booking": SENT_BOOKING,
        "old_seats": ["A1", "A2"],
        "old_total": {"amount": 990, "currency": "EUR"},
    }


def test_swapped_seats_are_two_changes_with_ids_of_their_own() -> None:
    other = msgspec.structs.replace(
        BOOKING, booking_id=new_booking_id(7, 1, 2), seats=("A1",), total=10, user_id=0
    )
    (one_id, one), (other_id, two) = sent(SeatsSwapped(BOOKING, other))
    assert one_id != other_id
    assert (one["data"]["booking"]["seats"], one["data"]["old_seats"]) == (["C12"], ["A1"])
    assert (two["data"]["booking"]["seats"], two["data"]["old_seats"]) == (["A1"], ["C12"])
    assert two["data"]["booking"]["user_id"] is None


def test_a_check_in_names_its_seat() -> None:
    ((_, body),) = sent(TicketCheckedIn(BOOKING, "C12"))
    assert (body["type"], body["data"]["seat"]) == ("ticket.checked_in", "C12")


@pytest.mark.parametrize(
    ("event", "kind", "status", "shown"),
    [
        (ShowOpened, "show.opened", ShowStatus.OPEN, "on_sale"),
        (ShowChanged, "show.changed", ShowStatus.OPEN, "on_sale"),
        (ShowClosed, "show.closed", ShowStatus.CLOSED, "closed"),
        (ShowReopened, "show.reopened", ShowStatus.OPEN, "on_sale"),
        (ShowCancelled, "show.cancelled", ShowStatus.CANCELLED, "cancelled"),
    ],
)
def test_an_event_of_a_show_has_its_status_in_the_words_of_the_api(
    event: Any, kind: str, status: ShowStatus, shown: str
) -> None:
    ((_, body),) = sent(event(7, status, TERMS))
    assert body["type"] == kind
    assert body["data"]["show"] == {
        "id": 7,
        "status": shown,
        "starts_at": "2026-11-30T00:53:20.000Z",
        "seats_per_customer": 10,
        "sales_start_at": None,
        "sales_end_at": None,
    }


@pytest.mark.parametrize(
    "event", [HoldExtended(BOOKING), SeatsBlocked(7, ("A1",)), SeatsUnblocked(7, ("A1",))]
)
def test_other_events_send_nothing(event: Any) -> None:
    assert sent(event) == []


def test_a_show_can_be_sold_out_by_what_takes_seats_for_good() -> None:
    def of(event: Any) -> int | None:
        return takes_seats(PublishedEvent("0-1-0", 1, event))

    assert of(BookingConfirmed(BOOKING)) == of(SeatsBlocked(7, ("A1",))) == 7
    assert of(BookingHeld(BOOKING)) is None
    message = sold_out(PublishedEvent("0-1-0", 1, BookingConfirmed(BOOKING)), 7)
    assert message.event_id == "0-1-0-sold-out"
    assert json.loads(message.body)["data"] == {"show": {"id": 7}}


def test_ids_have_no_dot_as_it_separates_what_is_signed() -> None:
    assert "." not in sold_out(PublishedEvent("0-1-0", 1, SeatsBlocked(7, ("A1",))), 7).event_id
    assert json.loads(body_of_test(4, 0)) == {
        "type": "webhook.test",
        "timestamp": "1970-01-01T00:00:00.000Z",
        "data": {"webhook": {"id": 4}},
    }


def test_every_type_of_the_contract_can_be_asked_for() -> None:
    wanted = [
        "booking.confirmed",
        "booking.cancelled",
        "booking.changed",
        "hold.created",
        "hold.released",
        "hold.expired",
        "show.opened",
        "show.changed",
        "show.closed",
        "show.reopened",
        "show.cancelled",
        "show.sold_out",
        "ticket.checked_in",
        "payment.captured",
        "payment.refunded",
    ]
    assert list(EventType.__args__) == wanted  # type: ignore[attr-defined]
