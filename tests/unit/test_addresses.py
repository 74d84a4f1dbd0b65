"""Which address a request counts for, and whose word about it is taken."""

from __future__ import annotations

import ipaddress

import pytest

from gateway.addresses import UNKNOWN, Addresses, _parsed

TRUSTED = [ipaddress.ip_network(network) for network in ("10.0.0.0/8", "::1/128")]


def address(peer: str | None, *forwarded: str, trusted: bool = True) -> str:
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    client = None if peer is None else (peer, 1234)
    return Addresses(TRUSTED if trusted else ()).client_address(client, headers)


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        (None, UNKNOWN),
        ("", UNKNOWN),
        ("socket", UNKNOWN),
    ],
)
def test_an_address_counts_by_itself_and_an_ipv6_client_by_its_network(
    peer: str | None, counted: str
) -> None:
    assert address(peer, trusted=False) == counted


def test_nobody_unknown_is_believed_who_they_speak_for() -> None:
    assert address("192.0.2.1", "198.51.100.7") == "192.0.2.1"
    assert address("10.1.2.3", "198.51.100.7", trusted=False) == "10.1.2.3"


@pytest.mark.parametrize(
    ("peer", "forwarded", "counted"),
    [
        ("10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["10.9.9.9, 198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7,10.4.5.6"], "198.51.100.7"),
        ("10.1.2.3", ["203.0.113.9, 198.51.100.7", "10.4.5.6"], "198.51.100.7"),
        ("::1", ["2001:db8::5"], "2001:db8::/64"),
        ("::ffff:10.1.2.3", ["198.51.100.7"], "198.51.100.7"),
        ("10.1.2.3", ["[2001:db8::5]:443"], "2001:db8::/64"),
        ("10.1.2.3", ["198.51.100.7:5678"], "198.51.100.7"),
    ],
)
def test_behind_proxies_the_nearest_address_that_is_no_proxy_counts(
    peer: str, forwarded: list[str], counted: str
) -> None:
    assert address(peer, *forwarded) == counted


@pytest.mark.parametrize("forwarded", ["", "unknown", "198.51.100.7, nonsense", "198.51.100.7, " + "1" * 200])
def test_where_a_proxy_wrote_nonsense_the_proxy_counts(forwarded: str) -> None:
    assert address("10.1.2.3", forwarded) == "10.1.2.3"
    assert address("10.1.2.3") == "10.1.2.3"


def test_a_client_cannot_make_us_read_a_list_without_end() -> None:
    assert address("10.1.2.3", ",".join(["10.0.0.1"] * 5_000)) == "10.0.0.1"
    assert address("10.1.2.3", "198.51.100.7," + ",".join(["10.0.0.1"] * 50)) == "10.0.0.1"


@pytest.mark.parametrize(
    ("peer", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("10.0.0.1", None),
        ("not an address", None),
    ],
)
def test_a_connection_counts_for_its_address_unless_that_is_a_trusted_proxy(
    peer: str, counted: str | None
) -> None:
    addresses = Addresses(TRUSTED)
    assert addresses.connection_address((peer, 1)) == counted
    assert addresses.connection_address(None) is None


def test_long_entries_are_not_remembered() -> None:
    addresses = Addresses(TRUSTED)
    before = _parsed.cache_info().currsize
    for number in range(100):
        headers = [(b"x-forwarded-for", b"%d%b, 10.0.0.2" % (number, b"x" * 30_000))]
        assert addresses.client_address(("10.0.0.1", 1), headers) == "10.0.0.2"
    assert _parsed.cache_info().currsize <= before + 2
